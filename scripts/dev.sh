#!/usr/bin/env bash
# A whole TenantsDB on this machine until Ctrl-C: PostgreSQL, MariaDB, MongoDB, Redis, control and one
# proxy, with all data below .dev/. Run it as `make dev`. A second run finds everything as it was left.
#
# Settings, all optional:
#   TENANTSDB_DEV_POSTGRES_PORT=6432   where applications connect to (the proxy), for PostgreSQL
#   TENANTSDB_DEV_MARIADB_PORT=6306    the same for MariaDB
#   TENANTSDB_DEV_MYSQL=yes            a MySQL server too: this machine's, or one of Debian sid beside it
#   TENANTSDB_DEV_MYSQL_PORT=6307      its port for applications
#   TENANTSDB_DEV_MONGO_PORT=6017      the proxy's port for MongoDB; TENANTSDB_MONGO chooses the server
#   TENANTSDB_DEV_REDIS_PORT=6380      the proxy's port for Redis
#   TENANTSDB_DEV_CONTROL_PORT=6080    REST
#   TENANTSDB_DEV_ADMIN_PORT=6090      the proxy's metrics and health
#   TENANTSDB_DEV_DIR=.dev             data, logs, keys
#   TENANTSDB_DEV_BIN=…                folder of built programs; nothing is built then
set -euo pipefail

# Whoever starts this with & in a script makes it deaf to Ctrl-C, and bash cannot take that back.
if [ -z "${TENANTSDB_DEV_HEARS:-}" ]; then
  TENANTSDB_DEV_HEARS=1 exec perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "${BASH_SOURCE[0]}" "$@"
fi
unset TENANTSDB_DEV_HEARS

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$ROOT/scripts/postgres.sh"
. "$ROOT/scripts/mysql.sh"
. "$ROOT/scripts/redis.sh"
. "$ROOT/scripts/mongo.sh"

PROXY_PORT=${TENANTSDB_DEV_POSTGRES_PORT:-6432}
MARIADB_PORT=${TENANTSDB_DEV_MARIADB_PORT:-6306}
WITH_MYSQL=${TENANTSDB_DEV_MYSQL:-}
MYSQL_PORT=${TENANTSDB_DEV_MYSQL_PORT:-6307}
MONGO_PORT=${TENANTSDB_DEV_MONGO_PORT:-6017}
REDIS_PORT=${TENANTSDB_DEV_REDIS_PORT:-6380}
CONTROL_PORT=${TENANTSDB_DEV_CONTROL_PORT:-6080}
ADMIN_PORT=${TENANTSDB_DEV_ADMIN_PORT:-6090}
DEV=$(realpath -m "${TENANTSDB_DEV_DIR:-$ROOT/.dev}")
BIN=${TENANTSDB_DEV_BIN:-}

# A drain waits for sessions to end; on Ctrl-C nobody wants to.
DRAIN_SECONDS=2
STOP_SECONDS=15

say() { printf '%s\n' "$*"; }
die() { printf 'make dev: %s\n' "$*" >&2; exit 1; }

# --- what runs ---------------------------------------------------------------------------------

# Started children in order, as "name pid"; a process id also stands in .dev/NAME.pid.
CHILDREN=()

# start NAME COMMAND…: in a session of its own, so that Ctrl-C reaches this script alone and the
# parts stop in order.
start() {
  local name=$1
  shift
  "$@" >>"$DEV/log/$name.log" 2>&1 </dev/null 9>&- &
  CHILDREN+=("$name $!")
  echo "$!" >"$DEV/$name.pid"
}

# as_own_session COMMAND…: setsid(1) becomes the command when it is not a group leader, which a
# background child of a script never is: the process id stays.
as_own_session() { exec setsid "$@"; }

# stop NAME PID SIGNAL: asks, waits, insists.
stop() {
  local name=$1 pid=$2 signal=$3 end=$((SECONDS + STOP_SECONDS))
  kill -s "$signal" "$pid" 2>/dev/null || { rm -f "$DEV/$name.pid"; return 0; }
  while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.1; done
  if kill -0 "$pid" 2>/dev/null; then
    say "$name did not stop within $STOP_SECONDS s; killed"
    kill -s KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$DEV/$name.pid"
}

# The signal for an orderly stop. PostgreSQL: INT is its "fast" shutdown.
stop_signal() { [ "$1" = postgres ] && echo INT || echo TERM; }

stop_all() {
  trap '' INT TERM HUP
  rm -f "$DEV/ready"
  local i name pid
  for ((i = ${#CHILDREN[@]} - 1; i >= 0; i--)); do
    read -r name pid <<<"${CHILDREN[i]}"
    stop "$name" "$pid" "$(stop_signal "$name")"
  done
  CHILDREN=()
}

# A run that was killed leaves its children behind. A process is ours if its id stands in our folder
# and its command line names that folder.
stop_leftovers() {
  local name pid
  for name in proxy control redis mongo mysql mariadb postgres; do
    pid=$(cat "$DEV/$name.pid" 2>/dev/null) || continue
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null |
      grep -qF -e "$DEV" -e "$POSTGRES_DATA" -e "$MARIADB_DATA"; then
      say "stopping the $name of an earlier run that was killed"
      stop "$name" "$pid" "$(stop_signal "$name")"
    fi
    rm -f "$DEV/$name.pid"
  done
}

# fail_if_dead: an error that names the part and its log, when one has ended.
fail_if_dead() {
  local child name pid
  for child in "${CHILDREN[@]}"; do
    read -r name pid <<<"$child"
    kill -0 "$pid" 2>/dev/null && continue
    tail -n 5 "$DEV/log/$name.log" >&2 || true
    die "$name has ended; its log is $DEV/log/$name.log"
  done
}

# until_ready NAME COMMAND…: waits until the command succeeds.
until_ready() {
  local name=$1 end=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    fail_if_dead
    [ $SECONDS -lt $end ] || die "$name is not ready after 60 s; its log is $DEV/log/$name.log"
    sleep 0.1
  done
}

# --- ports -------------------------------------------------------------------------------------

port_is_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

need_port() {
  port_is_busy "$1" || return 0
  die "port $1 is in use, and $2 needs it; stop what listens there (ss -ltnp 'sport = :$1'), or choose another: $3=… make dev"
}

# Perl is on every Debian; it asks the kernel for a port by binding port 0.
free_port() {
  perl -MIO::Socket::INET -e \
    'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:0")->sockport'
}

secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# --- where databases live ----------------------------------------------------------------------

# choose_data SERVER MADE AS_USER…: prints the folder for a server's data. Its user has to search the
# whole path. Where it cannot, the data gets a folder of its own below the temporary directory, and
# .dev/env says which. MADE is a file that is there once the data was made.
choose_data() {
  local server=$1 made=$2 data
  shift 2
  if [ -s "$DEV/$server.path" ]; then
    data=$(cat "$DEV/$server.path")
    [ -e "$data/$made" ] || [ ! -e "$DEV/$server.registered" ] ||
      die "the databases are gone from $data, and control knows them; to start anew: rm -rf $DEV"
  elif "$@" test -x "$DEV"; then
    data=$DEV/$server
  else
    data=$(mktemp -d "${TMPDIR:-/tmp}/tenantsdb-dev.XXXXXX")/$server
    chmod 711 "$(dirname "$data")"
  fi
  echo "$data" >"$DEV/$server.path"
  printf '%s' "$data"
}

# as_user_session USER COMMAND…: as USER where root runs this, since no server wants to be run by it.
as_user_session() {
  local user=$1
  shift
  if [ "$(id -u)" = 0 ]; then
    as_own_session setpriv --reuid="$user" --regid="$user" --init-groups --reset-env "$@"
  else
    as_own_session "$@"
  fi
}

# prepare SERVER: a password and a port for its administrator's use, chosen at the first run.
prepare() {
  [ -s "$DEV/$1.password" ] || secret >"$DEV/$1.password"
  [ -s "$DEV/$1.port" ] || free_port >"$DEV/$1.port"
}

# --- PostgreSQL --------------------------------------------------------------------------------

init_postgres() {
  local bin=$1 password
  prepare postgres
  [ -e "$POSTGRES_DATA/PG_VERSION" ] && return 0
  say "making a PostgreSQL cluster in $POSTGRES_DATA"
  rm -rf "$POSTGRES_DATA"
  mkdir "$POSTGRES_DATA"
  [ "$(id -u)" != 0 ] || chown postgres: "$POSTGRES_DATA"
  # The password goes through a file that only the server's user can read.
  password=$POSTGRES_DATA.initdb
  install -m 600 "$DEV/postgres.password" "$password"
  [ "$(id -u)" != 0 ] || chown postgres: "$password"
  as_postgres "$bin/initdb" -D "$POSTGRES_DATA" -U postgres --auth=scram-sha-256 \
    --pwfile="$password" -E UTF8 --locale=C.UTF-8 >>"$DEV/log/postgres.log" 2>&1 ||
    die "initdb failed; its log is $DEV/log/postgres.log"
  rm -f "$password"
}

start_postgres() {
  local bin port
  bin=$(postgres_bin)
  init_postgres "$bin"
  port=$(cat "$DEV/postgres.port")
  need_port "$port" 'PostgreSQL (its port was chosen at the first run and is known to control)' \
    "rm -rf $DEV and start anew, or TENANTSDB_DEV_DIR"
  start postgres as_user_session postgres "$bin/postgres" -D "$POSTGRES_DATA" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200
  POSTGRES_ADDRESS=127.0.0.1:$port
  until_ready postgres "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"
}

# --- MariaDB -----------------------------------------------------------------------------------

init_mariadb() {
  local sql=$MARIADB_DATA.sql
  prepare mariadb
  [ -e "$MARIADB_DATA/made" ] && return 0
  say "making MariaDB's data in $MARIADB_DATA"
  rm -rf "$MARIADB_DATA"
  # A server that starts clears its temporary folder of what looks like its own.
  mkdir -p "$MARIADB_DATA" "$MARIADB_DATA.tmp"
  [ "$(id -u)" != 0 ] || chown "$MARIADB_USER:" "$MARIADB_DATA" "$MARIADB_DATA.tmp"
  mariadb-install-db --no-defaults ${MARIADB_AS:+--user="$MARIADB_AS"} --datadir="$MARIADB_DATA" \
    --auth-root-authentication-method=normal --skip-test-db >>"$DEV/log/mariadb.log" 2>&1 ||
    die "mariadb-install-db failed; its log is $DEV/log/mariadb.log"
  # One statement a line. The password goes through a file that only the server's user can read.
  install -m 600 /dev/null "$sql"
  cat >"$sql" <<SQL
DROP USER IF EXISTS ''@'localhost', ''@'$(hostname)', root@'$(hostname)', root@'127.0.0.1', root@'::1';
ALTER USER root@localhost ACCOUNT LOCK;
CREATE USER admin@'127.0.0.1' IDENTIFIED BY '$(cat "$DEV/mariadb.password")';
GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
SQL
  [ "$(id -u)" != 0 ] || chown "$MARIADB_USER:" "$sql"
}

start_mariadb() {
  local port sql=$MARIADB_DATA.sql options=()
  init_mariadb
  port=$(cat "$DEV/mariadb.port")
  need_port "$port" 'MariaDB (its port was chosen at the first run and is known to control)' \
    "rm -rf $DEV and start anew, or TENANTSDB_DEV_DIR"
  [ ! -e "$sql" ] || options=(--init-file="$sql")
  # The socket's path is relative to the data: the length of such a path is limited.
  start mariadb as_user_session "$MARIADB_USER" "$(mariadb_program mariadbd)" --no-defaults \
    --datadir="$MARIADB_DATA" --bind-address=127.0.0.1 --port="$port" --socket=socket \
    --tmpdir="$MARIADB_DATA.tmp" --pid-file=pid --skip-name-resolve \
    --character-set-server=utf8mb4 --event-scheduler=ON "${options[@]}"
  MARIADB_ADDRESS=127.0.0.1:$port
  until_ready mariadb mariadb_answers "$port"
  [ ! -e "$sql" ] || { rm -f "$sql" && as_mariadb touch "$MARIADB_DATA/made"; }
}

mariadb_answers() {
  MYSQL_PWD=$(cat "$DEV/mariadb.password") mariadb --no-defaults --protocol=tcp \
    -h 127.0.0.1 -P "$1" -u admin -e 'SELECT 1'
}

# --- MySQL, where it is asked for ---------------------------------------------------------------

# It may come from a folder that only this user can read, and is run by this user.
init_mysql() {
  local data=$DEV/mysql
  prepare mysql
  [ -e "$data/made" ] && return 0
  say "making MySQL's data in $data"
  rm -rf "$data"
  "${MYSQLD[@]}" --initialize-insecure --user="$(id -un)" --datadir="$data" \
    >>"$DEV/log/mysql.log" 2>&1 ||
    die "mysqld --initialize-insecure failed; its log is $DEV/log/mysql.log"
  cat >"$data.sql" <<SQL
CREATE USER admin@'127.0.0.1' IDENTIFIED BY '$(cat "$DEV/mysql.password")';
GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
ALTER USER root@localhost ACCOUNT LOCK;
SQL
}

start_mysql() {
  local port sql=$DEV/mysql.sql options=()
  init_mysql
  port=$(cat "$DEV/mysql.port")
  need_port "$port" 'MySQL (its port was chosen at the first run and is known to control)' \
    "rm -rf $DEV and start anew, or TENANTSDB_DEV_DIR"
  [ ! -e "$sql" ] || options=(--init-file="$sql")
  start mysql as_own_session "${MYSQLD[@]}" --user="$(id -un)" --datadir="$DEV/mysql" \
    --bind-address=127.0.0.1 --port="$port" --socket=socket --pid-file=pid --mysqlx=OFF \
    --secure-file-priv=NULL --skip-name-resolve --log-bin-trust-function-creators=ON \
    --event-scheduler=ON "${options[@]}"
  MYSQL_ADDRESS=127.0.0.1:$port
  until_ready mysql mysql_answers "$port"
  [ ! -e "$sql" ] || { rm -f "$sql" && touch "$DEV/mysql/made"; }
}

mysql_answers() {
  MYSQL_PWD=$(cat "$DEV/mysql.password") "${MYSQL[@]}" --protocol=tcp -h 127.0.0.1 -P "$1" \
    -u admin -e 'SELECT 1'
}

# --- Redis -------------------------------------------------------------------------------------

# The configuration has the password, which a command line would show to everybody.
init_redis() {
  local data=$DEV/redis
  prepare redis
  [ -e "$data/redis.conf" ] && return 0
  say "making Redis's data in $data"
  rm -rf "$data" "$data.new"
  mkdir "$data.new"
  # Logins are not written here: control pushes them again to a server that has lost them.
  cat >"$data.new/redis.conf" <<CONF
bind 127.0.0.1
dir "$data"
requirepass "$(cat "$DEV/redis.password")"
appendonly yes
# The command line tells whose the process is: stop_leftovers.
set-proc-title no
CONF
  mv "$data.new" "$data"
}

start_redis() {
  local port
  init_redis
  port=$(cat "$DEV/redis.port")
  need_port "$port" 'Redis (its port was chosen at the first run and is known to control)' \
    "rm -rf $DEV and start anew, or TENANTSDB_DEV_DIR"
  start redis as_own_session "$(redis_program redis-server)" "$DEV/redis/redis.conf" --port "$port"
  REDIS_ADDRESS=127.0.0.1:$port
  until_ready redis redis_answers "$port"
}

# redis-cli ends with 0 when the server says no.
redis_answers() {
  REDISCLI_AUTH=$(cat "$DEV/redis.password") "$(redis_program redis-cli)" -h 127.0.0.1 -p "$1" ping |
    grep -qx PONG
}

# --- MongoDB -----------------------------------------------------------------------------------

# mongo_start CLOSED: the words of scripts/mongo.sh, in the background.
mongo_start() {
  local words
  mapfile -t words < <(mongo_command "$MONGO_KIND" "$DEV/mongo/data" "$(cat "$DEV/mongo.port")" "$1")
  start mongo as_own_session "${words[@]}"
}

# Data of one server cannot be read by another, so the kind stands beside it.
init_mongo() {
  if [ -s "$DEV/mongo/made" ]; then
    MONGO_KIND=$(cat "$DEV/mongo/made")
    mongo_program "$MONGO_KIND" >/dev/null ||
      die "the databases in $DEV/mongo are of $MONGO_KIND, which is gone; to start anew: rm -rf $DEV"
    return 0
  fi
  say "making MongoDB's data in $DEV/mongo"
  rm -rf "$DEV/mongo"
  mkdir -p "$DEV/mongo/data"
  mongo_start no
  until_ready mongo mongo_admin create "$(cat "$DEV/mongo.port")" "$DEV/mongo.password"
  local last=${CHILDREN[-1]}
  unset 'CHILDREN[-1]'
  stop mongo "${last##* }" TERM
  echo "$MONGO_KIND" >"$DEV/mongo/made"
}

start_mongo() {
  local port
  prepare mongo
  port=$(cat "$DEV/mongo.port")
  # First of all: no administrator is made on a server of somebody else.
  need_port "$port" 'MongoDB (its port was chosen at the first run and is known to control)' \
    "rm -rf $DEV and start anew, or TENANTSDB_DEV_DIR"
  init_mongo
  mongo_start yes
  MONGO_ADDRESS=127.0.0.1:$port
  until_ready mongo mongo_admin check "$port" "$DEV/mongo.password"
}

# --- control and proxy -------------------------------------------------------------------------

start_control() {
  if [ ! -s "$DEV/control/api-key" ]; then
    rm -rf "$DEV/control"
    local printed
    printed=$("$BIN/tenantsdb-control" init --data "$DEV/control" 2>>"$DEV/log/control.log") ||
      die "control init failed; its log is $DEV/log/control.log"
    grep -oE 'tdb_pt_[A-Za-z0-9_-]+' <<<"$printed" | head -n 1 >"$DEV/control/proxy-token"
    grep -oE 'tdb_sk_[A-Za-z0-9_-]+' <<<"$printed" | head -n 1 >"$DEV/control/api-key"
  fi
  start control as_own_session "$BIN/tenantsdb-control" run --data "$DEV/control" \
    --listen "127.0.0.1:$CONTROL_PORT" --postgres-address "127.0.0.1:$PROXY_PORT" \
    --mariadb-address "127.0.0.1:$MARIADB_PORT" --mysql-address "127.0.0.1:$MYSQL_PORT" \
    --redis-address "127.0.0.1:$REDIS_PORT" --mongo-address "127.0.0.1:$MONGO_PORT"
  until_ready control "$BIN/tenantsdb-control" health --listen "127.0.0.1:$CONTROL_PORT"
}

start_proxy() {
  [ -s "$DEV/certs/server.key" ] ||
    "$BIN/tenantsdb-proxy" dev-certs --dir "$DEV/certs" >>"$DEV/log/proxy.log"
  local door=()
  [ -z "$WITH_MYSQL" ] || door=(--mysql-listen "127.0.0.1:$MYSQL_PORT")
  start proxy as_own_session "$BIN/tenantsdb-proxy" run --data "$DEV/proxy" \
    --postgres-listen "127.0.0.1:$PROXY_PORT" --mariadb-listen "127.0.0.1:$MARIADB_PORT" \
    "${door[@]}" --redis-listen "127.0.0.1:$REDIS_PORT" --mongo-listen "127.0.0.1:$MONGO_PORT" \
    --admin-listen "127.0.0.1:$ADMIN_PORT" \
    --control-url "http://127.0.0.1:$CONTROL_PORT" \
    --proxy-token-file "$DEV/control/proxy-token" --proxy-id dev \
    --tls-cert "$DEV/certs/server.crt" --tls-key "$DEV/certs/server.key" \
    --drain-seconds $DRAIN_SECONDS
  until_ready proxy "$BIN/tenantsdb-proxy" health --ready --admin-listen "127.0.0.1:$ADMIN_PORT"
}

write_env() {
  mkdir -p "$DEV/bin"
  ln -sf "$BIN/tdb" "$DEV/bin/tdb"
  # Not by the path of whoever starts this: that may have the link itself in it.
  rm -f "$DEV/bin/mongosh"
  ! MONGOSH=$(mongo_shell) || ln -sf "$MONGOSH" "$DEV/bin/mongosh"
  cat >"$DEV/env.new" <<ENV
# Written by make dev. Use it with:  . $DEV/env
export TDB_API_URL=http://127.0.0.1:$CONTROL_PORT TDB_API_KEY=$(cat "$DEV/control/api-key") TDB_POSTGRES_ADDR=127.0.0.1:$PROXY_PORT TDB_MARIADB_ADDR=127.0.0.1:$MARIADB_PORT TDB_REDIS_ADDR=127.0.0.1:$REDIS_PORT TDB_MONGO_ADDR=127.0.0.1:$MONGO_PORT
export TDB_CONFIG='$DEV/tdb/config.json'
export TENANTSDB_DEV_POSTGRES_DATA='$POSTGRES_DATA' TENANTSDB_DEV_MARIADB_DATA='$MARIADB_DATA'
case ":\$PATH:" in *":$DEV/bin:"*) ;; *) export PATH="$DEV/bin:\$PATH" ;; esac
ENV
  mv "$DEV/env.new" "$DEV/env"
}

# register_server SERVER NAME ENGINE ADDRESS USER
register_server() {
  local server=$1 name=$2 engine=$3 address=$4 user=$5
  export TDB_API_URL=http://127.0.0.1:$CONTROL_PORT TDB_API_KEY
  TDB_API_KEY=$(cat "$DEV/control/api-key")
  if ! "$BIN/tdb" servers list --json | grep -qF "\"$address\""; then
    "$BIN/tdb" servers add --name "$name" --engine "$engine" --address "$address" \
      --user "$user" --password-file "$DEV/$server.password" >>"$DEV/log/control.log" ||
      die "the $engine server could not be registered with control; its log is $DEV/log/control.log"
  fi
  touch "$DEV/$server.registered"
}

greet() {
  cat <<TEXT

TenantsDB is running.

  applications   127.0.0.1:$PROXY_PORT  (PostgreSQL)
                 127.0.0.1:$MARIADB_PORT  (MariaDB)${WITH_MYSQL:+
                 127.0.0.1:$MYSQL_PORT  (MySQL)}
                 127.0.0.1:$REDIS_PORT  (Redis)
                 127.0.0.1:$MONGO_PORT  (MongoDB)
                 TLS certificate authority: $DEV/certs/ca.crt
  REST           http://127.0.0.1:$CONTROL_PORT
  metrics        http://127.0.0.1:$ADMIN_PORT/metrics
  databases      $POSTGRES_ADDRESS  (PostgreSQL; data: $POSTGRES_DATA)
                 $MARIADB_ADDRESS  (MariaDB; data: $MARIADB_DATA)${WITH_MYSQL:+
                 $MYSQL_ADDRESS  (MySQL; data: $DEV/mysql)}
                 $REDIS_ADDRESS  (Redis; data: $DEV/redis)
                 $MONGO_ADDRESS  (MongoDB: $(mongo_name "$MONGO_KIND"); data: $DEV/mongo)
  API key        in $DEV/control/api-key
  logs           $DEV/log

In another terminal:

  . ${DEV#"$PWD/"}/env
  tdb workspaces create --name myapp --database PostgreSQL

and so on, as the README tells. Ctrl-C stops everything; the data stays.

TEXT
}

# --- the run -----------------------------------------------------------------------------------

if [ -z "$BIN" ]; then
  "$ROOT/scripts/install.sh" dev
  say 'building (without optimisation, which is quicker to build; performance is not what this shows)'
  (cd "$ROOT" && cargo build --locked -p tenantsdb-proxy -p tenantsdb-control)
  BIN=$(realpath "${CARGO_TARGET_DIR:-$ROOT/target}")/debug
fi
[ -n "$(postgres_bin)" ] || die 'there is no PostgreSQL 15 or later; run: scripts/install.sh dev'
[ -n "$(mariadb_program mariadbd)" ] || die 'there is no MariaDB; run: scripts/install.sh dev'
redis_program redis-server >/dev/null || die 'there is no Redis 7; run: scripts/install.sh dev'
MONGO_KIND=$(mongo_kind) || die 'there is no mongod, and no SecantusDB; run: scripts/install.sh dev'
[ "$(id -u)" != 0 ] || id -u "$MARIADB_USER" >/dev/null 2>&1 ||
  die "there is no user $MARIADB_USER to run MariaDB; run: scripts/install.sh dev"
[ "$(id -u)" != 0 ] && MARIADB_AS= || MARIADB_AS=$MARIADB_USER

umask 077
mkdir -p "$DEV/log"
# Searchable, so that the servers' users reach their own folders; every secret below is a file or a
# folder that others cannot read.
chmod 711 "$DEV"
exec 9>>"$DEV/lock"
flock -n 9 || die "another make dev is running on $DEV: process $(cat "$DEV/lock")"
echo $$ >"$DEV/lock"
rm -f "$DEV/ready"

POSTGRES_DATA=$(choose_data postgres PG_VERSION as_postgres)
MARIADB_DATA=$(choose_data mariadb made as_mariadb)
stop_leftovers
need_port "$PROXY_PORT" 'the proxy' TENANTSDB_DEV_POSTGRES_PORT
need_port "$MARIADB_PORT" "the proxy's door for MariaDB" TENANTSDB_DEV_MARIADB_PORT
if [ -n "$WITH_MYSQL" ]; then
  need_port "$MYSQL_PORT" "the proxy's door for MySQL" TENANTSDB_DEV_MYSQL_PORT
  # Two commands that print words, and an error of the first is not to be lost.
  words=$("$ROOT/scripts/mysql.sh" mysqld) || die 'there is no MySQL here'
  mapfile -t MYSQLD <<<"$words"
  words=$("$ROOT/scripts/mysql.sh" mysql) || die 'there is no MySQL client here'
  mapfile -t MYSQL <<<"$words"
fi
need_port "$REDIS_PORT" "the proxy's door for Redis" TENANTSDB_DEV_REDIS_PORT
need_port "$MONGO_PORT" "the proxy's door for MongoDB" TENANTSDB_DEV_MONGO_PORT
need_port "$CONTROL_PORT" 'control' TENANTSDB_DEV_CONTROL_PORT
need_port "$ADMIN_PORT" "the proxy's admin interface" TENANTSDB_DEV_ADMIN_PORT

trap stop_all EXIT
trap 'say; say stopping; exit 0' INT TERM HUP

start_postgres
start_mariadb
[ -z "$WITH_MYSQL" ] || start_mysql
start_redis
start_mongo
start_control
write_env
register_server postgres local PostgreSQL "$POSTGRES_ADDRESS" postgres
register_server mariadb mariadb MySQL "$MARIADB_ADDRESS" admin
[ -z "$WITH_MYSQL" ] || register_server mysql mysql MySQL "$MYSQL_ADDRESS" admin
register_server redis redis Redis "$REDIS_ADDRESS" default
register_server mongo mongo MongoDB "$MONGO_ADDRESS" admin
start_proxy
greet
say ready
touch "$DEV/ready"

# Ends when a part ends or a signal comes; both go through the trap on EXIT.
PIDS=("${CHILDREN[@]##* }")
wait -n "${PIDS[@]}" || true
fail_if_dead

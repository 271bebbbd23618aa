#!/usr/bin/env bash
# What the proxy costs a MySQL client: sysbench's point selects against one MariaDB, directly, through
# HAProxy in tcp mode and through the proxy, with prepared statements and with text. Prints a table;
# README.md beside this file says how to read it. Everything that it needs is started for it on free
# ports of the loopback, with data in a temporary folder, and is gone afterwards.
#
# Settings, all optional:
#   TENANTSDB_BENCH_ROUNDS=3       runs of each way, of which the median counts
#   TENANTSDB_BENCH_SECONDS=10     how long a run is
#   TENANTSDB_BENCH_CLIENTS=8      sysbench's threads, one connection each
#   TENANTSDB_BENCH_ROWS=10000     rows of the table
#   TENANTSDB_BENCH_THREADS=2      threads of HAProxy, and of the proxy for sessions
#   TENANTSDB_BENCH_BIN=…          folder with tenantsdb-proxy, tenantsdb-control and tdb; nothing is
#                                  built then
#
# Exit codes: 0 printed; 1 something broke, as the text says; 69 a program is missing.
set -euo pipefail
# A decimal comma in a figure would be read as its end.
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$ROOT/scripts/mysql.sh"

ROUNDS=${TENANTSDB_BENCH_ROUNDS:-3}
RUN_SECONDS=${TENANTSDB_BENCH_SECONDS:-10}
CLIENTS=${TENANTSDB_BENCH_CLIENTS:-8}
ROWS=${TENANTSDB_BENCH_ROWS:-10000}
THREADS=${TENANTSDB_BENCH_THREADS:-2}
BIN=${TENANTSDB_BENCH_BIN:-}

UNAVAILABLE=69
READY_SECONDS=60
STOP_SECONDS=15
# Sessions have ended when the proxy is stopped; a drain has nothing to wait for.
DRAIN_SECONDS=1
# Reaches every way once before anything is counted: logins, the proxy's pool, the server's caches.
WARM_UP_SECONDS=1

STATEMENTS=(prepared text)
WAYS=(direct haproxy proxy)

say() { printf '%s\n' "$*"; }
# On stderr, so that stdout is the table and what belongs to it.
progress() { printf '%s\n' "$*" >&2; }
die() { printf 'mysql-sysbench: %s\n' "$*" >&2; exit 1; }

# --- what has to be there ----------------------------------------------------------------------

need_programs() {
  local packages=()
  command -v sysbench >/dev/null || packages+=(sysbench)
  # Debian has it in /usr/sbin, which is not on everybody's path.
  HAPROXY=$(PATH=$PATH:/usr/sbin command -v haproxy) || packages+=(haproxy)
  MARIADBD=$(mariadb_program mariadbd)
  [ -n "$MARIADBD" ] && command -v mariadb-install-db >/dev/null || packages+=(mariadb-server-core)
  command -v mariadb >/dev/null || packages+=(mariadb-client)
  if [ ${#packages[@]} != 0 ]; then
    progress "mysql-sysbench: programs are missing; install them with:"
    progress "  apt-get install --no-install-recommends ${packages[*]}"
    exit $UNAVAILABLE
  fi
  [ "$(id -u)" != 0 ] || id -u "$MARIADB_USER" >/dev/null 2>&1 ||
    die "root may not run MariaDB, and there is no user $MARIADB_USER; run: scripts/install.sh dev"
}

# Figures of a build without optimisation say nothing, so this one has it.
build() {
  if [ -z "$BIN" ]; then
    (cd "$ROOT" && cargo build --locked --release -p tenantsdb-proxy -p tenantsdb-control) >&2
    BIN=$(realpath "${CARGO_TARGET_DIR:-$ROOT/target}")/release
  fi
  local program
  for program in tenantsdb-proxy tenantsdb-control tdb; do
    [ -x "$BIN/$program" ] || die "there is no $program in $BIN"
  done
}

# Perl is on every Debian. All ports at once: each is held until the last is known, so they differ.
free_ports() {
  perl -MIO::Socket::INET -e '
    my @held = map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:0") } 1 .. shift;
    print join(" ", map { $_->sockport } @held), "\n"' "$1"
}

secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# --- what runs ---------------------------------------------------------------------------------

# Started children in order, and the process id of each.
CHILDREN=()
declare -A PID_OF=()
# The run of sysbench that is under way.
SYSBENCH_PID=

# start NAME COMMAND…
start() {
  local name=$1
  shift
  "$@" >>"$DIR/log/$name.log" 2>&1 </dev/null &
  CHILDREN+=("$name")
  PID_OF[$name]=$!
}

# as_own_session COMMAND…: a Ctrl-C then reaches this script alone, and the parts stop in order.
# setsid(1) becomes the command when it is not a group leader, which a background child of a script
# never is: the process id stays.
as_own_session() { exec setsid "$@"; }

# as_mariadb_session COMMAND…: as MariaDB's user where root runs this.
as_mariadb_session() {
  [ "$(id -u)" != 0 ] || set -- setpriv --reuid="$MARIADB_USER" --regid="$MARIADB_USER" \
    --init-groups --reset-env "$@"
  as_own_session "$@"
}

# stop PID: asks, waits, insists.
stop() {
  local pid=$1 end=$((SECONDS + STOP_SECONDS))
  kill -s TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.1; done
  kill -s KILL "$pid" 2>/dev/null || true
}

# What a run that failed leaves are its logs; nothing is left that they could log in to.
clean_up() {
  local code=$? i
  trap '' INT TERM HUP
  [ -z "$SYSBENCH_PID" ] || stop "$SYSBENCH_PID"
  for ((i = ${#CHILDREN[@]} - 1; i >= 0; i--)); do stop "${PID_OF[${CHILDREN[i]}]}"; done
  # Above 128: a signal ended it, and whoever sent that knows why.
  if [ $code != 0 ] && [ $code -lt 128 ]; then
    find "$DIR" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
    progress "mysql-sysbench: logs are in $DIR/log"
  else
    rm -rf "$DIR"
  fi
  exit $code
}

# until_ready NAME COMMAND…: waits until the command succeeds.
until_ready() {
  local name=$1 end=$((SECONDS + READY_SECONDS))
  shift
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "${PID_OF[$name]}" 2>/dev/null; then
      tail -n 5 "$DIR/log/$name.log" >&2 || true
      die "$name has ended"
    fi
    [ $SECONDS -lt $end ] || die "$name is not ready after $READY_SECONDS s"
    sleep 0.1
  done
}

# --- the parts ---------------------------------------------------------------------------------

as_admin() {
  MYSQL_PWD=$(cat "$DIR/admin.password") mariadb --no-defaults --protocol=tcp -h 127.0.0.1 \
    -P "$MARIADB_PORT" -u admin "$@"
}

# The server's own defaults, but for where it lives and what it would do beside serving.
start_mariadb() {
  local data=$DIR/mariadb as=$MARIADB_USER
  [ "$(id -u)" = 0 ] || as=
  progress 'making a MariaDB'
  mkdir "$data" "$data.tmp"
  secret >"$DIR/admin.password"
  # One statement a line.
  cat >"$data.sql" <<SQL
ALTER USER root@localhost ACCOUNT LOCK;
CREATE USER admin@'127.0.0.1' IDENTIFIED BY '$(cat "$DIR/admin.password")';
GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
SQL
  [ -z "$as" ] || chown "$as:" "$data" "$data.tmp" "$data.sql"
  mariadb-install-db --no-defaults ${as:+--user="$as"} --datadir="$data" \
    --auth-root-authentication-method=normal --skip-test-db >>"$DIR/log/mariadb.log" 2>&1 ||
    die 'mariadb-install-db failed'
  # The socket's path is relative to the data: the length of such a path is limited.
  start mariadb as_mariadb_session "$MARIADBD" --no-defaults --datadir="$data" \
    --bind-address=127.0.0.1 --port="$MARIADB_PORT" --socket=socket --tmpdir="$data.tmp" \
    --pid-file=pid --init-file="$data.sql" --skip-name-resolve --character-set-server=utf8mb4 \
    --performance-schema=OFF
  until_ready mariadb as_admin -e 'SELECT 1'
}

start_fleet() {
  local printed
  progress 'starting control and the proxy'
  printed=$("$BIN/tenantsdb-control" init --data "$DIR/control" 2>>"$DIR/log/control.log") ||
    die 'tenantsdb-control init failed'
  grep -oE -m 1 'tdb_pt_[A-Za-z0-9_-]+' <<<"$printed" >"$DIR/proxy-token"
  TDB_API_KEY=$(grep -oE -m 1 'tdb_sk_[A-Za-z0-9_-]+' <<<"$printed")
  export TDB_API_KEY TDB_API_URL=http://127.0.0.1:$CONTROL_PORT TDB_CONFIG=$DIR/tdb.json
  start control as_own_session "$BIN/tenantsdb-control" run --data "$DIR/control" \
    --listen "127.0.0.1:$CONTROL_PORT" --mariadb-address "127.0.0.1:$PROXY_PORT"
  until_ready control "$BIN/tenantsdb-control" health --listen "127.0.0.1:$CONTROL_PORT"
  # Without TLS on either side, as the other two ways are.
  "$BIN/tdb" servers add --name bench --engine MySQL --address "127.0.0.1:$MARIADB_PORT" \
    --user admin --password-file "$DIR/admin.password" --tls disable >>"$DIR/log/tdb.log" 2>&1 ||
    die 'tdb servers add failed'
  start proxy as_own_session "$BIN/tenantsdb-proxy" run --data "$DIR/proxy" --cores "$THREADS" \
    --postgres-listen "127.0.0.1:$POSTGRES_PORT" --mariadb-listen "127.0.0.1:$PROXY_PORT" \
    --admin-listen "127.0.0.1:$ADMIN_PORT" --control-url "$TDB_API_URL" \
    --proxy-token-file "$DIR/proxy-token" --proxy-id bench --drain-seconds $DRAIN_SECONDS \
    --server-connections-max $((CLIENTS + 1))
  until_ready proxy "$BIN/tenantsdb-proxy" health --ready --admin-listen "127.0.0.1:$ADMIN_PORT"
}

# The table is made by sysbench, so the tenant's login has to be allowed to.
make_tenant() {
  local string
  "$BIN/tdb" workspaces create --name bench --database MySQL --no-save >>"$DIR/log/tdb.log" 2>&1 ||
    die 'tdb workspaces create failed'
  string=$("$BIN/tdb" tenants create --name tenant --blueprint bench --allow-ddl --no-save --quiet \
    2>>"$DIR/log/tdb.log") || die 'tdb tenants create failed'
  [[ $string =~ ^mysql://([^:@/]+):([^@/]+)@[^/]+/([a-z0-9_]+) ]] ||
    die 'the connection string of the tenant is not of the form mysql://USER:PASSWORD@HOST/DATABASE'
  TENANT_USER=${BASH_REMATCH[1]} TENANT_PASSWORD=${BASH_REMATCH[2]} DATABASE=${BASH_REMATCH[3]}
}

# A login of the bench's own for the ways past the proxy: what the proxy logs in with is its own
# affair. In a grant `_` stands for any character, unless escaped.
make_direct_login() {
  DIRECT_PASSWORD=$(secret)
  as_admin <<SQL
CREATE USER bench@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING PASSWORD('$DIRECT_PASSWORD');
GRANT SELECT ON \`${DATABASE//_/\\_}\`.* TO bench@'127.0.0.1';
SQL
}

start_haproxy() {
  cat >"$DIR/haproxy.cfg" <<CONFIG
global
  nbthread $THREADS
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen mariadb
  bind 127.0.0.1:$HAPROXY_PORT
  server main 127.0.0.1:$MARIADB_PORT
CONFIG
  # -db: in the foreground and one process, whose processor time is all there is.
  start haproxy as_own_session "$HAPROXY" -db -f "$DIR/haproxy.cfg"
  until_ready haproxy bash -c "exec 3<>/dev/tcp/127.0.0.1/$HAPROXY_PORT"
}

# --- measuring ---------------------------------------------------------------------------------

# run_sysbench WAY OPTION…: its report is in $DIR/report then. In the background and waited for,
# since bash would hold a signal back until a command in the foreground has ended.
run_sysbench() {
  local way=$1 code=0 port user=bench password=$DIRECT_PASSWORD
  shift
  case $way in
    direct) port=$MARIADB_PORT ;;
    haproxy) port=$HAPROXY_PORT ;;
    proxy) port=$PROXY_PORT user=$TENANT_USER password=$TENANT_PASSWORD ;;
  esac
  sysbench oltp_point_select --db-driver=mysql --mysql-host=127.0.0.1 --mysql-port="$port" \
    --mysql-user="$user" --mysql-password="$password" --mysql-db="$DATABASE" --mysql-ssl=off \
    --tables=1 --table-size="$ROWS" "$@" >"$DIR/report" 2>&1 &
  SYSBENCH_PID=$!
  wait $SYSBENCH_PID || code=$?
  SYSBENCH_PID=
  if [ $code != 0 ]; then
    tail -n 20 "$DIR/report" >&2
    die "sysbench failed ($way)"
  fi
}

# load WAY STATEMENTS SECONDS
load() {
  local mode=auto
  [ "$2" = prepared ] || mode=disable
  run_sysbench "$1" --threads="$CLIENTS" --time="$3" --events=0 --percentile=95 \
    --db-ps-mode=$mode run
}

# Ticks of processor time that a process has used, all of its threads together. Its name, in
# brackets, may have spaces; what follows the last bracket begins with field 3 of proc(5).
cpu_ticks() {
  local stat fields
  stat=$(cat "/proc/$1/stat") || die "process $1 has ended"
  read -ra fields <<<"${stat##*) }"
  echo $((fields[11] + fields[12]))
}

# from_report EXPRESSION: the group that an extended regular expression has found in the report.
from_report() {
  local found
  found=$(sed -nE "s/^ *$1.*$/\1/p" "$DIR/report")
  [ -n "$found" ] || die "sysbench's report has no line like: $1"
  printf '%s' "$found"
}

# measure WAY STATEMENTS: adds a line "queries/s  95th percentile  CPU µs" to the runs of both.
measure() {
  local way=$1 statements=$2 before=0 after=0 queries rate latency errors cpu
  # Ways and children have the same names; there is none for the direct way.
  local pid=${PID_OF[$way]:-}
  [ -z "$pid" ] || before=$(cpu_ticks "$pid")
  load "$way" "$statements" "$RUN_SECONDS"
  [ -z "$pid" ] || after=$(cpu_ticks "$pid")
  queries=$(from_report 'queries: +([0-9]+) ')
  rate=$(from_report 'queries: +[0-9]+ +\(([0-9.]+) per sec')
  latency=$(from_report '95th percentile: +([0-9.]+)')
  errors=$(($(from_report 'ignored errors: +([0-9]+)') + $(from_report 'reconnects: +([0-9]+)')))
  [ "$errors" = 0 ] || die "a run with errors or reconnects is none ($way, $statements)"
  cpu=$(awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v queries="$queries" \
    'BEGIN { printf "%.2f", ticks / hz * 1e6 / queries }')
  echo "$rate $latency $cpu" >>"$DIR/runs/$statements.$way"
  progress "  $way: $rate queries/s, 95 % within $latency ms${pid:+, CPU $cpu µs/query}"
}

# The ways take turns, so that what else the machine does meets all of them.
measure_all() {
  local statements way round
  for statements in "${STATEMENTS[@]}"; do
    for way in "${WAYS[@]}"; do load "$way" "$statements" $WARM_UP_SECONDS; done
    for ((round = 1; round <= ROUNDS; round++)); do
      progress "round $round of $ROUNDS, $statements"
      for way in "${WAYS[@]}"; do measure "$way" "$statements"; done
    done
  done
}

# median FILE COLUMN
median() {
  awk -v column="$2" '{ print $column }' "$1" | sort -g | awk '
    { value[NR] = $1 }
    END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

# --- the report --------------------------------------------------------------------------------

row() {
  local statements=$1 way=$2 runs=$DIR/runs/$1 cpu='–' of_haproxy='–'
  local rate direct
  rate=$(median "$runs.$way" 1)
  direct=$(median "$runs.direct" 1)
  [ "$way" != proxy ] ||
    of_haproxy=$(awk -v a="$rate" -v b="$(median "$runs.haproxy" 1)" 'BEGIN { printf "%.2f", a / b }')
  [ "$way" = direct ] || cpu=$(median "$runs.$way" 3 | awk '{ printf "%.1f", $1 }')
  awk -v statements="$statements" -v way="$way" -v rate="$rate" -v direct="$direct" \
    -v of_haproxy="$of_haproxy" -v latency="$(median "$runs.$way" 2)" -v cpu="$cpu" 'BEGIN {
      printf "| %s | %s | %.0f | %.2f | %s | %.2f | %s |\n",
        statements, way, rate, rate / direct, of_haproxy, latency, cpu }'
}

report() {
  local statements way
  say "$(nproc) processors ($(sed -nE 's/^model name\s*: (.*)$/\1/p' /proc/cpuinfo | head -n 1))," \
    "load average before: $LOAD_BEFORE"
  say "MariaDB $(as_admin -BN -e 'SELECT @@version')," \
    "HAProxy $("$HAPROXY" -v | sed -nE '1s/^[^0-9]*([0-9.]+).*$/\1/p')," \
    "$(sysbench --version)"
  say "$CLIENTS clients, $ROWS rows, $THREADS threads of HAProxy and of the proxy," \
    "median of $ROUNDS rounds of $RUN_SECONDS s"
  say
  say '| statements | way | queries/s | of direct | of HAProxy | 95 % within, ms | CPU µs/query |'
  say '|---|---|--:|--:|--:|--:|--:|'
  for statements in "${STATEMENTS[@]}"; do
    for way in "${WAYS[@]}"; do row "$statements" "$way"; done
  done
}

# --- the run -----------------------------------------------------------------------------------

need_programs
build
LOAD_BEFORE=$(cut -d ' ' -f 1 /proc/loadavg)
[ "$(nproc)" -ge 2 ] || progress 'mysql-sysbench: one processor; these figures are not to be used'

umask 077
DIR=$(mktemp -d "${TMPDIR:-/tmp}/tenantsdb-bench.XXXXXX")
# Searchable, so that MariaDB's user reaches its own folder.
chmod 711 "$DIR"
mkdir "$DIR/log" "$DIR/runs"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

read -r MARIADB_PORT HAPROXY_PORT PROXY_PORT POSTGRES_PORT CONTROL_PORT ADMIN_PORT <<<"$(free_ports 6)"
start_mariadb
start_fleet
make_tenant
make_direct_login
start_haproxy
progress "filling $ROWS rows through the proxy"
run_sysbench proxy prepare
measure_all
report

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
NAME=mysql-sysbench
. "$ROOT/scripts/mysql.sh"
. "$ROOT/bench/common.sh"

ROUNDS=${TENANTSDB_BENCH_ROUNDS:-3}
RUN_SECONDS=${TENANTSDB_BENCH_SECONDS:-10}
CLIENTS=${TENANTSDB_BENCH_CLIENTS:-8}
ROWS=${TENANTSDB_BENCH_ROWS:-10000}
THREADS=${TENANTSDB_BENCH_THREADS:-2}
BIN=${TENANTSDB_BENCH_BIN:-}

STATEMENTS=(prepared text)
WAYS=(direct haproxy proxy)

# --- what has to be there ----------------------------------------------------------------------

need_programs() {
  local packages=()
  command -v sysbench >/dev/null || packages+=(sysbench)
  find_haproxy || packages+=(haproxy)
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

# as_mariadb_session COMMAND…: as MariaDB's user where root runs this.
as_mariadb_session() {
  [ "$(id -u)" != 0 ] || set -- setpriv --reuid="$MARIADB_USER" --regid="$MARIADB_USER" \
    --init-groups --reset-env "$@"
  as_own_session "$@"
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

# --- measuring ---------------------------------------------------------------------------------

# run_sysbench WAY OPTION…: its report is in $DIR/report then.
run_sysbench() {
  local way=$1 port user=bench password=$DIRECT_PASSWORD
  shift
  case $way in
    direct) port=$MARIADB_PORT ;;
    haproxy) port=$HAPROXY_PORT ;;
    proxy) port=$PROXY_PORT user=$TENANT_USER password=$TENANT_PASSWORD ;;
  esac
  run_load "sysbench ($way)" sysbench oltp_point_select --db-driver=mysql --mysql-host=127.0.0.1 --mysql-port="$port" \
    --mysql-user="$user" --mysql-password="$password" --mysql-db="$DATABASE" --mysql-ssl=off \
    --tables=1 --table-size="$ROWS" "$@"
}

# load WAY STATEMENTS SECONDS
load() {
  local mode=auto
  [ "$2" = prepared ] || mode=disable
  run_sysbench "$1" --threads="$CLIENTS" --time="$3" --events=0 --percentile=95 \
    --db-ps-mode=$mode run
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
  cpu=$(cpu_each $((after - before)) "$queries")
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
  say "$(machine)"
  say "MariaDB $(as_admin -BN -e 'SELECT @@version')," \
    "HAProxy $(haproxy_version)," \
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
prepare
# Searchable, so that MariaDB's user reaches its own folder.
chmod 711 "$DIR"

read -r MARIADB_PORT HAPROXY_PORT PROXY_PORT POSTGRES_PORT CONTROL_PORT ADMIN_PORT <<<"$(free_ports 6)"
start_mariadb
start_fleet MySQL mariadb "$MARIADB_PORT" admin --server-connections-max
make_tenant
make_direct_login
start_haproxy "$MARIADB_PORT"
progress "filling $ROWS rows through the proxy"
run_sysbench proxy prepare
measure_all
report

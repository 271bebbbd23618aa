#!/usr/bin/env bash
# What the proxy costs a MongoDB client: point reads and inserts against one server, directly, through
# HAProxy in tcp mode, and through the proxy, which looks at each request and numbers it anew, in both of
# its pool modes; and many clients of a driver over few server connections. Prints a table; README.md beside this file says how to read it. Everything that it needs is started for it on
# free ports of the loopback, with data in a temporary folder, and is gone afterwards.
#
# Settings, all optional:
#   TENANTSDB_BENCH_ROUNDS=3       runs of each way, of which the median counts
#   TENANTSDB_BENCH_REQUESTS=40000 requests of a run
#   TENANTSDB_BENCH_CLIENTS=8      connections
#   TENANTSDB_BENCH_MANY=500       driver clients of the last part, each with its own pool and monitors
#   TENANTSDB_BENCH_MANY_CALLS=20  inserts of each, and as many finds
#   TENANTSDB_BENCH_SERVER_CONNECTIONS=20  server connections that a database may have
#   TENANTSDB_BENCH_THREADS=2      threads of HAProxy, and of the proxy for sessions
#   TENANTSDB_BENCH_BIN=…          folder with tenantsdb-proxy, tenantsdb-control, tdb and mongo-load;
#                                  nothing is built then
#   TENANTSDB_MONGO=…              which server: scripts/mongo.sh
#
# Exit codes: 0 printed; 1 something broke, as the text says; 69 a program is missing.
set -euo pipefail
# A decimal comma in a figure would be read as its end.
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NAME=mongo-points
ROUNDS=${TENANTSDB_BENCH_ROUNDS:-3}
REQUESTS=${TENANTSDB_BENCH_REQUESTS:-40000}
CLIENTS=${TENANTSDB_BENCH_CLIENTS:-8}
MANY=${TENANTSDB_BENCH_MANY:-500}
MANY_CALLS=${TENANTSDB_BENCH_MANY_CALLS:-20}
SERVER_CONNECTIONS=${TENANTSDB_BENCH_SERVER_CONNECTIONS:-20}
THREADS=${TENANTSDB_BENCH_THREADS:-2}
BIN=${TENANTSDB_BENCH_BIN:-}
. "$ROOT/bench/common.sh"
. "$ROOT/scripts/mongo.sh"

LOADS=(find insert)
WAYS=(direct haproxy session transaction)

need_programs() {
  find_haproxy || {
    progress "$NAME: a program is missing; install it with:"
    progress '  apt-get install --no-install-recommends haproxy'
    exit $UNAVAILABLE
  }
  KIND=$(mongo_kind) || {
    progress "$NAME: there is no mongod and no SecantusDB; run: scripts/install.sh test"
    exit $UNAVAILABLE
  }
}

# The load is made by a program of this repository, built as the others are.
build_load() {
  LOAD=$BIN/mongo-load
  [ -x "$LOAD" ] || (cd "$ROOT" && cargo build --locked --release -p tenantsdb-bench --bin mongo-load) >&2
  [ -x "$LOAD" ] || die "there is no mongo-load in $BIN"
}

start_server() {
  local words
  secret >"$DIR/admin.password"
  mkdir "$DIR/mongo"
  mapfile -t words < <(mongo_command "$KIND" "$DIR/mongo" "$MONGO_PORT" no)
  start mongo as_own_session "${words[@]}"
  until_ready mongo mongo_admin create "$MONGO_PORT" "$DIR/admin.password"
  [ "$KIND" = secantusd-py ] || return 0
  stop "${PID_OF[mongo]}"
  mapfile -t words < <(mongo_command "$KIND" "$DIR/mongo" "$MONGO_PORT" yes)
  start mongo as_own_session "${words[@]}"
  until_ready mongo mongo_admin check "$MONGO_PORT" "$DIR/admin.password"
}

make_workspace() {
  "$BIN/tdb" workspaces create --name bench --database MongoDB --no-save >>"$DIR/log/tdb.log" 2>&1 ||
    die 'tdb workspaces create failed'
}

# make_tenant NAME MODE: prints its connection string.
make_tenant() {
  local url
  url=$("$BIN/tdb" tenants create --name "$1" --blueprint bench --pool-mode "$2" --no-save --quiet \
    2>>"$DIR/log/tdb.log") || die 'tdb tenants create failed'
  [[ $url = mongodb://*@127.0.0.1:$PROXY_PORT/* ]] ||
    die 'the connection string of the tenant is not of the form mongodb://USER:PASSWORD@HOST/DATABASE'
  printf '%s' "$url"
}

# load WAY LOAD REQUESTS: "requests/s  95th percentile in ms" is in $DIR/report then.
load() {
  local port=$MONGO_PORT url=$URL
  case $1 in
    haproxy) port=$HAPROXY_PORT ;;
    session) port=$PROXY_PORT ;;
    transaction) port=$PROXY_PORT url=$TRANSACTION_URL ;;
  esac
  # The tenant's own login everywhere: what a server does for a user is the same then.
  run_load "mongo-load ($1)" "$LOAD" "${url/127.0.0.1:$PROXY_PORT/127.0.0.1:$port}" "$2" "$CLIENTS" "$3"
}

# measure WAY LOAD: adds a line "requests/s  95th percentile  CPU µs" to the runs.
measure() {
  local way=$1 before=0 after=0 rate latency cpu child=$1
  case $way in session | transaction) child=proxy ;; esac
  local pid=${PID_OF[$child]:-}
  [ -z "$pid" ] || before=$(cpu_ticks "$pid")
  load "$way" "$2" "$REQUESTS"
  [ -z "$pid" ] || after=$(cpu_ticks "$pid")
  read -r rate latency <"$DIR/report"
  cpu=$(cpu_each $((after - before)) "$REQUESTS")
  echo "$rate $latency $cpu" >>"$DIR/runs/$2.$way"
  progress "  $way: $rate requests/s, 95 % within $latency ms${pid:+, CPU $cpu µs/request}"
}

# The ways take turns, so that what else the machine does meets all of them.
measure_all() {
  local load way round
  for load in "${LOADS[@]}"; do
    for way in "${WAYS[@]}"; do load "$way" "$load" $((REQUESTS / 20)); done
    for ((round = 1; round <= ROUNDS; round++)); do
      progress "round $round of $ROUNDS, $load"
      for way in "${WAYS[@]}"; do measure "$way" "$load"; done
    done
  done
}

# Clients of a driver, all open at once, over a few server connections. The report is on stdout.
measure_many() {
  local before after spent
  progress "$MANY driver clients over $SERVER_CONNECTIONS server connections"
  before=$(cpu_ticks "${PID_OF[proxy]}")
  run_load mongo-many "$ROOT/.venv/bin/python" -I "$ROOT/bench/mongo-many.py" "$MANY_URL" "$MANY" \
    "$MANY_CALLS" "http://127.0.0.1:$ADMIN_PORT/metrics"
  after=$(cpu_ticks "${PID_OF[proxy]}")
  spent=$(cpu_each $((after - before)) $((MANY * MANY_CALLS * 2)))
  MANY_REPORT="$(cat "$DIR/report"), the proxy's CPU $spent µs/request with the logins"
}

row() {
  local load=$1 way=$2 runs=$DIR/runs/$1 cpu='–'
  [ "$way" = direct ] || cpu=$(median "$runs.$way" 3 | awk '{ printf "%.1f", $1 }')
  awk -v what="$load" -v way="$way" -v cpu="$cpu" \
    -v rate="$(median "$runs.$way" 1)" -v direct="$(median "$runs.direct" 1)" \
    -v latency="$(median "$runs.$way" 2)" 'BEGIN {
      printf "| %s | %s | %.0f | %.2f | %.2f | %s |\n",
        what, way, rate, rate / direct, latency, cpu }'
}

report() {
  local load way
  say "$(machine)"
  say "$(mongo_name "$KIND"), HAProxy $(haproxy_version)"
  say "$CLIENTS connections, $THREADS threads of HAProxy and of the proxy, median of $ROUNDS rounds of" \
    "$REQUESTS requests"
  say
  say '| load | way | requests/s | of direct | 95 % within, ms | CPU µs/request |'
  say '|---|---|--:|--:|--:|--:|'
  for load in "${LOADS[@]}"; do
    for way in "${WAYS[@]}"; do row "$load" "$way"; done
  done
  say
  say "$MANY_REPORT"
}

need_programs
build
build_load
prepare
read -r MONGO_PORT HAPROXY_PORT PROXY_PORT POSTGRES_PORT CONTROL_PORT ADMIN_PORT <<<"$(free_ports 6)"
start_server
start_fleet MongoDB mongo "$MONGO_PORT" admin --mongo-server-connections-max
make_workspace
URL=$(make_tenant acme session)
TRANSACTION_URL=$(make_tenant globex transaction)
MANY_URL=$(make_tenant initech transaction)
start_haproxy "$MONGO_PORT"
# First: no other tenant has server connections yet.
measure_many
measure_all
report

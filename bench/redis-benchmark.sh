#!/usr/bin/env bash
# What the proxy costs a Redis client: redis-benchmark's GET and SET against one Redis, directly, through
# HAProxy in tcp mode, and through the proxy, which puts each key into its tenant's namespace and reads
# every reply; with session and with transaction pools. Prints a table; README.md beside this file says
# how to read it. Everything that it needs is started for it on free ports of the loopback, with data in
# a temporary folder, and is gone afterwards.
#
# Settings, all optional:
#   TENANTSDB_BENCH_ROUNDS=3       runs of each way, of which the median counts
#   TENANTSDB_BENCH_REQUESTS=400000  requests of a run
#   TENANTSDB_BENCH_CLIENTS=50     connections
#   TENANTSDB_BENCH_THREADS=2      threads of HAProxy, and of the proxy for sessions
#   TENANTSDB_BENCH_BIN=…          folder with tenantsdb-proxy, tenantsdb-control and tdb; nothing is
#                                  built then
#
# Exit codes: 0 printed; 1 something broke, as the text says; 69 a program is missing.
set -euo pipefail
# A decimal comma in a figure would be read as its end.
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NAME=redis-benchmark
ROUNDS=${TENANTSDB_BENCH_ROUNDS:-3}
REQUESTS=${TENANTSDB_BENCH_REQUESTS:-400000}
CLIENTS=${TENANTSDB_BENCH_CLIENTS:-50}
THREADS=${TENANTSDB_BENCH_THREADS:-2}
BIN=${TENANTSDB_BENCH_BIN:-}
. "$ROOT/bench/common.sh"

COMMANDS=(get set)
PIPELINES=(1 16)
WAYS=(direct haproxy session transaction)
# Different keys, so that the server's dictionary and not one cache line is asked.
KEYS=100000
VALUE_BYTES=64

need_programs() {
  local packages=()
  find_haproxy || packages+=(haproxy)
  command -v redis-server >/dev/null || packages+=(redis-server)
  command -v redis-benchmark >/dev/null || packages+=(redis-tools)
  [ ${#packages[@]} = 0 ] && return
  progress "$NAME: programs are missing; install them with:"
  progress "  apt-get install --no-install-recommends ${packages[*]}"
  exit $UNAVAILABLE
}

# The server's own defaults, but for where it lives and that it keeps nothing.
start_redis() {
  ADMIN_PASSWORD=$(secret)
  printf '%s' "$ADMIN_PASSWORD" >"$DIR/admin.password"
  mkdir "$DIR/redis"
  start redis as_own_session redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --save '' \
    --appendonly no --dir "$DIR/redis" --requirepass "$ADMIN_PASSWORD"
  until_ready redis env REDISCLI_AUTH="$ADMIN_PASSWORD" redis-cli -e -p "$REDIS_PORT" ping
}

# make_tenant MODE: a blueprint and a tenant whose connections are pooled so.
make_tenant() {
  local mode=$1 string
  "$BIN/tdb" workspaces create --name "bench$mode" --database Redis --no-save \
    >>"$DIR/log/tdb.log" 2>&1 || die 'tdb workspaces create failed'
  "$BIN/tdb" workspaces settings "bench$mode" --pool-mode "$mode" >>"$DIR/log/tdb.log" 2>&1 ||
    die 'tdb workspaces settings failed'
  string=$("$BIN/tdb" tenants create --name "tenant$mode" --blueprint "bench$mode" --no-save \
    --quiet 2>>"$DIR/log/tdb.log") || die 'tdb tenants create failed'
  [[ $string =~ ^redis://([^:@/]+):([^@/]+)@ ]] ||
    die 'the connection string of the tenant is not of the form redis://USER:PASSWORD@HOST'
  USER_OF[$mode]=${BASH_REMATCH[1]}
  PASSWORD_OF[$mode]=${BASH_REMATCH[2]}
}

# load WAY COMMAND PIPELINE REQUESTS: redis-benchmark's report is in $DIR/report then.
load() {
  local way=$1 port=$REDIS_PORT user=default password=$ADMIN_PASSWORD
  case $way in
    haproxy) port=$HAPROXY_PORT ;;
    session | transaction) port=$PROXY_PORT user=${USER_OF[$way]} password=${PASSWORD_OF[$way]} ;;
  esac
  run_load "redis-benchmark ($way)" redis-benchmark -h 127.0.0.1 -p "$port" --user "$user" -a "$password" -t "$2" -P "$3" -n "$4" \
    -c "$CLIENTS" -r $KEYS -d $VALUE_BYTES --csv
}

# measure WAY COMMAND PIPELINE: adds a line "requests/s  95th percentile  CPU µs" to the runs.
measure() {
  local way=$1 before=0 after=0 rate latency cpu child=$1
  case $way in session | transaction) child=proxy ;; esac
  local pid=${PID_OF[$child]:-}
  [ -z "$pid" ] || before=$(cpu_ticks "$pid")
  load "$way" "$2" "$3" "$REQUESTS"
  [ -z "$pid" ] || after=$(cpu_ticks "$pid")
  # "test","rps","avg","min","p50","p95","p99","max"
  IFS=, read -r _ rate _ _ _ latency _ < <(grep -i "^\"$2\"" "$DIR/report" | tr -d '"') ||
    die "redis-benchmark's report has no line about $2"
  cpu=$(cpu_each $((after - before)) "$REQUESTS")
  echo "$rate $latency $cpu" >>"$DIR/runs/$2.$3.$way"
  progress "  $way: $rate requests/s, 95 % within $latency ms${pid:+, CPU $cpu µs/request}"
}

# The ways take turns, so that what else the machine does meets all of them.
measure_all() {
  local command pipeline way round
  for pipeline in "${PIPELINES[@]}"; do
    for command in "${COMMANDS[@]}"; do
      for way in "${WAYS[@]}"; do load "$way" "$command" "$pipeline" $((REQUESTS / 20)); done
      for ((round = 1; round <= ROUNDS; round++)); do
        progress "round $round of $ROUNDS, $command, $pipeline at a time"
        for way in "${WAYS[@]}"; do measure "$way" "$command" "$pipeline"; done
      done
    done
  done
}

row() {
  local command=$1 pipeline=$2 way=$3 runs=$DIR/runs/$1.$2 cpu='–'
  [ "$way" = direct ] || cpu=$(median "$runs.$way" 3 | awk '{ printf "%.1f", $1 }')
  awk -v command="$command" -v pipeline="$pipeline" -v way="$way" -v cpu="$cpu" \
    -v rate="$(median "$runs.$way" 1)" -v direct="$(median "$runs.direct" 1)" \
    -v latency="$(median "$runs.$way" 2)" 'BEGIN {
      printf "| %s | %s | %s | %.0f | %.2f | %.2f | %s |\n",
        command, pipeline, way, rate, rate / direct, latency, cpu }'
}

report() {
  local command pipeline way
  say "$(machine)"
  say "$(redis-server --version | sed -nE 's/^.*v=([0-9.]+).*$/Redis \1/p')," \
    "HAProxy $(haproxy_version)"
  say "$CLIENTS clients, $KEYS keys, values of $VALUE_BYTES bytes, $THREADS threads of HAProxy and of" \
    "the proxy, median of $ROUNDS rounds of $REQUESTS requests"
  say
  say '| command | at a time | way | requests/s | of direct | 95 % within, ms | CPU µs/request |'
  say '|---|--:|---|--:|--:|--:|--:|'
  for pipeline in "${PIPELINES[@]}"; do
    for command in "${COMMANDS[@]}"; do
      for way in "${WAYS[@]}"; do row "$command" "$pipeline" "$way"; done
    done
  done
}

need_programs
build
prepare
declare -A USER_OF=() PASSWORD_OF=()
read -r REDIS_PORT HAPROXY_PORT PROXY_PORT POSTGRES_PORT CONTROL_PORT ADMIN_PORT <<<"$(free_ports 6)"
start_redis
start_fleet Redis redis "$REDIS_PORT" default --redis-server-connections-max
make_tenant session
make_tenant transaction
start_haproxy "$REDIS_PORT"
measure_all
report

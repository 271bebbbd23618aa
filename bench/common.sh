# What the bench scripts share: what they start, how they stop it, medians, processor time. Sourced, with
# these set: NAME of the script, ROOT of the repository, BIN or nothing. Gives DIR, a folder of its own.

UNAVAILABLE=69
READY_SECONDS=60
STOP_SECONDS=15
# Sessions have ended when the proxy is stopped; a drain has nothing to wait for.
DRAIN_SECONDS=1
# Reaches every way once before anything is counted: logins, the proxy's pool, the server's caches.
WARM_UP_SECONDS=1

say() { printf '%s\n' "$*"; }
# On stderr, so that stdout is the table and what belongs to it.
progress() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$NAME" "$*" >&2; exit 1; }

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

# Started children in order, and the process id of each.
CHILDREN=()
declare -A PID_OF=()
# The program that makes load just now.
LOAD_PID=

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
  [ -z "$LOAD_PID" ] || stop "$LOAD_PID"
  for ((i = ${#CHILDREN[@]} - 1; i >= 0; i--)); do stop "${PID_OF[${CHILDREN[i]}]}"; done
  # Above 128: a signal ended it, and whoever sent that knows why.
  if [ $code != 0 ] && [ $code -lt 128 ]; then
    find "$DIR" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
    progress "$NAME: logs are in $DIR/log"
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

# prepare: makes DIR, whose parts are stopped and whose data are gone when the script ends.
prepare() {
  LOAD_BEFORE=$(cut -d ' ' -f 1 /proc/loadavg)
  [ "$(nproc)" -ge 2 ] || progress "$NAME: one processor; these figures are not to be used"
  umask 077
  DIR=$(mktemp -d "${TMPDIR:-/tmp}/tenantsdb-bench.XXXXXX")
  mkdir "$DIR/log" "$DIR/runs"
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# init_control: makes control's data; the proxy's token is in $DIR/proxy-token then, and tdb is set up.
init_control() {
  local printed
  progress 'starting control and the proxy'
  printed=$("$BIN/tenantsdb-control" init --data "$DIR/control" 2>>"$DIR/log/control.log") ||
    die 'tenantsdb-control init failed'
  grep -oE -m 1 'tdb_pt_[A-Za-z0-9_-]+' <<<"$printed" >"$DIR/proxy-token"
  TDB_API_KEY=$(grep -oE -m 1 'tdb_sk_[A-Za-z0-9_-]+' <<<"$printed")
  export TDB_API_KEY TDB_API_URL=http://127.0.0.1:$CONTROL_PORT TDB_CONFIG=$DIR/tdb.json
}

# start_fleet ENGINE DOOR SERVER_PORT USER LIMIT: control, and the proxy with this door, in front of one
# server; LIMIT is the proxy's option that says how many connections a database may have
# (SERVER_CONNECTIONS, or one more than CLIENTS). Without TLS on
# either side, as the other ways are.
start_fleet() {
  local engine=$1 door=$2 server_port=$3 user=$4 limit=$5
  init_control
  start control as_own_session "$BIN/tenantsdb-control" run --data "$DIR/control" \
    --listen "127.0.0.1:$CONTROL_PORT" "--$door-address" "127.0.0.1:$PROXY_PORT"
  until_ready control "$BIN/tenantsdb-control" health --listen "127.0.0.1:$CONTROL_PORT"
  "$BIN/tdb" servers add --name bench --engine "$engine" --address "127.0.0.1:$server_port" \
    --user "$user" --password-file "$DIR/admin.password" --tls disable >>"$DIR/log/tdb.log" 2>&1 ||
    die 'tdb servers add failed'
  start proxy as_own_session "$BIN/tenantsdb-proxy" run --data "$DIR/proxy" --cores "$THREADS" \
    --postgres-listen "127.0.0.1:$POSTGRES_PORT" "--$door-listen" "127.0.0.1:$PROXY_PORT" \
    --admin-listen "127.0.0.1:$ADMIN_PORT" --control-url "$TDB_API_URL" \
    --proxy-token-file "$DIR/proxy-token" --proxy-id bench --drain-seconds $DRAIN_SECONDS \
    "$limit" "${SERVER_CONNECTIONS:-$((CLIENTS + 1))}"
  until_ready proxy "$BIN/tenantsdb-proxy" health --ready --admin-listen "127.0.0.1:$ADMIN_PORT"
}

# find_haproxy: sets HAPROXY. Debian has it in /usr/sbin, which is not on everybody's path.
find_haproxy() { HAPROXY=$(PATH=$PATH:/usr/sbin command -v haproxy); }

haproxy_version() { "$HAPROXY" -v | sed -nE '1s/^[^0-9]*([0-9.]+).*$/\1/p'; }

# start_haproxy SERVER_PORT: in tcp mode on HAPROXY_PORT, in front of one server.
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
listen bench
  bind 127.0.0.1:$HAPROXY_PORT
  server main 127.0.0.1:$1
CONFIG
  # -db: in the foreground and one process, whose processor time is all there is.
  start haproxy as_own_session "$HAPROXY" -db -f "$DIR/haproxy.cfg"
  until_ready haproxy bash -c "exec 3<>/dev/tcp/127.0.0.1/$HAPROXY_PORT"
}

# run_load WHAT COMMAND…: the program's report is in $DIR/report then; WHAT names it where it fails. In
# the background and waited for, since bash would hold a signal back until a command in the foreground
# has ended.
run_load() {
  local what=$1 code=0
  shift
  "$@" >"$DIR/report" 2>&1 &
  LOAD_PID=$!
  wait $LOAD_PID || code=$?
  LOAD_PID=
  [ $code = 0 ] || { tail -n 20 "$DIR/report" >&2; die "$what failed"; }
}

# What the figures were made on.
machine() {
  printf '%s processors (%s), load average before: %s' "$(nproc)" \
    "$(sed -nE 's/^model name\s*: (.*)$/\1/p' /proc/cpuinfo | head -n 1)" "$LOAD_BEFORE"
}

# Ticks of processor time that a process has used, all of its threads together. Its name, in
# brackets, may have spaces; what follows the last bracket begins with field 3 of proc(5).
cpu_ticks() {
  local stat fields
  stat=$(cat "/proc/$1/stat") || die "process $1 has ended"
  read -ra fields <<<"${stat##*) }"
  echo $((fields[11] + fields[12]))
}

# cpu_each TICKS OPERATIONS: microseconds of processor time for each.
cpu_each() {
  awk -v ticks="$1" -v hz="$(getconf CLK_TCK)" -v operations="$2" \
    'BEGIN { printf "%.2f", ticks / hz * 1e6 / operations }'
}

# median FILE COLUMN
median() {
  awk -v column="$2" '{ print $column }' "$1" | sort -g | awk '
    { value[NR] = $1 }
    END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

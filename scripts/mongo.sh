#!/usr/bin/env bash
# Which server speaks MongoDB's protocol here. Sourced by the other scripts; run, it prints its kind
# and what it is started with, one word a line:
#
#   scripts/mongo.sh server    mongod | secantusd-rs | secantusd-py, and the program
#   scripts/mongo.sh shell     mongosh: this machine's, or the one in .node
#
# MongoDB's own server is in no package registry that this project uses. Where the machine has a mongod,
# that is taken. Otherwise SecantusDB stands in for it, a server of its own making with the same
# protocol: secantusd-rs, if somebody has put it into the user's cache
# (cargo install secantus-mdb --locked --ignore-rust-version --root ~/.cache/tenantsdb/secantus;
# ten minutes), or secantusd-py, which scripts/install.sh puts into .venv. It is GPL: run, and never
# linked. TENANTSDB_MONGO=kind chooses one.
#
# Exit codes: 0 printed; 1 missing, with the command that installs it.

MONGO_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Kinds, the best first.
MONGO_KINDS=(mongod secantusd-rs secantusd-py)
# OP_MSG for everything, and $lookup in transactions; what the README expects.
MONGO_VERSION_MIN=6

mongo_say() { printf 'mongo: %s\n' "$*" >&2; }

mongo_cache() { printf '%s' "${XDG_CACHE_HOME:-$HOME/.cache}/tenantsdb/secantus"; }

# is_mongod PROGRAM: whether this is a server of MongoDB, and new enough.
# "db version v7.0.14"
is_mongod() {
  local version
  version=$("$1" --version 2>/dev/null | sed -nE 's/^db version v([0-9]+)\..*$/\1/p')
  [ -n "$version" ] && [ "$version" -ge $MONGO_VERSION_MIN ]
}

# mongo_program KIND: the path of a server of this kind, if there is one.
mongo_program() {
  local path
  case $1 in
    mongod) path=$(command -v mongod) && is_mongod "$path" || return 1 ;;
    secantusd-rs) path=$(mongo_cache)/bin/secantusd-rs ;;
    secantusd-py) path=$MONGO_ROOT/.venv/bin/secantusd-py ;;
    *) return 1 ;;
  esac
  [ -x "$path" ] && printf '%s' "$path"
}

# mongo_kind: the kind of server that is used here.
mongo_kind() {
  local kind
  for kind in ${TENANTSDB_MONGO:-"${MONGO_KINDS[@]}"}; do
    mongo_program "$kind" >/dev/null && { printf '%s' "$kind"; return 0; }
  done
  return 1
}

# mongo_name KIND: what to call it before people.
mongo_name() {
  case $1 in
    mongod) printf 'mongod' ;;
    *) printf 'SecantusDB (%s), which stands in for mongod' "$1" ;;
  esac
}

# mongo_command KIND DATA PORT CLOSED: prints the command that starts a server on 127.0.0.1, one word
# a line. CLOSED is yes once there is an administrator. Only secantusd-py has to be started without
# authentication for that: the others let the first user be made from this machine. SecantusDB reads
# settings from the home folder, of which there is none for it.
mongo_command() {
  local kind=$1 data=$2 port=$3 closed=$4 program
  program=$(mongo_program "$kind") || return 1
  case $kind in
    mongod)
      printf '%s\n' "$program" --bind_ip 127.0.0.1 --port "$port" --dbpath "$data" --auth \
        --unixSocketPrefix "$data"
      ;;
    secantusd-rs)
      # A log file is allocated in full.
      printf '%s\n' env HOME=/nonexistent "$program" --host 127.0.0.1 --port "$port" \
        --storage-path "$data" --auth --cache-size 256M --log-file-max 16MB
      ;;
    secantusd-py)
      printf '%s\n' env HOME=/nonexistent "$program" --host 127.0.0.1 --port "$port" \
        --storage-path "$data" --cache-size 256M
      [ "$closed" != yes ] || echo --auth
      ;;
  esac
}

# mongo_admin ACTION PORT PASSWORD_FILE: scripts/mongo-admin.py.
mongo_admin() { "$MONGO_ROOT/.venv/bin/python" -I "$MONGO_ROOT/scripts/mongo-admin.py" "$@"; }

# mongo_shell: the path of mongosh.
mongo_shell() {
  local path
  for path in "$(command -v mongosh || true)" "$MONGO_ROOT/.node/node_modules/.bin/mongosh"; do
    [ -x "$path" ] && { printf '%s\n' "$path"; return 0; }
  done
  return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  missing() { mongo_say "there is no $1 here; run: scripts/install.sh test"; exit 1; }
  case "${1:-} $#" in
    'server 1')
      kind=$(mongo_kind) || missing 'mongod or SecantusDB'
      printf '%s\n' "$kind" "$(mongo_program "$kind")"
      ;;
    'command 4')
      kind=$(mongo_kind) || missing 'mongod or SecantusDB'
      mongo_command "$kind" "$2" "$3" "$4"
      ;;
    'shell 1') mongo_shell || missing mongosh ;;
    *)
      echo 'usage: scripts/mongo.sh server | shell | command DATA PORT yes|no' >&2
      exit 2
      ;;
  esac
fi

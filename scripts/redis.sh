#!/usr/bin/env bash
# Where Redis and Valkey are. Sourced by the other scripts; run, it prints what comes before a
# program's own arguments, one word a line:
#
#   scripts/redis.sh redis-server | redis-cli | redis-benchmark        Redis 7.0 or later
#   scripts/redis.sh valkey-server | valkey-cli | valkey-benchmark     Valkey
#
# Debian's package redis-server has nothing in it but a service that starts on port 6379 at once and
# at every boot, and the server's name: the program itself lies in redis-tools, as redis-check-rdb,
# and does what it is called by. So redis-tools is what is installed, and the server is started
# through a link of the right name in the user's cache. Debian's stable release has no Valkey: where
# this machine has none of its own, the packages of bookworm-backports are unpacked into that cache,
# as scripts/debian.sh does it.
#
# Exit codes: 0 printed; 1 missing, with the command that installs it.

. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

# Key specifications in COMMAND, sharded channels and ACL selectors came with 7.0.
REDIS_VERSION_MIN=7
VALKEY_SUITES='bookworm bookworm-backports'
# Server and tools are one program here too.
VALKEY_PACKAGES=(valkey-tools)

redis_say() { printf 'redis: %s\n' "$*" >&2; }

# redis_link PROGRAM NAME: a link to a program under another name, in the user's cache; its path.
redis_link() {
  local dir link
  dir=$(debian_home redis)
  link=$dir/$2
  if [ "$(readlink "$link" 2>/dev/null)" != "$1" ]; then
    mkdir -p "$dir"
    # Whoever comes at the same time finds the old link or the new one.
    ln -sf "$1" "$link.$$" && mv -f "$link.$$" "$link"
  fi
  printf '%s' "$link"
}

# is_redis PROGRAM…: whether this is a server of Redis, and new enough.
# "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=…"
is_redis() {
  local version
  version=$("$@" --version 2>/dev/null | sed -nE 's/^Redis server v=([0-9]+)\..*$/\1/p')
  [ -n "$version" ] && [ "$version" -ge $REDIS_VERSION_MIN ]
}

# redis_program NAME: prints the path of this machine's redis-server, redis-cli, …
redis_program() {
  local path
  if [ "$1" != redis-server ]; then
    command -v "$1"
    return
  fi
  if path=$(command -v redis-server) && is_redis "$path"; then
    printf '%s\n' "$path"
    return 0
  fi
  path=$(command -v redis-check-rdb) || return 1
  path=$(redis_link "$path" redis-server)
  is_redis "$path" && printf '%s\n' "$path"
}

# valkey_prefix NAME: what comes before a Valkey program's own arguments, one word a line.
valkey_prefix() {
  command -v "$1" || debian_unpacked_prefix "$(debian_home valkey)" "$1"
}

# valkey_unpacked_runs HOME: gives the server its name, and tries it.
valkey_unpacked_runs() {
  local words
  ln -sf valkey-check-rdb "$1/usr/bin/valkey-server"
  mapfile -t words < <(debian_unpacked_prefix "$1" valkey-server)
  [ ${#words[@]} -gt 0 ] && "${words[@]}" --version | grep -qi '^\(valkey\|redis\) server v=' &&
    mapfile -t words < <(debian_unpacked_prefix "$1" valkey-cli) && "${words[@]}" --version >&2
}

# install_valkey: sees to it that there is a Valkey server with its client. About 25 MB to fetch.
install_valkey() {
  valkey_prefix valkey-server >/dev/null && valkey_prefix valkey-cli >/dev/null && return 0
  DEBIAN_NAME=redis debian_fetch "$(debian_home valkey)" "$VALKEY_SUITES" valkey_unpacked_runs \
    "${VALKEY_PACKAGES[@]}"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  case "${1:-}" in
    redis-server | redis-cli | redis-benchmark) find=redis_program ;;
    valkey-server | valkey-cli | valkey-benchmark) find=valkey_prefix ;;
    *)
      echo 'usage: scripts/redis.sh {redis,valkey}-{server,cli,benchmark}' >&2
      exit 2
      ;;
  esac
  "$find" "$1" || { redis_say "there is no $1 here; run: scripts/install.sh test"; exit 1; }
fi

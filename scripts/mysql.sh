#!/usr/bin/env bash
# Where Oracle's MySQL and MariaDB are, and who runs a server. Sourced by the other scripts; run,
# it prints what comes before a program's own arguments, one word a line:
#
#   scripts/mysql.sh mysqld      a MySQL server of 8.0 or later, as it has to be started
#   scripts/mysql.sh mysql       the command line client that belongs to it
#   scripts/mysql.sh mysqldump   and its dump
#
# Debian has no MySQL server in its stable release. Where this machine has none of its own, the
# packages of Debian sid are unpacked, with every library that they need, into a folder of their own
# below the user's cache: nothing is installed, no root is needed, and the system stays as it is.
#
# Exit codes: 0 printed; 1 something broke, as the text says; 69 MySQL cannot be had here.

# Oracle's caching_sha2_password is the default since 8.0.
MYSQL_VERSION_MIN=8
# EX_UNAVAILABLE of sysexits(3).
MYSQL_UNAVAILABLE=69
# sid needs to be asked for both; the client's package has mysqldump and mysql too.
MYSQL_PACKAGES=(mysql-server-core mysql-client-core)

# Who runs MariaDB for root, as Debian's package has it.
MARIADB_USER=mysql

mysql_say() { printf 'mysql: %s\n' "$*" >&2; }

# mysql_home: the folder with the unpacked packages, there or not.
mysql_home() {
  printf '%s' "${TENANTSDB_MYSQL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/tenantsdb/mysql}"
}

# is_oracle PROGRAM…: whether this is Oracle's MySQL and new enough. MariaDB's programs bear the same names.
is_oracle() {
  local text version
  text=$("$@" --no-defaults --version 2>/dev/null) || return 1
  case $text in *MariaDB*) return 1 ;; esac
  version=$(sed -nE 's/^.*Ver ([0-9]+)\.[0-9].*$/\1/p' <<<"$text")
  [ -n "$version" ] && [ "$version" -ge $MYSQL_VERSION_MIN ]
}

# mysql_of_machine PROGRAM: the path of this machine's own, if it has one.
mysql_of_machine() {
  local path
  for path in "$(command -v "$1" || true)" "/usr/local/mysql/bin/$1" "/usr/sbin/$1" "/opt/mysql/bin/$1"; do
    [ -x "$path" ] && is_oracle "$path" && { printf '%s' "$path"; return 0; }
  done
  return 1
}

# mysql_unpacked_prefix HOME PROGRAM: how an unpacked program is started: through the libc and the
# libraries that it was unpacked with, since the system's own may be older.
mysql_unpacked_prefix() {
  local home=$1 program=$2 loader libraries path
  loader=$(find "$home/usr/lib" -maxdepth 2 -name 'ld-linux*.so.*' -print -quit 2>/dev/null)
  [ -n "$loader" ] || return 1
  libraries=$(dirname "$loader")
  for path in "$home/usr/sbin/$program" "$home/usr/bin/$program"; do
    [ -x "$path" ] || continue
    printf '%s\n' "$loader" --library-path "$libraries:$home/usr/lib/mysql/private" "$path"
    return 0
  done
  return 1
}

# mysql_prefix PROGRAM: prints what comes before the program's own arguments, one word a line.
# MySQL's programs take --no-defaults as their first argument only.
mysql_prefix() {
  local program=$1 home path
  home=$(mysql_home)
  if path=$(mysql_of_machine "$program"); then
    printf '%s\n' "$path" --no-defaults
    return 0
  fi
  mysql_unpacked_prefix "$home" "$program" || return 1
  printf '%s\n' --no-defaults "--plugin-dir=$home/usr/lib/mysql/plugin" \
    "--character-sets-dir=$home/usr/share/mysql/charsets"
  if [ "$program" = mysqld ]; then
    printf '%s\n' "--basedir=$home/usr" "--lc-messages-dir=$home/usr/share/mysql"
  fi
}

# mysql_debian_uri: the address of this machine's own Debian archive, as apt knows it.
mysql_debian_uri() {
  local codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$codename" '$2 == release && $3 == "main" { print $1; exit }'
}

# mysql_fetch HOME: unpacks MySQL into HOME, which is there whole or not at all. One process at a
# time: whoever waited finds it done.
mysql_fetch() (
  set -euo pipefail
  home=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    { mysql_say 'this is no Debian: no apt-get, or no dpkg-deb'; exit $MYSQL_UNAVAILABLE; }
  [ -r "$keyring" ] || { mysql_say "no $keyring"; exit $MYSQL_UNAVAILABLE; }
  uri=$(mysql_debian_uri)
  [ -n "$uri" ] || { mysql_say "apt knows no Debian archive"; exit $MYSQL_UNAVAILABLE; }
  mkdir -p "$(dirname "$home")"
  exec 8>"$home.lock"
  flock 8
  [ ! -e "$home" ] || exit 0
  aside=$home.new
  rm -rf "$aside"
  trap 'rm -rf "$aside"' EXIT
  mkdir -p "$aside"/apt/{etc,state/lists/partial,cache/archives/partial} "$aside/root"
  : >"$aside/apt/status"
  cat >"$aside/apt/etc/sid.sources" <<SOURCES
Types: deb
URIs: $uri
Suites: sid
Components: main
Signed-By: $keyring
SOURCES
  cat >"$aside/apt/apt.conf" <<CONF
Dir::State "$aside/apt/state";
Dir::State::status "$aside/apt/status";
Dir::Cache "$aside/apt/cache";
Dir::Etc::sourcelist "$aside/apt/etc/sid.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
APT::Get::List-Cleanup "0";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Debug::NoLocking "1";
CONF
  export APT_CONFIG=$aside/apt/apt.conf DEBIAN_FRONTEND=noninteractive
  mysql_say "unpacking ${MYSQL_PACKAGES[*]} of Debian sid into $home (about 60 MB to fetch, 330 MB on disk)"
  log=$aside/apt/log
  if ! apt-get update -qq >"$log" 2>&1 ||
    ! apt-get install -qq -y --no-install-recommends --download-only "${MYSQL_PACKAGES[@]}" >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    mysql_say 'Debian sid did not hand them out'
    exit $MYSQL_UNAVAILABLE
  fi
  for package in "$aside"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$aside/root"; done
  mapfile -t mysqld < <(mysql_unpacked_prefix "$aside/root" mysqld)
  [ ${#mysqld[@]} -gt 0 ] && is_oracle "${mysqld[@]}" ||
    { mysql_say 'the unpacked mysqld does not run here'; exit $MYSQL_UNAVAILABLE; }
  mv "$aside/root" "$home"
)

# install_mysql: sees to it that there is a MySQL server with its client; 69 where it cannot be had.
install_mysql() {
  mysql_of_machine mysqld >/dev/null && mysql_of_machine mysql >/dev/null &&
    mysql_of_machine mysqldump >/dev/null && return 0
  local home code=0
  home=$(mysql_home)
  [ -e "$home" ] && return 0
  mysql_fetch "$home" || code=$?
  [ $code = 0 ] && return 0
  mysql_say 'MySQL CANNOT BE HAD HERE: what is tested against it will be counted as not run'
  return $code
}

# mariadb_program NAME: the path of MariaDB's program, or nothing. Debian's PATH for users lacks sbin.
mariadb_program() {
  local path
  for path in "$(command -v "$1" || true)" "/usr/sbin/$1" "/usr/local/mariadb/bin/$1"; do
    [ -x "$path" ] && { printf '%s' "$path"; return 0; }
  done
}

# Runs a command as the user that owns MariaDB's data: as as_postgres does.
as_mariadb() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid="$MARIADB_USER" --regid="$MARIADB_USER" --init-groups --reset-env "$@"
  else
    "$@"
  fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  case "${1:-}" in
    mysqld | mysql | mysqldump) ;;
    *) echo 'usage: scripts/mysql.sh mysqld | mysql | mysqldump' >&2; exit 2 ;;
  esac
  install_mysql
  mysql_prefix "$1"
fi

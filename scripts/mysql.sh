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

. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

# Oracle's caching_sha2_password is the default since 8.0.
MYSQL_VERSION_MIN=8
MYSQL_UNAVAILABLE=$DEBIAN_UNAVAILABLE
# sid needs to be asked for both; the client's package has mysqldump and mysql too.
MYSQL_PACKAGES=(mysql-server-core mysql-client-core)

# Who runs MariaDB for root, as Debian's package has it.
MARIADB_USER=mysql

mysql_say() { printf 'mysql: %s\n' "$*" >&2; }

# mysql_home: the folder with the unpacked packages, there or not.
mysql_home() {
  printf '%s' "${TENANTSDB_MYSQL_DIR:-$(debian_home mysql)}"
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

# mysql_unpacked_prefix HOME PROGRAM: how an unpacked program is started.
mysql_unpacked_prefix() { debian_unpacked_prefix "$1" "$2" usr/lib/mysql/private; }

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

# mysql_unpacked_runs HOME: whether what was unpacked there is a MySQL server that runs here.
mysql_unpacked_runs() {
  local mysqld
  mapfile -t mysqld < <(mysql_unpacked_prefix "$1" mysqld)
  [ ${#mysqld[@]} -gt 0 ] && is_oracle "${mysqld[@]}"
}

# install_mysql: sees to it that there is a MySQL server with its client; 69 where it cannot be had.
install_mysql() {
  mysql_of_machine mysqld >/dev/null && mysql_of_machine mysql >/dev/null &&
    mysql_of_machine mysqldump >/dev/null && return 0
  local home code=0
  home=$(mysql_home)
  [ -e "$home" ] && return 0
  # About 60 MB to fetch, 330 MB on disk.
  DEBIAN_NAME=mysql debian_fetch "$home" sid mysql_unpacked_runs "${MYSQL_PACKAGES[@]}" || code=$?
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

#!/usr/bin/env bash
# Installs what is missing for a task, says what it installs, and does nothing when all is there.
#
#   scripts/install.sh dev     PostgreSQL 15 or later (server and clients), a C compiler
#   scripts/install.sh test    that, and a Python environment in .venv with pinned database drivers
#   scripts/install.sh fuzz    a C compiler and cargo-fuzz
#
# Packages come from apt: as root directly, otherwise by sudo, otherwise the command is printed and
# the exit code is 1. Everything else goes below the checkout or cargo's own folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/postgres.sh

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

# Runs a command as root, or prints what a person has to run.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "this needs root, and there is no sudo; run as root:  $*"
  fi
}

apt_install() {
  command -v apt-get >/dev/null || die "please install with this machine's package manager: $*"
  say "installing by apt: $*"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
    >/dev/null
}

# Debian makes and starts a cluster on port 5432 with the package. Nobody asked for one, so a file of
# ours forbids it while the package is being installed; a cluster that exists already is left alone.
forbid_main_cluster() {
  say "no PostgreSQL cluster is made on port 5432 by this installation"
  as_root mkdir -p /etc/postgresql-common/createcluster.d
  as_root sh -c "echo 'create_main_cluster = false' > $CREATECLUSTER_FILE"
}
CREATECLUSTER_FILE=/etc/postgresql-common/createcluster.d/tenantsdb.conf

install_packages() {
  local packages=() postgres=no
  if [ -z "$(postgres_bin)" ] || ! command -v psql >/dev/null; then
    packages+=(postgresql postgresql-client)
    postgres=yes
  fi
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  if [ "$1" = test ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
  fi
  [ ${#packages[@]} = 0 ] && return
  [ $postgres = no ] || forbid_main_cluster
  apt_install "${packages[@]}"
  [ $postgres = no ] || as_root rm -f "$CREATECLUSTER_FILE"
  [ -n "$(postgres_bin)" ] ||
    die "PostgreSQL $POSTGRES_VERSION_MIN or later is needed; see https://www.postgresql.org/download/linux/debian/"
}

# The drivers that applications use, at the versions that the tests were written against.
install_python_clients() {
  local want=tests/clients/requirements.txt stamp=.venv/requirements.txt
  if [ -x .venv/bin/python ] && cmp -s "$want" "$stamp"; then return; fi
  say "installing Python database drivers into .venv"
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$want"
  cp "$want" "$stamp"
}

install_cargo_fuzz() {
  command -v cc >/dev/null || apt_install gcc g++ libc6-dev
  cargo fuzz --version >/dev/null 2>&1 && return
  command -v c++ >/dev/null || apt_install g++
  say "installing cargo-fuzz with cargo"
  cargo install --locked --quiet cargo-fuzz
}

command -v cargo >/dev/null || die "there is no cargo; install a Rust toolchain: https://rustup.rs"
case "${1:-}" in
  dev) install_packages dev ;;
  test) install_packages test; install_python_clients ;;
  fuzz) install_cargo_fuzz ;;
  *) die "usage: scripts/install.sh dev | test | fuzz" ;;
esac

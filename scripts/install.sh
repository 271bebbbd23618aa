#!/usr/bin/env bash
# Installs what is missing for a task, says what it installs, and does nothing when all is there.
#
#   scripts/install.sh dev     PostgreSQL 15 or later, MariaDB, Redis 7.0 or later (servers and
#                              clients), a C compiler; in .venv SecantusDB, unless there is a mongod;
#                              in .node mongosh, where there is a Node.js and no mongosh
#   scripts/install.sh test    that, MySQL, Valkey, and pinned database drivers: Python's in .venv,
#                              with redis-py's own tests in .venv/redis-py; Node.js's in .node
#   scripts/install.sh fuzz    a C compiler and cargo-fuzz
#
# Packages come from apt: as root directly, otherwise by sudo, otherwise the command is printed and
# the exit code is 1. Everything else goes below the checkout, cargo's own folder, or (MySQL and
# Valkey, which Debian's stable release has not) the user's cache. No database server is started by
# any of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/postgres.sh
. scripts/mysql.sh
. scripts/redis.sh
. scripts/mongo.sh

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
  # The core packages have the programs and nothing that starts at boot.
  [ -n "$(mariadb_program mariadbd)" ] && command -v mariadb-install-db >/dev/null ||
    packages+=(mariadb-server-core)
  command -v mariadb >/dev/null && command -v mariadb-dump >/dev/null || packages+=(mariadb-client)
  # Has the server's program too, and no service: scripts/redis.sh.
  redis_program redis-server >/dev/null && redis_program redis-cli >/dev/null ||
    packages+=(redis-tools)
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
  [ "$1" != test ] || packages+=($(missing_for_drivers))
  [ ${#packages[@]} = 0 ] && return
  [ $postgres = no ] || forbid_main_cluster
  apt_install "${packages[@]}"
  [ $postgres = no ] || as_root rm -f "$CREATECLUSTER_FILE"
  [ -n "$(postgres_bin)" ] ||
    die "PostgreSQL $POSTGRES_VERSION_MIN or later is needed; see https://www.postgresql.org/download/linux/debian/"
  redis_program redis-server >/dev/null ||
    die "Redis $REDIS_VERSION_MIN.0 or later is needed; see https://redis.io/docs/latest/operate/oss_and_stack/install/"
}

# mysqlclient, the Python driver, is built here against MariaDB's client library.
missing_for_drivers() {
  python3 -c 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' 2>/dev/null ||
    echo python3-dev
  command -v pkg-config >/dev/null || echo pkg-config
  pkg-config --exists libmariadb 2>/dev/null || echo libmariadb-dev
  command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm
}

# Root may not run a database server, and only MariaDB's full server package would make this user.
make_mariadb_user() {
  [ "$(id -u)" = 0 ] || return 0
  id -u "$MARIADB_USER" >/dev/null 2>&1 && return 0
  say "making the system user $MARIADB_USER, who runs MariaDB for root"
  useradd --system --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$MARIADB_USER"
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

# What `make dev` needs of that: something to make the administrator with, and a server where the
# machine has none.
install_mongo() {
  local want=() word
  mongo_kind >/dev/null || want+=(SecantusDB)
  .venv/bin/python -c 'import pymongo' 2>/dev/null || want+=(pymongo)
  if [ ${#want[@]} -gt 0 ]; then
    say "installing ${want[*]} into .venv"
    [ -x .venv/bin/python ] || python3 -m venv .venv
    want=($(for word in "${want[@]}"; do grep "^$word==" tests/clients/requirements.txt; done))
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "${want[@]}"
  fi
  say "MongoDB's protocol is spoken here by $(mongo_name "$(mongo_kind)")"
  mongo_shell >/dev/null && return
  if command -v npm >/dev/null; then install_node_clients; else
    say 'there is no mongosh, and no Node.js to run it: tdb connect will not open a MongoDB database'
  fi
}

# redis-py's own tests are in its source package alone. Built packages it needs none.
install_redis_py_tests() {
  local want=tests/clients/redis/redis-py.txt home=.venv/redis-py
  if cmp -s "$want" "$home/installed"; then return; fi
  say "unpacking redis-py's tests into $home"
  rm -rf "$home" "$home.new"
  mkdir "$home.new"
  .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --require-hashes --dest "$home.new" -r "$want"
  # The package itself is left out: what is tested is what is installed.
  tar -xzf "$home.new"/redis-*.tar.gz -C "$home.new" --strip-components=1 --wildcards \
    '*/tests' '*/pyproject.toml'
  cp "$want" "$home.new/installed"
  mv "$home.new" "$home"
}

# npm installs beside the package.json that it reads: a copy of it outside of what git keeps.
install_node_clients() {
  local from=tests/clients/node stamp=.node/installed
  if cmp -s "$from/package-lock.json" "$stamp"; then return; fi
  say "installing Node.js database drivers into .node"
  rm -rf .node
  mkdir .node
  cp "$from/package.json" "$from/package-lock.json" .node/
  npm ci --prefix .node --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$from/package-lock.json" "$stamp"
}

# The only part that may be missing: the tests then say which of them did not run.
install_mysql_if_to_be_had() {
  local code=0
  install_mysql || code=$?
  [ $code = 0 ] || [ $code = $MYSQL_UNAVAILABLE ] || die "MySQL could not be unpacked (see above)"
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
  dev)
    install_packages dev
    make_mariadb_user
    install_mongo
    ;;
  test)
    install_packages test
    make_mariadb_user
    install_python_clients
    install_redis_py_tests
    install_node_clients
    install_mongo
    install_valkey || die "Valkey could not be unpacked (see above)"
    install_mysql_if_to_be_had
    ;;
  fuzz) install_cargo_fuzz ;;
  *) die "usage: scripts/install.sh dev | test | fuzz" ;;
esac

# Where PostgreSQL's programs are, and who runs a server. Sourced, never run.

# `CREATE DATABASE … STRATEGY wal_log` came with 15.
POSTGRES_VERSION_MIN=15

# Prints the folder with the newest usable server's programs, or nothing.
postgres_bin() {
  local dir version best='' best_version=0
  for dir in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && [ -x "$dir/pgbench" ] || continue
    version=$("$dir/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    [ "$version" -ge $POSTGRES_VERSION_MIN ] && [ "$version" -gt $best_version ] || continue
    best=$dir best_version=$version
  done
  printf '%s' "$best"
}

# Runs a command as the user that owns the server: `postgres` for root, since PostgreSQL refuses to
# be run by root; otherwise whoever asks. It replaces itself by the command: the process id is the server's.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups --reset-env "$@"
  else
    "$@"
  fi
}

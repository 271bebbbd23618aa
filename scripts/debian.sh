# Packages of another Debian release than this machine's, unpacked with every library that they need
# into a folder of their own below the user's cache: nothing is installed, no root is needed, and
# the system stays as it is. Sourced, never run.

# EX_UNAVAILABLE of sysexits(3): what is asked for cannot be had on this machine.
DEBIAN_UNAVAILABLE=69

debian_say() { printf '%s: %s\n' "${DEBIAN_NAME:-debian}" "$*" >&2; }

# debian_home NAME: the folder of what is unpacked under that name, there or not.
debian_home() { printf '%s' "${XDG_CACHE_HOME:-$HOME/.cache}/tenantsdb/$1"; }

# debian_unpacked_prefix HOME PROGRAM [FOLDER…]: how an unpacked program is started, one word a line:
# through the libc and the libraries that it was unpacked with, since the system's own may be older.
# FOLDERs of HOME have more of its libraries.
debian_unpacked_prefix() {
  local home=$1 program=$2 loader libraries path
  shift 2
  loader=$(find "$home/usr/lib" -maxdepth 2 -name 'ld-linux*.so.*' -print -quit 2>/dev/null)
  # Before the merge of /lib into /usr/lib the packages have it there.
  [ -n "$loader" ] ||
    loader=$(find "$home/lib" -maxdepth 2 -name 'ld-linux*.so.*' -print -quit 2>/dev/null)
  [ -n "$loader" ] || return 1
  libraries=$home/usr/lib/$(basename "$(dirname "$loader")"):$(dirname "$loader")
  for path in "$@"; do libraries+=:$home/$path; done
  for path in "$home/usr/sbin/$program" "$home/usr/bin/$program"; do
    [ -x "$path" ] || continue
    printf '%s\n' "$loader" --library-path "$libraries" "$path"
    return 0
  done
  return 1
}

# debian_uri: the address of this machine's own Debian archive, as apt knows it.
debian_uri() {
  local codename
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$codename" '$2 == release && $3 == "main" { print $1; exit }'
}

# debian_fetch HOME SUITES CHECK PACKAGE…: unpacks packages of the last of the SUITES, and what they
# need of all of them, into HOME, which is there whole or not at all. CHECK is a function that is
# given the unpacked folder, may finish it, and fails where the programs do not run. One process at
# a time: whoever waited finds it done.
debian_fetch() (
  set -euo pipefail
  home=$1 suites=$2 check=$3
  shift 3
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  unavailable() { debian_say "$*"; exit $DEBIAN_UNAVAILABLE; }
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    unavailable 'this is no Debian: no apt-get, or no dpkg-deb'
  [ -r "$keyring" ] || unavailable "no $keyring"
  uri=$(debian_uri)
  [ -n "$uri" ] || unavailable 'apt knows no Debian archive'
  mkdir -p "$(dirname "$home")"
  exec 8>"$home.lock"
  flock 8
  [ ! -e "$home" ] || exit 0
  aside=$home.new
  rm -rf "$aside"
  trap 'rm -rf "$aside"' EXIT
  mkdir -p "$aside"/apt/{etc,state/lists/partial,cache/archives/partial} "$aside/root"
  : >"$aside/apt/status"
  cat >"$aside/apt/etc/debian.sources" <<SOURCES
Types: deb
URIs: $uri
Suites: $suites
Components: main
Signed-By: $keyring
SOURCES
  cat >"$aside/apt/apt.conf" <<CONF
Dir::State "$aside/apt/state";
Dir::State::status "$aside/apt/status";
Dir::Cache "$aside/apt/cache";
Dir::Etc::sourcelist "$aside/apt/etc/debian.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
APT::Get::List-Cleanup "0";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Debug::NoLocking "1";
CONF
  export APT_CONFIG=$aside/apt/apt.conf DEBIAN_FRONTEND=noninteractive
  debian_say "unpacking $* of Debian ${suites##* } into $home"
  log=$aside/apt/log
  if ! apt-get update -qq >"$log" 2>&1 ||
    ! apt-get install -qq -y --no-install-recommends --download-only \
      --target-release "${suites##* }" "$@" >>"$log" 2>&1; then
    tail -n 5 "$log" >&2
    unavailable "Debian ${suites##* } did not hand them out"
  fi
  for package in "$aside"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$aside/root"; done
  "$check" "$aside/root" || unavailable 'what was unpacked does not run here'
  mv "$aside/root" "$home"
)

#!/usr/bin/env bash
# Builds the three programs and lays them out below a folder as they stand in the image:
#   scripts/image-tree.sh PROFILE DESTDIR
# The Dockerfile's build stage and CI run this same script.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${1:?usage: scripts/image-tree.sh PROFILE DESTDIR}
destdir=${2:?usage: scripts/image-tree.sh PROFILE DESTDIR}

cargo build --locked --profile "$profile" -p tenantsdb-proxy -p tenantsdb-control
out=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo "$profile")
install -d "$destdir/usr/local/bin" "$destdir/var/lib/tenantsdb"
install -m 0755 "$out/tenantsdb-proxy" "$out/tenantsdb-control" "$out/tdb" "$destdir/usr/local/bin/"
"$destdir/usr/local/bin/tenantsdb-proxy" --version
"$destdir/usr/local/bin/tenantsdb-control" --version
"$destdir/usr/local/bin/tdb" --version

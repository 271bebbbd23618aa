#!/usr/bin/env bash
# Runs every fuzz target for some seconds: scripts/fuzz.sh SECONDS. A crash ends it, with the input's path.
#
# codecs forbids unsafe code, so an address sanitizer could find nothing there; without it the
# targets build with a stable compiler and run several times faster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS}

targets=$(cargo fuzz list)
[ -n "$targets" ] || { echo 'fuzz: no targets found' >&2; exit 1; }
mkdir -p target
cargo fuzz build --sanitizer none
for target in $targets; do
  log=target/fuzz-$target.log
  if ! cargo fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" \
    -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "fuzz: $target failed" >&2
    exit 1
  fi
  echo "fuzz: $target: $(grep -E '^stat::number_of_executed_units' "$log" | grep -oE '[0-9]+') inputs in $seconds s"
done

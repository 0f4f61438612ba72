#!/usr/bin/env bash
# run.sh [engine|gateway|pipeline]: measures the release build and writes build/bench.json, one figure per line.
# UNREEL_BENCH_ROUNDS (5, at least) says how often each is measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

only=${1:-}
scripts/install-packages.sh build test
echo "Building the release"
scripts/build.sh release
cc -O2 -Wall -Wextra -o build/hammer tests/bench/hammer.c

# On a disk, not in memory: uploads are synced.
work=$(mktemp -d "$PWD/build/bench.XXXXXX")
finish() {
    local verdict=$?
    trap - EXIT INT TERM
    scripts/servers.sh stop "$work/servers" || true
    rm -rf "$work"
    exit "$verdict"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "$only" ] || [ "$only" = pipeline ]; then
    scripts/servers.sh start "$work/servers"
    # shellcheck source=/dev/null
    . "$work/servers/env"
fi
UNREEL_TEST_BIN=$PWD/build/release/bin UNREEL_BENCH_WORK=$work PYTHONDONTWRITEBYTECODE=1 \
    /usr/bin/python3 tests/bench/bench.py ${only:+--only "$only"}

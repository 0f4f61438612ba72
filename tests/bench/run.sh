#!/usr/bin/env bash
# run.sh [engine|gateway|pipeline]: measures what the images ship, the release build with a static libav (where that cannot
# be had, with the shared one), and writes build/bench.json, one figure per line.
# UNREEL_BENCH_ROUNDS (5, at least) says how often each is measured; UNREEL_BENCH_10H=1 converts ten hours of sound, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

only=${1:-}
scripts/install-packages.sh build test
[ -e build/libav/lib/libavformat.a ] || scripts/libav.sh || echo "measuring with the shared libav"
preset=release
[ ! -e build/libav/lib/libavformat.a ] || preset=lean
echo "Building the release (preset $preset)"
scripts/build.sh $preset
cc -O2 -Wall -Wextra -o build/hammer tests/bench/hammer.c
cc -O2 -Wall -Wextra -shared -fPIC -o build/preads.so tests/bench/preads.c
[ -d build/lame/lib/unreel/glibc-hwcaps ] || scripts/lame.sh || echo "engine.cbr192.20min.wall.hwcaps will be missing"

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
UNREEL_TEST_BIN=$PWD/build/$preset/bin UNREEL_BENCH_WORK=$work PYTHONDONTWRITEBYTECODE=1 \
    /usr/bin/python3 tests/bench/bench.py ${only:+--only "$only"}

#!/usr/bin/env bash
# build.sh PRESET [TARGET...]: configures and builds quietly; the whole log is in build/PRESET.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=$1
shift
mkdir -p build
log=build/$preset.log
targets=()
[ $# = 0 ] || targets=(--target "$@")
if ! { cmake --preset "$preset" && cmake --build --preset "$preset" "${targets[@]}"; } >"$log" 2>&1; then
    grep -E -A8 'error: |error :|undefined reference|CMake Error' "$log" | head -60 >&2 || tail -40 "$log" >&2
    echo "build.sh: preset $preset does not build; all of it is in $log" >&2
    exit 1
fi

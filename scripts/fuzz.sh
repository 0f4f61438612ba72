#!/usr/bin/env bash
# fuzz.sh RESULTS.xml [TARGET...]: runs each libFuzzer target of build/fuzz for UNREEL_TEST_FUZZ_SECONDS (60) on a copy of its
# corpus, four at a time for each processor. What makes one fail is left in build/fuzz/crashes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

report=$1
shift
seconds=${UNREEL_TEST_FUZZ_SECONDS:-60}
parallel=$((4 * $(nproc)))
crashes=build/fuzz/crashes
work=$(mktemp -d "${TMPDIR:-/tmp}/unreel-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$crashes"

run_one() {
    local name=$1 seeds=tests/fuzz/corpus/${1#fuzz_}
    mkdir -p "$work/$name"
    [ ! -d "$seeds" ] || cp -r "$seeds/." "$work/$name"
    [ "$name" != fuzz_engine ] || scripts/fuzz-media.sh "$work/$name"
    "build/fuzz/fuzz/$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$crashes/$name-" "$work/$name" >"$work/$name.log" 2>&1 || touch "$work/$name.failed"
}

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for binary in build/fuzz/fuzz/*; do
        [ ! -f "$binary" ] || targets+=("$(basename "$binary")")
    done
fi
for name in "${targets[@]}"; do
    while [ "$(jobs -pr | wc -l)" -ge "$parallel" ]; do
        wait -n || true
    done
    run_one "$name" &
done
wait

verdict=0
{
    echo '<testsuite name="fuzz">'
    for name in "${targets[@]}"; do
        if [ -e "$work/$name.failed" ]; then
            verdict=1
            tail -40 "$work/$name.log" >&2
            echo "<testcase name=\"$name\"><failure/></testcase>"
        else
            echo "$name: $(sed -n 's/^stat::number_of_executed_units: */runs: /p' "$work/$name.log")" >&2
            echo "<testcase name=\"$name\"/>"
        fi
    done
    echo '</testsuite>'
} >"$report"
exit "$verdict"

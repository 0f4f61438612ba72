#!/usr/bin/env bash
# Everything that can be checked, in one go: packages, build, lint, unit, contract, fuzz and end to end, under ASan+UBSan
# and under TSan, on the embedded engines and on real servers. The last line is "N passed, M failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

results=$PWD/build/results
work=$(mktemp -d "${TMPDIR:-/tmp}/unreel-test.XXXXXX")
finish() {
    local verdict=$?
    trap - EXIT INT TERM
    [ -z "${beside:-}" ] || kill -- "-$beside" 2>/dev/null || true
    scripts/servers.sh stop "$work" || true
    rm -rf "$work"
    exit "$verdict"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

started=$SECONDS
failed=0
step() {
    printf '== %4d s  %s\n' "$((SECONDS - started))" "$*"
}

# suite PRESET NAME CTEST-ARGUMENTS...: its results become build/results/NAME.xml. A failure is counted, not fatal.
suite() {
    local preset=$1 name=$2
    shift 2
    step "$name"
    ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --test-output-size-passed 1048576 \
        --output-junit "$results/$name.xml" "$@" >"$results/$name.log" 2>&1 || {
        failed=1
        grep -vE '^ *(Start|[0-9]+/[0-9]+ .*Passed)' "$results/$name.log" | tail -n "${UNREEL_TEST_LINES:-150}"
    }
}

# pytest_counts NAME SUFFIX: its own cases count, not the two runs of it, unless one was killed before it wrote them down.
pytest_counts() {
    if [ -s "$results/e2e-embedded$2.xml" ] && [ -s "$results/e2e-servers$2.xml" ]; then
        rm -f "$results/$1.xml"
    fi
}

beside() {
    renice -n 19 "$BASHPID" >/dev/null
    cmake --preset lint >build/lint.log
    suite lint tidy -R '^lint_tidy$'
    scripts/build.sh tsan
    scripts/build.sh fuzz tests/fuzz/all
    return "$failed"
}

step packages
scripts/install-packages.sh build test
rm -rf "$results"
mkdir -p "$results"
scripts/versions >"$results/versions.txt"

step "kustomize"
scripts/kustomize.sh || {
    [ $? -eq 75 ] || exit 1
    echo "the manifests are NOT TESTED: no kustomize"
}

step "build (ASan, UBSan)"
scripts/build.sh dev
step servers
scripts/servers.sh start "$work"
# shellcheck source=/dev/null
. "$work/env"
servers=$(/usr/bin/python3 tests/support/servers/versions.py)

suite dev lint -L '^lint$' -j2
suite dev deploy -L '^deploy$' -j2
suite dev unit -L '^unit$' -j3 # some of them wait more than they compute
suite dev fuzz-corpus -L '^fuzz$' -j2
suite dev contract -L '^contract$' -j3
suite dev engine -L '^engine$' -j2
# What needs no servers, and what is built for later, goes on beside these: they wait more than they compute.
set -m
beside >"$results/beside.log" 2>&1 &
beside=$!
set +m
UNREEL_TEST_RESULTS=$results suite dev e2e -L '^e2e$' -j2
pytest_counts e2e ""
step "clang-tidy, builds (TSan, fuzz)"
wait "$beside" || failed=1
beside=
cat "$results/beside.log"

export TSAN_OPTIONS="suppressions=$PWD/tests/support/tsan.supp"
# The engine's threads are the encoder's, which engine_threads_test runs on media; what else reads files is the same in it.
suite tsan tsan -L '^(unit|contract)$' -j3 -E '^engine_(copy|encoder_quality|files|gapless|hostile|id3_readers|limits|measure|options|outputs|source)_test$'
UNREEL_TEST_RESULTS=$results UNREEL_TEST_MARK=smoke suite tsan tsan-e2e -L '^e2e$' -j2
pytest_counts tsan-e2e -smoke

step "fuzz (${UNREEL_TEST_FUZZ_SECONDS:=60} s each)"
UNREEL_TEST_FUZZ_SECONDS=$UNREEL_TEST_FUZZ_SECONDS scripts/fuzz.sh "$results/fuzz.xml" || failed=1

step "engines: embedded: file + sqlite; servers: $servers"
/usr/bin/python3 tests/support/summary.py "$results"/*.xml || failed=1
exit "$failed"

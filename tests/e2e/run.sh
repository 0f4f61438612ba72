#!/usr/bin/env bash
# run.sh BUILD_DIR embedded|servers [PYTEST-ARGUMENTS...]: the end-to-end tests on one set of engines.
# UNREEL_TEST_MARK chooses by marker ("smoke"); UNREEL_TEST_RESULTS is a folder for the JUnit file.
set -euo pipefail

build=$1
engines=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export UNREEL_TEST_BIN=$build/bin PYTHONDONTWRITEBYTECODE=1
name=e2e-$engines${UNREEL_TEST_MARK:+-$UNREEL_TEST_MARK}
options=(-p no:cacheprovider "--engines=$engines" --basetemp "$build/e2e-$engines" --durations=8)
[ -z "${UNREEL_TEST_MARK:-}" ] || options+=(-m "$UNREEL_TEST_MARK")
[ -z "${UNREEL_TEST_RESULTS:-}" ] || options+=(--junit-xml "$UNREEL_TEST_RESULTS/$name.xml")
exec /usr/bin/python3 -m pytest -c "$here/pytest.ini" "${options[@]}" "$@" "$here"

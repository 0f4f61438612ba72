#!/usr/bin/env bash
# The tests with the label lint.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install-packages.sh build test
mkdir -p build
cmake --preset lint >build/lint.log
ctest --test-dir build/lint -L lint --output-on-failure -j2

#!/usr/bin/env bash
# Formats the C files in place; with --check only says which are not formatted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run -Werror)
find shared auth gateway converter notifier cli tests -name '*.[ch]' -print0 | xargs -0 -r -P2 -n40 clang-format-14 "${mode[@]}"

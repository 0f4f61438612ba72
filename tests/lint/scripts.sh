#!/usr/bin/env bash
# Runs shellcheck over all shell scripts, yamllint over all YAML.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

ours=$(git ls-files --cached --others --exclude-standard 2>/dev/null || find . -path ./build -prune -o -type f -print)
shells=()
yamls=()
while IFS= read -r file; do
    [ -f "$file" ] || continue
    case $file in
    *.yaml | *.yml) yamls+=("$file") ;;
    *.sh) shells+=("$file") ;;
    *) if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*[/ ](ba)?sh$'; then shells+=("$file"); fi ;;
    esac
done <<<"$ours"
# SC2016: printf formats with a $ meant for the reader; SC2317: functions that only a trap calls.
shellcheck -x -e SC2016,SC2317 "${shells[@]}"
[ ${#yamls[@]} = 0 ] || yamllint --strict -c tests/lint/yamllint.yaml "${yamls[@]}"
echo "${#shells[@]} scripts, ${#yamls[@]} YAML files"

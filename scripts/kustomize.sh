#!/usr/bin/env bash
# Prints the command that renders k8s/ for the tests: kubectl's kustomize where that is 5 or newer (Debian's is 2), else
# build/kustomize/kustomize, built from Go modules whose hashes stand in tests/deploy/kustomize/go.sum, again when these
# change. The log is build/kustomize/log. Exits with 75 where the modules cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kubectl=${UNREEL_TEST_KUBECTL:-$(command -v kubectl || true)}
if [ -n "$kubectl" ] && "$kubectl" version --client 2>/dev/null | grep -qE '^Kustomize Version: v([5-9]|[1-9][0-9])'; then
    echo "$kubectl kustomize"
    exit
fi
folder=$PWD/build/kustomize
program=$folder/kustomize
modules=tests/deploy/kustomize
if [ ! -x "$program" ] || [ "$modules/go.mod" -nt "$program" ] || [ "$modules/go.sum" -nt "$program" ]; then
    mkdir -p "$folder"
    command -v go >/dev/null || scripts/install-packages.sh kustomize >&2
    set +e
    ( # not in a condition, where -e would not count
        set -e
        cd "$modules"
        export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-mod=readonly
        go mod download || exit 75
        go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$program.new" sigs.k8s.io/kustomize/kustomize/v5
        mv "$program.new" "$program"
    ) >"$folder/log" 2>&1
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
        echo "kustomize.sh: kustomize cannot be built: $(tail -n 1 "$folder/log")" >&2
        exit "$status"
    fi
fi
echo "$program build"

#!/usr/bin/env bash
# install.sh PREFIX: builds the release and installs it below $DESTDIR/PREFIX.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install-packages.sh build man
scripts/build.sh release
cmake --install build/release --prefix "$1"

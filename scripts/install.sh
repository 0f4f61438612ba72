#!/usr/bin/env bash
# install.sh PREFIX: builds the release and installs it below $DESTDIR/PREFIX.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install-packages.sh build man
# What `make libav` built is used where it is.
preset=release
[ ! -e build/libav/lib/libavformat.a ] || preset=lean
scripts/build.sh $preset
cmake --install build/$preset --prefix "$1"

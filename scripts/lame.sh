#!/usr/bin/env bash
# lame.sh [FOLDER]: builds LAME from the distribution's source package for processors with AVX2 (x86-64-v3), as
# FOLDER/lib/unreel/glibc-hwcaps/x86-64-v3/libmp3lame.so.0. Where unreel-engine finds lib/unreel beside its bin/, the
# loader takes that library by itself on a machine that can run it, and the system's on any other.
# FOLDER is build/lame unless given; the whole log is in FOLDER.log. Needs build-essential and apt, but no root.
# Exits with 75 where the sources cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

level=x86-64-v3
folder=${1:-build/lame}
mkdir -p "$folder/lib/unreel"
folder=$(realpath "$folder")
log=$folder.log
if [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "lame.sh: this is no amd64: the system's LAME is the one to use"
    exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/unreel-lame.XXXXXX")
failing="the sources of LAME cannot be had"
failing_status=75
finish() {
    local verdict=$?
    rm -rf "$work"
    [ "$verdict" = 0 ] || {
        tail -20 "$log" >&3
        echo "lame.sh: $failing; all of it is in $log" >&3
        exit "$failing_status"
    }
}
trap finish EXIT
exec 3>&2 # a failure comes from where 2 is the log

build() {
    mkdir "$work/build" && cd "$work/build"
    ../source/configure --disable-frontend --disable-gtktest --disable-static \
        CFLAGS="-O3 -march=$level -ffast-math -fstack-protector-strong" LDFLAGS="-Wl,-z,relro,-z,now,--no-undefined"
    make -j2
    mkdir -p "$folder/lib/unreel/glibc-hwcaps/$level"
    install -s -m 644 libmp3lame/.libs/libmp3lame.so.0 "$folder/lib/unreel/glibc-hwcaps/$level/libmp3lame.so.0.new"
    mv "$folder/lib/unreel/glibc-hwcaps/$level/libmp3lame.so.0.new" "$folder/lib/unreel/glibc-hwcaps/$level/libmp3lame.so.0"
}

{
    scripts/source-package.sh lame "$work"
    failing="LAME does not build"
    failing_status=1
    build
} >"$log" 2>&1
echo "$folder/lib/unreel/glibc-hwcaps/$level/libmp3lame.so.0"

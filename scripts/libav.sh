#!/usr/bin/env bash
# libav.sh [FOLDER]: builds, from the distribution's source package of ffmpeg, static libraries with nothing but what
# converter/engine/codecs.c lists, in FOLDER (build/libav): for the preset lean, whose unreel-engine loads seven shared
# objects instead of some 130. The whole log is in FOLDER.log. Exits with 75 where the sources cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=${1:-build/libav}
mkdir -p "$folder"
folder=$(realpath "$folder")
log=$folder.log
codecs=$PWD/converter/engine/codecs.c
# An image has them, and not that script: it changes with every package that something else wants.
[ ! -e scripts/install-packages.sh ] || scripts/install-packages.sh libav

work=$(mktemp -d "${TMPDIR:-/tmp}/unreel-libav.XXXXXX")
failing="the sources of ffmpeg cannot be had"
failing_status=75
finish() {
    local verdict=$?
    rm -rf "$work"
    [ "$verdict" = 0 ] || {
        tail -20 "$log" >&3
        echo "libav.sh: $failing; all of it is in $log" >&3
        exit "$failing_status"
    }
}
trap finish EXIT
exec 3>&2 # a failure comes from where 2 is the log

# names FUNCTION: what it returns, without the blanks and quotes between the lines of its string.
names() {
    sed -n "/^const char \*$1(/,/^}/s/^.*\"\(.*\)\".*/\1/p" "$codecs" | tr -d '\n'
}

# Their names for configure: a few differ from those by which they are found.
decoders() {
    printf '%s,%s' "$(names codecs_decoders)" "$(names codecs_video_decoders)" | tr ',' '\n' |
        sed -E 's/^g72[26](le)?$/adpcm_&/; s/^atrac3plus$/atrac3p/'
}

build() {
    mkdir "$work/build" && cd "$work/build"
    # A demuxer may have several names there; the one called mpeg is mpegps here.
    ../source/configure --prefix="$folder" --toolchain=hardened --enable-pic --disable-autodetect --enable-zlib \
        --enable-bzlib --enable-libdav1d --disable-everything --disable-programs --disable-doc --disable-network \
        --disable-avdevice --disable-avfilter --enable-parsers --enable-bsf=extract_extradata --enable-encoder=mjpeg \
        --enable-demuxer="$(names codecs_formats),mpegps" --enable-decoder="$(decoders | paste -sd,)"
    # configure passes over a name that it does not know.
    local name
    for name in $(decoders); do
        grep -qx "#define CONFIG_${name^^}_DECODER 1" config_components.h || {
            echo "no decoder is called $name"
            return 1
        }
    done
    make -j2
    make install
    dpkg-parsechangelog -l ../source/debian/changelog -S Version >"$folder/version"
}

{
    scripts/source-package.sh ffmpeg "$work"
    failing="libav does not build"
    failing_status=1
    build
} >"$log" 2>&1
echo "$folder"

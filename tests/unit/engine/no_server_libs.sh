#!/bin/sh
# What unreel-engine asks the loader for itself; libav brings libraries of its own (ldd shows those).
set -eu
engine=$1
needed=$(readelf -d "$engine" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
echo "$needed" | grep -q '^libavformat' || { echo "no libavformat in: $needed"; exit 1; }
unknown=$(echo "$needed" |
    grep -Ev '^(lib(avformat|avcodec|avutil|swresample|swscale|mp3lame|ebur128|seccomp|jansson|m|c|gcc_s|asan|tsan|ubsan)\.so|ld-linux)' || true)
if [ -n "$unknown" ]; then
    echo "unreel-engine links $unknown"
    exit 1
fi
for name in mongoc bson rabbitmq mariadb mysql microhttpd jwt sqlite3 argon2; do
    if ldd "$engine" | grep -q "lib$name"; then
        # Only what Debian's libav itself was linked with may be here.
        avformat=$(ldd "$engine" | sed -n 's/.*libavformat[^ ]* => \([^ ]*\).*/\1/p')
        ldd "$avformat" | grep -q "lib$name" || { echo "unreel-engine loads lib$name"; exit 1; }
    fi
done

#!/usr/bin/env bash
# Builds Unreel, makes a talking test video of one minute, and watches `unreel serve` turn it into an MP3.
# demo.sh FILE converts that one instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install-packages.sh build demo
echo "Building (the first time takes a minute)"
scripts/build.sh release
bin=build/release/bin

work=$(mktemp -d "${TMPDIR:-/tmp}/unreel-demo.XXXXXX")
serve_pid=
finish() {
    local verdict=$?
    trap - EXIT INT TERM
    if [ -n "$serve_pid" ]; then
        kill "$serve_pid" 2>/dev/null || true
        wait "$serve_pid" 2>/dev/null || true
    fi
    if [ "$verdict" != 0 ] && [ -s "$work/serve.err" ]; then
        tail -20 "$work/serve.err" >&2
    fi
    rm -rf "$work"
    exit "$verdict"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

video=${1:-build/demo.mp4}
if [ $# -gt 0 ] && [ ! -r "$video" ]; then
    echo "demo.sh: $video cannot be read" >&2
    exit 1
fi
if [ ! -s "$video" ]; then
    echo "Making a test video"
    for part in 1 2 3 4 5 6 7 8; do
        echo "This is part $part of a video that nobody will ever watch. It talks for a minute, so that there is something" \
            "to hear when Unreel has taken the sound out of it."
    done | espeak-ng -w "$work/talk.wav"
    ffmpeg -v error -y -f lavfi -i testsrc2=size=640x360:rate=25 -i "$work/talk.wav" -af apad -t 60 -c:v mpeg4 -q:v 5 \
        -c:a aac -b:a 128k -ar 48000 -ac 2 -f mp4 "$video.new"
    mv "$video.new" "$video"
fi

port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
server=http://127.0.0.1:$port
export UNREEL_ADMIN_EMAIL=demo@example.com UNREEL_ADMIN_PASSWORD=a-demo-password
"$bin/unreel" serve --data "$work/data" --port "$port" >"$work/serve.out" 2>"$work/serve.err" &
serve_pid=$!
for ((tick = 0; tick < 400; tick++)); do
    ! grep -q 'is ready at' "$work/serve.out" || break
    kill -0 "$serve_pid" 2>/dev/null || exit 1
    sleep 0.05
done
echo "$ unreel serve"
sed '/^$/,$d' "$work/serve.out"

printf '\n$ TOKEN=$(curl -u USER:PASSWORD -X POST %s/login)\n' "$server"
token=$(curl -sS --fail-with-body -X POST -u "$UNREEL_ADMIN_EMAIL:$UNREEL_ADMIN_PASSWORD" "$server/login")
printf '\n$ curl -H "Authorization: Bearer $TOKEN" -F file=@%s %s/upload\n' "$(basename "$video")" "$server"
job=$(curl -sS --fail-with-body -H "Authorization: Bearer $token" -F "file=@\"$video\"" "$server/upload")
id=$(jq -er .id <<<"$job")
echo "$job" | jq -c '{id, state, filename, size_bytes}'

printf '\n$ curl -H "Authorization: Bearer $TOKEN" %s/v1/jobs/%s\n' "$server" "$id"
state=queued
last=
while [ "$state" = queued ] || [ "$state" = running ]; do
    job=$(curl -sS -H "Authorization: Bearer $token" "$server/v1/jobs/$id")
    line=$(jq -r '"\(.state)  \(.progress.percent // 0 | floor) %  \(.progress.media_time_s // 0 | floor) s of \(.progress.duration_s // 0 | floor) s"' <<<"$job")
    [ "$line" = "$last" ] || echo "$line"
    last=$line
    state=$(jq -r .state <<<"$job")
    sleep 0.1
done
[ "$state" = succeeded ] || { jq . <<<"$job"; exit 1; }

mp3=build/demo.mp3
printf '\n$ curl -H "Authorization: Bearer $TOKEN" -o demo.mp3 "%s/download?fid=%s"\n' "$server" "$(jq -r .mp3_fid <<<"$job")"
curl -sS --fail-with-body -H "Authorization: Bearer $token" -o $mp3 "$server/download?fid=$(jq -r .mp3_fid <<<"$job")"
ls -l $mp3
ffprobe -hide_banner $mp3 2>&1 | grep -E 'Duration|Stream'

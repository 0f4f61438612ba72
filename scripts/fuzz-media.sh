#!/usr/bin/env bash
# fuzz-media.sh FOLDER: seeds for fuzz_engine, a tiny file of each container and codec that ffmpeg can write here.
set -euo pipefail

folder=$1
mkdir -p "$folder"
work=$(mktemp -d "${TMPDIR:-/tmp}/unreel-seeds.XXXXXX")
trap 'rm -rf "$work"' EXIT

# seed FILE CHANNELS RATE CODEC-ARGUMENTS...
seed() {
    local file=$1 channels=$2 rate=$3
    shift 3
    ffmpeg -v error -nostdin -y -f lavfi -i "aevalsrc=0.3*sin(2000*t)+0.05*random(0):s=$rate:d=0.12" -ac "$channels" "$@" "$folder/$file"
}

# with_picture FILE CODEC-ARGUMENTS...: beside a video track.
with_picture() {
    local file=$1
    shift
    ffmpeg -v error -nostdin -y -f lavfi -i color=s=16x16:r=10:d=0.2 -f lavfi -i "aevalsrc=0.3*sin(2000*t):s=44100:d=0.12" -c:v mpeg4 \
        "$@" "$folder/$file"
}

seed aac.m4a 2 44100 -c:a aac
seed alac.m4a 2 44100 -c:a alac
seed adts.aac 1 22050 -c:a aac
seed mono.mp3 1 22050 -c:a libmp3lame
seed stereo.mp3 2 44100 -c:a libmp3lame -b:a 64k
seed opus.ogg 2 48000 -c:a libopus
seed vorbis.ogg 2 44100 -c:a libvorbis
seed flac.ogg 1 8000 -c:a flac
seed plain.flac 2 44100 -c:a flac
seed pcm.wav 2 8000 -c:a pcm_s16le
seed float.wav 1 8000 -c:a pcm_f32le
seed adpcm.wav 1 8000 -c:a adpcm_ms
seed law.au 1 8000 -c:a pcm_mulaw
seed pcm.aiff 1 8000 -c:a pcm_s16be
seed alac.caf 2 8000 -c:a alac
seed pcm.w64 1 8000 -c:a pcm_s24le
seed six.ac3 6 48000 -c:a ac3 -b:a 192k
seed six.eac3 6 48000 -c:a eac3 -b:a 192k
seed wma.asf 2 44100 -c:a wmav2 -b:a 64k
seed tta.mka 2 8000 -c:a tta
seed wavpack.mka 2 8000 -c:a wavpack
seed mp2.mpg 2 44100 -c:a mp2 -f mpeg
# with_cover FILE CODEC-ARGUMENTS...: a picture, tags and two chapters.
with_cover() {
    local file=$1
    shift
    ffmpeg -v error -nostdin -y -f lavfi -i color=s=8x8:d=0.04 -frames:v 1 "$work/cover.png"
    printf ';FFMETADATA1\ntitle=t\nartist=a\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=50\ntitle=one\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=50\nEND=120\n' \
        >"$work/chapters"
    ffmpeg -v error -nostdin -y -f lavfi -i "aevalsrc=0.3*sin(2000*t):s=44100:d=0.12" -i "$work/cover.png" -i "$work/chapters" -map 0:a -map 1:v \
        -map_metadata 2 -map_chapters 2 -disposition:v attached_pic -c:v copy "$@" "$folder/$file"
}

with_picture fragmented.mp4 -c:a aac -movflags frag_keyframe+empty_moov
with_picture fast.mp4 -c:a aac -movflags +faststart
with_picture track.mkv -c:a libopus -ar 48000
with_picture track.avi -c:a libmp3lame -b:a 64k
with_picture track.ts -c:a aac
with_picture track.flv -c:v flv1 -c:a aac
with_picture track.mov -c:a pcm_s16le -ar 8000
with_cover cover.m4a -c:a aac
with_cover cover.mp3 -c:a libmp3lame -b:a 64k
with_cover cover.flac -c:a flac -ar 8000

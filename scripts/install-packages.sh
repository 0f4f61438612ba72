#!/usr/bin/env bash
# Installs what is missing of the Debian packages that the named groups need: build, cluster (a Kubernetes of this
# machine's own), demo, k8s (the tests on one), kustomize, libav, man, test.
#   install-packages.sh GROUP...
# With nothing missing it needs neither network nor root.
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config
    libmicrohttpd-dev libmongoc-dev librabbitmq-dev libmariadb-dev libjwt-dev libavformat-dev libavcodec-dev
    libswresample-dev libswscale-dev libavutil-dev libmp3lame-dev libebur128-dev libjansson-dev libsqlite3-dev
    libcurl4-openssl-dev libargon2-dev libseccomp-dev libssl-dev)
man=(help2man)
libav=(build-essential pkg-config nasm zlib1g-dev libbz2-dev libdav1d-dev)
kustomize=(golang-go ca-certificates)
demo=(ffmpeg espeak-ng curl jq python3)
test=(clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev libcmocka-dev sqlite3
    python3 python3-pytest python3-pika python3-pymongo python3-gridfs python3-aiosmtpd python3-yaml
    python3-mutagen python3-requests python3-jsonschema python3-flask gunicorn
    mariadb-server rabbitmq-server openjdk-17-jdk-headless maven
    ffmpeg mpg123 mp3val espeak-ng curl jq shellcheck yamllint help2man nginx-light openssl prometheus
    docker-compose)
k8s=(python3 python3-pytest python3-pymongo python3-requests ffmpeg)
cluster=(containerd runc containernetworking-plugins iptables ipset nftables conntrack ethtool iproute2 procps openssl
    buildah debootstrap gcc libc6-dev python3)

wanted=()
for group in "$@"; do
    case $group in
    build) wanted+=("${build[@]}") ;;
    demo) wanted+=("${demo[@]}") ;;
    kustomize) wanted+=("${kustomize[@]}") ;;
    libav) wanted+=("${libav[@]}") ;;
    man) wanted+=("${man[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    k8s) wanted+=("${k8s[@]}") ;;
    cluster) wanted+=("${cluster[@]}") ;;
    *)
        echo "install-packages.sh: no group is called $group" >&2
        exit 2
        ;;
    esac
done

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "install-packages.sh: missing, and neither root nor sudo is here: ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "Installing with apt: ${missing[*]}"

# The servers among them are for our tests only: none is started as a service of this machine. A policy that is
# there already is left as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '"${as_root[@]}" rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"

#!/usr/bin/env bash
# images.sh [NAME...]: builds images by docker or buildah: auth gateway converter notifier cli (these five unless named),
# all-in-one, and mysql-local rabbitmq-local mongodb-local, the stand-ins of k8s/overlays/local. Each is unreel/NAME:TAG.
#   BUILDER=docker|buildah      the first that works here unless given
#   VERSION=...                 what the programs and labels say; else CMakeLists.txt's, with the commit where git knows it
#   TAG=...                     CMakeLists.txt's version unless given: the manifests name it
#   IMAGE_FLAGS="..."           more arguments for the builder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^project(unreel VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tag=${TAG:-$version}
revision=$(git rev-parse HEAD 2>/dev/null || true)
if [ -n "$revision" ] && ! git describe --exact-match --match "v$version" >/dev/null 2>&1; then
    version+=-g${revision:0:10}
fi
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
flags=(
    --build-arg "VERSION=${VERSION:-$version}" --build-arg "REVISION=${revision:-unknown}"
    --build-arg "CREATED=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" --build-arg "SOURCE=${SOURCE:-}"
)

if [ -z "${BUILDER:-}" ]; then
    BUILDER=buildah
    ! docker info >/dev/null 2>&1 || BUILDER=docker
fi
case $BUILDER in
docker) build=(docker build) ;;
buildah) build=(buildah build --layers --format docker) ;;
*)
    echo "images.sh: BUILDER is docker or buildah" >&2
    exit 2
    ;;
esac
read -ra more <<<"${IMAGE_FLAGS:-}"

names=("$@")
[ $# -gt 0 ] || names=(auth gateway converter notifier cli)
for name in "${names[@]}"; do
    case $name in
    *-local) which=(-f "k8s/overlays/local/images/${name%-local}/Dockerfile") ;;
    *) which=(--target "$name" "${flags[@]}") ;;
    esac
    "${build[@]}" "${more[@]}" "${which[@]}" -t "unreel/$name:$tag" .
done

#!/usr/bin/env bash
# images.sh [NAME...]: builds images by docker or buildah: auth gateway converter notifier cli (these five unless named),
# all-in-one, and mysql-local rabbitmq-local mongodb-local, the stand-ins of k8s/overlays/local. Each is unreel/NAME:TAG.
#   BUILDER=docker|buildah      the first that works here unless given
#   VERSION=...                 what the programs and labels say; else what git says of the sources, or CMakeLists.txt's
#   TAG=...                     CMakeLists.txt's version unless given: the manifests name it
#   IMAGE_FLAGS="..."           more arguments for the builder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^project(unreel VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tag=${TAG:-$version}
revision=unknown
epoch=$(date +%s)
# As cmake/version.cmake does: not of a repository that happens to lie around an unpacked tarball.
if [ -e .git ] && git rev-parse --quiet --verify HEAD >/dev/null 2>&1; then
    revision=$(git rev-parse HEAD)
    epoch=$(git log -1 --format=%ct)
    described=$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null) ||
        described=v$version-g$(git describe --always --exclude '*' --dirty)
    version=${described#v}
fi
flags=(
    --build-arg "VERSION=${VERSION:-$version}" --build-arg "REVISION=$revision"
    --build-arg "CREATED=$(date -u -d "@${SOURCE_DATE_EPOCH:-$epoch}" +%Y-%m-%dT%H:%M:%SZ)" --build-arg "SOURCE=${SOURCE:-}"
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

# shellcheck shell=bash disable=SC2154 # names of common.sh
# Images without a registry: programs of this cluster as images of one layer, and real Dockerfiles by buildah on a base
# that debootstrap makes. Sourced.

# import REFERENCE CONFIGURATION LAYER...: an image out of layers that are there as tar files.
import() {
    local file=$state/img/import.tar
    "$here/mkimage.py" "$file" "$@"
    ctr images import "$file" >/dev/null
    rm "$file"
}

has_image() {
    ctr images ls -q | grep -qE "(^|/)$1\$"
}

# program_image REFERENCE PROGRAM [NAME [USER]]: one static program, in the root by that name or its own, and a /tmp.
program_image() {
    local folder name=${3:-$(basename "$2")} user=${4:-0}
    has_image "$1" && return
    folder=$(mktemp -d "$state/img/program.XXXXXX")
    chmod 755 "$folder"
    mkdir -m 1777 "$folder/tmp"
    cp "$2" "$folder/$name"
    tar -C "$folder" --owner=0 --group=0 -cf "$folder.tar" .
    import "$1" "{\"Entrypoint\":[\"/$name\"],\"User\":\"$user:$user\"}" "$folder.tar"
    rm -rf "$folder" "$folder.tar"
}

# What holds a pod's namespaces. It must be there before the first pod is.
pause_image() {
    has_image local/pause:1 && return
    gcc -Os -static -s -o "$state/img/pause" "$here/pause.c"
    program_image local/pause:1 "$state/img/pause" pause 65535
}

# Builders keep their images here, not among this machine's own.
export CONTAINERS_STORAGE_CONF=$cache/buildah/storage.conf
policy=$cache/buildah/policy.json

builder_settings() {
    mkdir -p "$cache/buildah"
    printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' \
        "$cache/buildah/root" "$cache/buildah/run" >"$CONTAINERS_STORAGE_CONF"
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$policy"
}

# What makes it slim, as in the original: packages that are installed into it later leave these out, too, and apt keeps
# neither packages nor its caches.
unwanted=(/usr/share/doc /usr/share/info /usr/share/lintian /usr/share/linda /usr/share/locale /usr/share/man
    /usr/share/groff)

make_slim() {
    local path
    for path in "${unwanted[@]}"; do
        echo "path-exclude $path/*"
        rm -rf "${1:?}$path"
    done >"$1/etc/dpkg/dpkg.cfg.d/docker"
    echo "path-include /usr/share/doc/*/copyright" >>"$1/etc/dpkg/dpkg.cfg.d/docker"
    cat >"$1/etc/apt/apt.conf.d/docker-clean" <<'END'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
    rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/*
}

# debian:bookworm-slim's stand-in, from the mirror that this machine's apt uses; once.
base_image() {
    local mirror folder=$cache/buildah
    ! buildah inspect --type image localhost/debian:bookworm-slim >/dev/null 2>&1 || return 0
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
    rm -rf "$folder/debian"
    timeout 900 debootstrap --variant=minbase bookworm "$folder/debian" "$mirror" >"$folder/debootstrap.log" ||
        die "debootstrap failed: $folder/debootstrap.log"
    make_slim "$folder/debian"
    tar -C "$folder/debian" --numeric-owner -cf "$folder/debian.tar" .
    "$here/mkimage.py" "$folder/image.tar" localhost/debian:bookworm-slim '{"Cmd":["/bin/bash"],
        "Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}' "$folder/debian.tar"
    buildah pull -q --signature-policy "$policy" "docker-archive:$folder/image.tar"
    rm -rf "$folder/debian" "$folder/debian.tar" "$folder/image.tar"
}

# build_images NAME...: the product's, by scripts/images.sh, kept outside of the cluster. IMAGE_FLAGS are more arguments for buildah.
build_images() {
    builder_settings
    base_image
    BUILDER=buildah IMAGE_FLAGS="--pull-never --isolation chroot --network host --signature-policy $policy ${IMAGE_FLAGS:-}" \
        timeout 3600 "$here/../../../scripts/images.sh" "$@"
}

# load_image NAME:TAG: it in the cluster; says "BYTES NAME:TAG", unpacked.
load_image() {
    local file=$state/img/load.tar
    builder_settings
    rm -f "$file"
    buildah push -q --signature-policy "$policy" "localhost/$1" "docker-archive:$file:$1"
    ctr images import "$file" >/dev/null
    printf '%s %s\n' "$(stat -c %s "$file")" "$1"
    rm "$file"
}

#!/usr/bin/env bash
# source-package.sh NAME FOLDER: the newest source package that this machine's distribution has of NAME, unpacked in
# FOLDER/source. Needs dpkg-dev, no root, and no deb-src line in the machine's lists.
set -euo pipefail

name=$1
folder=$2

# apt with the sources of what this machine installs, in folders of its own: nothing of the system's changes. Hooks
# that are run after an update are for the system's own lists.
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/apt/sources"
folder=$(realpath "$folder")
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -e "$file" ] || sed -nE 's/^deb([[:space:]])/deb-src\1/p' "$file" >>"$folder/apt/sources/machine.list"
done
for file in /etc/apt/sources.list.d/*.sources; do
    [ ! -e "$file" ] || sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$folder/apt/sources/${file##*/}"
done
cat >"$folder/apt/apt.conf" <<END
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$folder/apt/sources/";
Dir::State::Lists "$folder/apt/lists";
Dir::Cache "$folder/apt/cache";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END

# What apt hands out it has checked against the signed index.
cd "$folder"
apt-get -q -c apt/apt.conf update
apt-get -q -c apt/apt.conf source --download-only "$name"
dpkg-source --no-check -x "${name}"_*.dsc source

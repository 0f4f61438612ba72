#!/usr/bin/env python3
"""An image as a docker-archive, without a daemon: mkimage.py OUT.tar NAME:TAG CONFIGURATION LAYER.tar..."""
import hashlib
import io
import json
import sys
import tarfile


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def main(out, reference, configuration, *layers):
    ids = [digest(layer) for layer in layers]
    made = "1970-01-01T00:00:00Z"
    config = json.dumps({"architecture": "amd64", "os": "linux", "created": made, "config": json.loads(configuration),
                         "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one}" for one in ids]},
                         "history": [{"created": made} for _ in ids]}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": [f"{one}.tar" for one in ids]}]
    with tarfile.open(out, "w") as archive:
        add(archive, name, config)
        for one, layer in zip(ids, layers):
            archive.add(layer, f"{one}.tar")
        add(archive, "manifest.json", json.dumps(manifest).encode())


main(*sys.argv[1:])

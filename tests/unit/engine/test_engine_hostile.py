"""Files made to harm: sound that is said to be in another file, and bits flipped at random."""
import json
import os
import struct
import subprocess
from collections import Counter

import pytest

from test_engine_files import (CORRUPT, ENGINE, ENGINE_FILE, PLAIN, convert, expect, ffmpeg,
                               folder, make, sound)  # noqa: F401

FLIPPED = ("aac441", "opus", "mp3", "flac96")


# ---- a data reference to another file ----

def alias(path):
    """An entry of `dref` as QuickTime wrote them: a Macintosh alias whose last record is the absolute path."""
    name, whole = os.fsencode(path.name), os.fsencode(path)
    body = struct.pack(">I10xB27s12xB63s16xHH16x", 0, 1, b"v", len(name), name, 0, 0)
    body += struct.pack(">HH", 2, len(whole)) + whole + b"\0" * (len(whole) % 2) + struct.pack(">hH", -1, 0)
    return b"alis" + body


def url(path):
    return b"url " + struct.pack(">I", 0) + b"file://" + os.fsencode(path) + b"\0"


def with_reference(data, entry):
    """The MP4 with the entry in place of the one that says that the sound is in the file itself; moov comes last."""
    old = b"url " + struct.pack(">I", 1)
    at = data.index(struct.pack(">I", 12) + old, data.index(b"dref"))
    longer = 4 + len(entry) - 12
    patched = bytearray(data[:at] + struct.pack(">I", 4 + len(entry)) + entry + data[at + 12:])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = patched.index(box, data.index(b"moov")) - 4
        size, = struct.unpack_from(">I", patched, start)
        struct.pack_into(">I", patched, start, size + longer)
    return bytes(patched)


@pytest.mark.parametrize("engine", ["sanitized", "plain"])
@pytest.mark.parametrize("kind", [alias, url])
def test_sound_in_another_file(folder, kind, engine):  # noqa: F811
    secret = folder / "secret.m4a"
    if not secret.exists():
        ffmpeg(*sound(), "-c:a", "aac", secret)
    source = folder / f"reference-{kind.__name__}.m4a"
    whole = with_reference(secret.read_bytes(), kind(secret))
    # The sound is in the other file only.
    at = whole.index(b"mdat") - 4
    size, = struct.unpack_from(">I", whole, at)
    source.write_bytes(whole[:at + 8] + b"\0" * (size - 8) + whole[at + size:])
    if kind is alias:
        taken = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-enable_drefs", "1", "-use_absolute_path", "1", "-i", source,
                                "-f", "s16le", "-"], capture_output=True, check=True, timeout=60).stdout
        assert len(taken) > 500000, "the file is no attack: its reference does not work"
    result = convert(source, folder / "reference.mp3", engine=ENGINE if engine == "sanitized" else PLAIN)
    expect(result, CORRUPT, "no-audio-stream", "unsupported-format")


# ---- bits flipped ----

@pytest.mark.parametrize("name", FLIPPED)
@pytest.mark.parametrize("engine,runs,seed", [("plain", 115, 4), ("sanitized", 10, 5)])
def test_bits_flipped(folder, name, engine, runs, seed):  # noqa: F811
    """Every end is a good one or a problem; the child never dies and the parent, one for all, never minds."""
    run = subprocess.run([ENGINE_FILE, PLAIN if engine == "plain" else ENGINE, make(folder, name), folder / "flipped.mp3",
                          f"flips={runs}", f"seed={seed}"], capture_output=True, text=True, timeout=250, check=False)
    assert run.returncode == 0, run.stderr
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(results) == runs
    for number, result in enumerate(results):
        assert result["result"] == "ok" or result["problem"], (number, result)
        assert not result["kill"], (number, result)
    seen = Counter(result["problem"] or "ok" for result in results)
    print(name, engine, dict(seen))
    assert seen["ok"]

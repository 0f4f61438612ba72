"""copy.h on every container and kind of MP3, through the program copy_file: what ffmpeg decodes of
the copy is what it decodes of the source, or of the part that was asked for, sample for sample."""
import functools
import json
import os
import struct
import subprocess

import pytest

from test_engine_files import TONE, VIDEO, check_mp3, ffmpeg, folder, mpg123_samples

__all__ = ["folder"]

COPY_FILE = os.environ.get("COPY_FILE", "")
KINDS = {  # rate, channels, how it is encoded
    "cbr128": (44100, 2, ["-b:a", "128k"]),
    "cbr320": (48000, 2, ["-b:a", "320k"]),
    "mono64": (32000, 1, ["-b:a", "64k"]),
    "vbr2": (44100, 2, ["-q:a", "2"]),
    "abr90": (48000, 2, ["-b:a", "90k", "-abr", "1"]),
    "no_reservoir": (44100, 2, ["-b:a", "192k", "-reservoir", "0"]),
    "mpeg2": (22050, 2, ["-b:a", "64k"]),
    "mpeg2_vbr": (24000, 1, ["-q:a", "5"]),
    "mpeg25": (11025, 2, ["-b:a", "32k"]),
    "mpeg25_low": (8000, 1, ["-b:a", "8k"]),
}
CONTAINERS = {  # suffix, what the muxer is told
    "mp3": ("mp3", []),
    "bare": ("mp3", ["-write_xing", "0", "-id3v2_version", "0"]),
    "mp4": ("mp4", ["-strict", "-1"]),
    "mov": ("mov", []),
    "mkv": ("mkv", []),
    "avi": ("avi", []),
    "flv": ("flv", []),
    "ts": ("ts", []),
    "ps": ("mpg", []),
    "wav": ("wav", []),
    "asf": ("asf", []),
}
EVERY_KIND = ("mp3", "bare", "mp4", "mkv")
SOME_KINDS = ("cbr128", "vbr2", "mpeg2")
CUTS = [(0, 1000), (26, 126), (1500, 0)]
MORE_CUTS = [(1, 0), (60, 900), (2000, 99999)]


def source(folder, kind, container="mp3"):
    """3 s of the kind; what is not in a bare MP3 is encoded into its container."""
    rate, channels, args = KINDS[kind]
    suffix, muxer = CONTAINERS[container]
    path = folder / f"{kind}.{container}.{suffix}"
    if not path.exists():
        tone = TONE if channels == 2 else TONE.split("|")[0]
        layout = "stereo" if channels == 2 else "mono"
        video = [] if container in ("mp3", "bare", "wav") else VIDEO
        codec = {"ps": "mpeg1video", "flv": "flv"}.get(container, "mpeg4")
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={tone}:s={rate}:d=3.0123:c={layout}", *video, "-t",
               "3.0123", "-c:v", codec, "-c:a", "libmp3lame", *args, *muxer, path)
    return path


def copy(path, target, start=0, end=0, track=None):
    more = [] if track is None else [f"track={track}"]
    run = subprocess.run([COPY_FILE, str(path), str(target), f"start={start}", f"end={end}", *more],
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def decode(path):
    """Frames of 32-bit floats, as bytes."""
    return decode_once(str(path), path.stat().st_mtime_ns, path.stat().st_size)


@functools.lru_cache(maxsize=64)
def decode_once(path, _time, _size):
    run = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-vn", "-f",
                          "f32le", "-"], capture_output=True, check=True, timeout=60)
    return run.stdout


def check(path, target, kind, start=0, end=0):
    """The copy's sound, and what other programs say of it."""
    rate, channels, _ = KINDS[kind]
    size = 4 * channels
    result = copy(path, target, start, end)
    assert result["result"] == "ok" and result["refusal"] is None, result
    assert (result["sample_rate_hz"], result["channels"]) == (rate, channels)
    whole = decode(path)
    first = (start * rate + 500) // 1000
    last = (end * rate + 500) // 1000 if end else len(whole) // size
    expected = whole[first * size:last * size]
    got = decode(target)
    assert len(got) == len(expected) > 0
    assert got == expected
    assert result["samples"] == len(expected) // size
    assert mpg123_samples(target, channels) == result["samples"]
    check_mp3(target)
    return result


@pytest.mark.parametrize("kind,container", [(kind, container) for kind in KINDS
                                            for container in CONTAINERS
                                            if kind in SOME_KINDS or container in EVERY_KIND])
def test_a_copy_sounds_as_its_source(folder, kind, container):
    target = folder / "copy.mp3"
    result = check(source(folder, kind, container), target, kind)
    if container in ("bare", "mp4", "ts"):
        result = check(source(folder, kind, container), target, kind, 777, 2345)
    assert result["is_vbr"] == (kind in ("vbr2", "abr90", "mpeg2_vbr"))


@pytest.mark.parametrize("kind,start,end", [(kind, *cut) for kind in KINDS for cut in CUTS] + [
    (kind, *cut) for kind in SOME_KINDS for cut in MORE_CUTS])
def test_a_cut_is_exact_to_the_sample(folder, kind, start, end):
    check(source(folder, kind), folder / "cut.mp3", kind, start, end)


@pytest.mark.parametrize("kind", ["cbr128", "vbr2", "mpeg2"])
@pytest.mark.parametrize("container", ["mp4", "mkv", "avi", "ts"])
def test_a_file_that_was_copied_into_its_container(folder, kind, container):
    """Delay and padding are told there otherwise, in part, or not at all."""
    path = folder / f"{kind}.copied.{CONTAINERS[container][0]}"
    ffmpeg("-i", source(folder, kind), "-c", "copy", *CONTAINERS[container][1], path)
    check(path, folder / "copy.mp3", kind)
    check(path, folder / "copy.mp3", kind, 500, 1700)


@pytest.mark.parametrize("kind", ["cbr128", "cbr320", "mpeg2", "mpeg25_low"])
def test_a_recording_that_begins_anywhere(folder, kind):
    """Its first frames reach back to what is not there."""
    data = source(folder, kind).read_bytes()
    path = folder / "middle.mp3"
    path.write_bytes(data[len(data) // 3:])
    check(path, folder / "copy.mp3", kind)
    check(path, folder / "copy.mp3", kind, 300, 800)


def test_a_copy_of_a_copy_is_the_copy(folder):
    for kind in KINDS:
        first, second = folder / "first.mp3", folder / "second.mp3"
        copy(source(folder, kind), first, 700, 2000)
        copy(first, second)
        assert second.read_bytes().endswith(first.read_bytes()[1500:])
        assert decode(first) == decode(second)


@pytest.mark.parametrize("name,args,why", [
    ("aac.mp4", ["-c:a", "aac"], "it is not MP3"),
    ("layer2.mp3", ["-c:a", "mp2", "-f", "mp2"], "it is not MP3"),
    ("pcm.wav", [], "it is not MP3"),
])
def test_refused(folder, name, args, why):
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=2", *args, folder / name)
    target = folder / "refused.mp3"
    assert copy(folder / name, target)["refusal"] == why
    assert target.stat().st_size == 0


def test_a_short_part_is_refused(folder):
    assert copy(source(folder, "cbr128"), folder / "x.mp3", 500, 599)["refusal"] == \
        "it would be too short"


def test_a_changing_rate_is_refused_at_the_start_and_skipped_later(folder):
    one, other = source(folder, "cbr128", "bare"), source(folder, "cbr320", "bare")
    path, target = folder / "changes.mp3", folder / "copy.mp3"
    path.write_bytes(one.read_bytes()[:417 * 3 + 1] + other.read_bytes())
    assert copy(path, target)["refusal"] == "its kind changes"
    path.write_bytes(one.read_bytes() * 4 + other.read_bytes()[:960 * 10])
    result = copy(path, target)
    assert result["result"] == "ok" and result["refusal"] is None and not result["has_changed"]
    assert result["samples"] == 4 * len(decode(one)) // 8
    path.write_bytes(one.read_bytes() + other.read_bytes())
    result = copy(path, target)
    assert result["result"] == "invalid" and result["has_changed"]
    assert "changes from 44100 to 48000 Hz" in result["detail"]


@pytest.mark.parametrize("container", ["mp3", "bare"])
def test_files_one_behind_the_other(folder, container):
    """A second tag in the middle is silence; channels may change."""
    path, target, mono = folder / "joined.mp3", folder / "copy.mp3", folder / "mono.mp3"
    ffmpeg("-i", source(folder, "cbr128"), "-ac", 1, "-b:a", "64k", mono)
    path.write_bytes(source(folder, "vbr2", container).read_bytes() * 2 + mono.read_bytes())
    assert copy(path, target)["result"] == "ok"
    assert len(decode(target)) > 8 * 9 * 44100
    assert decode(target) == decode(path)


def test_damage(folder):
    """What is no frame is left out, as by the decoder; too much of it is a broken file."""
    data = bytearray(source(folder, "cbr128", "bare").read_bytes())
    path, target = folder / "damage.mp3", folder / "copy.mp3"
    data[10000:10003] = b"\0\0\0"
    data[20000:20300] = b"\x55" * 300
    path.write_bytes(data)
    assert copy(path, target)["result"] == "ok"
    assert decode(target) == decode(path)
    path.write_bytes(data[:-100])
    assert copy(path, target)["result"] == "ok"
    assert decode(target) == decode(path)
    for at in range(0, len(data), 600):
        data[at:at + 2] = b"\0\0"
    path.write_bytes(data)
    assert copy(path, target)["result"] == "invalid"


def test_cut_off(folder):
    data = source(folder, "cbr128").read_bytes()
    path = folder / "cut_off.mp3"
    path.write_bytes(data[:len(data) // 2])
    result = copy(path, folder / "copy.mp3")
    assert result["result"] == "invalid" and "cut off" in result["detail"]


def test_a_start_behind_the_end(folder):
    result = copy(source(folder, "cbr128"), folder / "copy.mp3", 3500)
    assert result["result"] == "invalid"
    assert result["detail"] == "start is at 3.500 s, but the sound lasts only 3.012 s."


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def test_the_encoder_is_named_as_in_the_source(folder):
    target = folder / "named.mp3"
    path = folder / "renamed.mp3"
    data = source(folder, "cbr128").read_bytes()
    for name, kept in ((b"LAME3.99r", b"LAME3.99r"), (b"Elsewhere", b"Lavf\0\0\0\0\0")):
        at = data.index(b"Info") + 120
        tag = data[data.index(b"Info") - 36:at] + name + data[at + 9:at + 34]
        path.write_bytes(tag + struct.pack(">H", crc16(tag)) + data[at + 36:])
        copy(path, target)
        made = target.read_bytes()
        at_made = made.index(b"Info") + 120
        assert made[at_made:at_made + 9] == kept


def with_edits(data, edits):
    """An MP4 of one track, its moov at the end, with these edits: ms, start in samples."""
    at = data.rindex(b"elst") - 4
    old = struct.unpack(">I", data[at:at + 4])[0]
    entries = b"".join(struct.pack(">IiI", ms, start, 0x10000) for ms, start in edits)
    elst = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    data = bytearray(data[:at] + elst + data[at + old:])
    for name in (b"moov", b"trak", b"edts"):
        place = data.rindex(name, 0, at) - 4
        size = struct.unpack(">I", data[place:place + 4])[0]
        data[place:place + 4] = struct.pack(">I", size + len(elst) - old)
    return bytes(data)


@pytest.mark.parametrize("edits", [[(1000, 1105)], [(1000, 44100)], [(1500, 50000)], [(300, 0)]])
def test_an_edit_list(folder, edits):
    path, plain = folder / "edits.mp4", folder / "plain.mp4"
    ffmpeg("-i", source(folder, "cbr128"), "-c", "copy", plain)
    path.write_bytes(with_edits(plain.read_bytes(), edits))
    check(path, folder / "copy.mp3", "cbr128")
    check(path, folder / "copy.mp3", "cbr128", 50, 250)


def test_an_edit_list_of_pieces_is_refused(folder):
    path, plain = folder / "pieces.mp4", folder / "plain.mp4"
    ffmpeg("-i", source(folder, "cbr128"), "-c", "copy", plain)
    path.write_bytes(with_edits(plain.read_bytes(), [(1000, 1105), (1000, 66150)]))
    assert copy(path, folder / "copy.mp3")["refusal"] == "its container cuts it into pieces"

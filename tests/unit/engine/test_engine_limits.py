"""Files that go on for ever, or say so; clocks that jump; packets that hold nothing; thousands of streams."""
import math
import os
import struct
import subprocess
from array import array

import pytest

from media_writer import avi, box, find_box, matroska, ogg_page, ts_table, wav
from test_engine_files import (CORRUPT, ENGINE, FORMAT, NO_AUDIO, convert, expect, ffmpeg, folder,  # noqa: F401
                               sound)

LIMIT = "resource-limit"
PACKET_MS = 100
PCM = struct.pack("<800h", *(round(9000 * math.sin(i * 2 * math.pi * 40 / 800)) for i in range(800)))


def converted(folder, content, *options, engine=None):  # noqa: F811
    source = folder / "limits.bin"
    source.write_bytes(content)
    return convert(source, folder / "limits.mp3", *options, engine=engine)


# ---- clocks ----

def clocked(times, **settings):
    return matroska([(ms, PCM) for ms in times], **settings)


STEADY = [i * PACKET_MS for i in range(30)]
TEN_HOURS = 36000000


@pytest.mark.parametrize("times, duration_ms", [
    (STEADY, 3000),
    ([ms + (TEN_HOURS if i > 14 else 0) for i, ms in enumerate(STEADY)], TEN_HOURS + 3000),
    ([ms + TEN_HOURS for ms in STEADY], TEN_HOURS + 3000),
    ([ms % 1500 for ms in STEADY], 1500),
    (STEADY[::-1], 3000),
    ([0] * 30, 3000),
], ids=["steady", "jumps ahead", "begins late", "goes back", "runs backwards", "stands"])
def test_the_length_follows_the_sound(folder, times, duration_ms):  # noqa: F811
    result = converted(folder, clocked(times, duration_ms=duration_ms), "max_duration_s=4")
    assert result["result"] == "ok", result
    assert result["duration_s"] == pytest.approx(3, abs=0.001)


def test_a_limit_is_on_the_sound_whatever_the_clock_says(folder):  # noqa: F811
    expect(converted(folder, clocked([0] * 30), "max_duration_s=2"), "duration-exceeded")


def test_a_jump_does_not_hide_that_the_end_is_missing(folder):  # noqa: F811
    """Ten packets of thirty, the last ones said to be hours later than the file is long."""
    times = [ms + (TEN_HOURS if i > 4 else 0) for i, ms in enumerate(STEADY[:10])]
    expect(converted(folder, clocked(times, duration_ms=3000)), CORRUPT)


def test_a_gap_is_no_missing_end(folder):  # noqa: F811
    """A recorder that paused: the clock goes on, up to the promised end."""
    result = converted(folder, clocked([*STEADY[:10], *STEADY[25:]], duration_ms=3000))
    assert result["result"] == "ok" and result["duration_s"] == pytest.approx(1.5, abs=0.001), result


# ---- packets that hold nothing ----

AAC = {"codec": b"A_AAC", "rate": 44100, "channels": 2, "private": bytes.fromhex("1210")}
END_OF_AAC = b"\xe0" * 4  # an AAC frame without a channel: no error, and no sound


def test_packets_without_a_frame(folder):  # noqa: F811
    content = matroska([(i, END_OF_AAC) for i in range(300000)], **AAC)
    result = converted(folder, content)
    expect(result, CORRUPT)
    assert "packets in a row" in result["detail"], result
    assert result["read_bytes"] < len(content) / 2, "it is read to its end"


@pytest.mark.parametrize("write", [lambda packets: matroska([(i, packet) for i, packet in enumerate(packets)]), avi],
                         ids=["matroska", "avi"])
def test_many_empty_packets(folder, write):  # noqa: F811
    """They cost next to nothing: the demuxer passes them over."""
    result = converted(folder, write([PCM, *[b""] * 300000]))
    assert result["result"] == "ok" and result["duration_s"] == pytest.approx(0.1, abs=0.001), result
    assert result["cpu_ms"] < 3000, result


@pytest.mark.parametrize("content", [
    matroska([(i * PACKET_MS // 2, PCM if i % 2 else b"") for i in range(60)], duration_ms=3000),
    avi([PCM, b""] * 30),
], ids=["matroska", "avi"])
def test_empty_packets_between(folder, content):  # noqa: F811
    result = converted(folder, content)
    assert result["result"] == "ok" and result["duration_s"] == pytest.approx(3, abs=0.001), result


# ---- thousands of streams ----

def many_mp4(folder):  # noqa: F811
    source = folder / "one.m4a"
    ffmpeg(*sound(48000, 2, 0.1), "-c:a", "aac", source)
    data = source.read_bytes()
    moov = find_box(data, b"moov")
    return data[:data.index(b"moov") - 4] + box(b"moov", box(b"mvhd", find_box(moov, b"mvhd")),
                                                *[box(b"trak", find_box(moov, b"trak"))] * 10000)


def many_ts(_):
    """Seven thousand of the eight that have a number."""
    out = b""
    for program in range(300):
        pids = range(0x200 + program * 24, 0x200 + program * 24 + 24)
        streams = b"".join(struct.pack(">BHH", 0x0f, 0xe000 | pid, 0xf000) for pid in pids)
        out += ts_table(0, 0, 1, struct.pack(">HH", program + 1, 0xe020 + program), program)
        out += ts_table(0x20 + program, 2, program + 1, struct.pack(">HH", 0xe000 | pids[0], 0xf000) + streams)
    return out


def many_ogg(_):
    head = b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"
    return b"".join(ogg_page(serial, 0, 2, 0, head) for serial in range(10000))


@pytest.mark.parametrize("make, problem", [
    (lambda _: matroska([(0, PCM)], tracks=10000), LIMIT),
    (lambda _: avi([PCM], streams=10000), LIMIT),
    (many_mp4, LIMIT), (many_ogg, LIMIT), (many_ts, NO_AUDIO),
], ids=["matroska", "avi", "mp4", "ogg", "ts"])
def test_ten_thousand_streams(folder, make, problem):  # noqa: F811
    result = converted(folder, make(folder))
    expect(result, problem)
    assert result["cpu_ms"] < 2000 and result["peak_rss_bytes"] < 100 << 20, result


# ---- a hundred hours ----

def hundred_hours_mp4(folder):  # noqa: F811
    """A picture each second, and three seconds of sound."""
    seconds, picture = 360000, 50
    source = folder / "sound.m4a"
    ffmpeg(*sound(48000, 2, 3), "-c:a", "aac", source)
    data = source.read_bytes()
    moov = find_box(data, b"moov")
    trak = find_box(moov, b"trak")
    handler, table = find_box(trak, b"mdia", b"hdlr"), find_box(trak, b"mdia", b"minf", b"stbl")
    first, = struct.unpack_from(">I", find_box(table, b"stco"), 8)
    sizes = [size for size, in struct.iter_unpack(">I", find_box(table, b"stsz")[12:])]
    packets = data[first:first + sum(sizes)]
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    base = len(head) + 8

    def track(kind, description, media_head, *, delta, scale, sizes_box, count, chunks):
        stbl = box(b"stbl", box(b"stsd", description), box(b"stts", struct.pack(">IIII", 0, 1, count, delta)),
                   box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count // len(chunks), 1)), box(b"stsz", sizes_box),
                   box(b"stco", struct.pack(f">II{len(chunks)}I", 0, len(chunks), *chunks)))
        mdhd = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, scale, count * delta, 0x55c4, 0))
        dinf = box(b"dinf", find_box(trak, b"mdia", b"minf", b"dinf"))
        return box(b"trak", box(b"tkhd", find_box(trak, b"tkhd")),
                   box(b"mdia", mdhd, box(b"hdlr", handler.replace(b"soun", kind)), box(b"minf", media_head, dinf, stbl)))
    avc1 = box(b"avc1", b"\0" * 6 + struct.pack(">H", 1) + b"\0" * 16 + struct.pack(">HH", 64, 64) + b"\0" * 50)
    pictures = track(b"vide", struct.pack(">II", 0, 1) + avc1, box(b"vmhd", b"\0\0\0\1" + b"\0" * 8), delta=1, scale=1, count=seconds,
                     sizes_box=struct.pack(">III", 0, picture, seconds),
                     chunks=[base + len(packets) + i * picture for i in range(seconds)])
    tone = track(b"soun", find_box(table, b"stsd"), box(b"smhd", b"\0" * 8), delta=1024, scale=48000, count=len(sizes),
                 sizes_box=struct.pack(f">III{len(sizes)}I", 0, 0, len(sizes), *sizes), chunks=[base])
    return head + box(b"mdat", packets, b"\0" * (seconds * picture)) + box(b"moov", box(b"mvhd", find_box(moov, b"mvhd")), pictures, tone)


def looped(suffix):
    def make(folder):  # noqa: F811
        minute, source = folder / "minute.mp4", folder / f"hours.{suffix}"
        ffmpeg("-f", "lavfi", "-i", "color=s=16x16:r=1:d=60", "-c:v", "mpeg4", minute)
        ffmpeg("-stream_loop", 5999, "-i", minute, *sound(48000, 2, 3), "-map", "0:v", "-map", "1:a", "-c:v", "copy",
               "-c:a", "libmp3lame", source)
        return source.read_bytes()
    return make


@pytest.mark.parametrize("make, fetched", [(hundred_hours_mp4, 0.2), (looped("mkv"), 1.1), (looped("avi"), 1.1)],
                         ids=["mp4", "mkv", "avi"])
def test_a_hundred_hours_of_pictures(folder, make, fetched):  # noqa: F811
    content = make(folder)
    result = converted(folder, content, "max_duration_s=10")
    assert result["result"] == "ok" and result["duration_s"] == pytest.approx(3, abs=0.05), result
    assert result["cpu_ms"] < 5000 and result["read_bytes"] < len(content) * fetched + (1 << 20), result


def test_hours_of_silence_in_a_small_file(folder):  # noqa: F811
    """Two hours are 4 MB of FLAC; they would be 160 MB of MP3."""
    source = folder / "bomb.flac"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=7200", "-compression_level", 0, source)
    assert os.path.getsize(source) < 6 << 20
    result = convert(source, folder / "bomb.mp3", "max_duration_s=60")
    expect(result, "duration-exceeded")
    assert result["read_bytes"] < os.path.getsize(source) / 2 and os.path.getsize(folder / "bomb.mp3") < 60 * 24000 * 1.1


# ---- no end at all ----

def endless(suffix, *encoder):
    def make(folder):  # noqa: F811
        source = folder / f"endless.{suffix}"
        ffmpeg(*sound(44100, 2, 2), *encoder, source)
        return source.read_bytes()
    return make


@pytest.mark.parametrize("make, problem", [
    (endless("mp3"), "duration-exceeded"), (endless("aac"), "duration-exceeded"), (endless("ts", "-c:a", "aac"), "duration-exceeded"),
    (endless("flac"), "duration-exceeded"), (endless("ogg"), "duration-exceeded"),
    (lambda _: box(b"ftyp", b"isom\0\0\2\0") + box(b"free", b"x" * 8) * 1000, LIMIT),
    (lambda _: matroska([]) + b"\0" * 900000, LIMIT),
    (lambda _: bytes(i * i % 251 for i in range(500000)), FORMAT),
], ids=["mp3", "aac", "ts", "flac", "ogg", "mp4", "matroska", "noise"])
def test_an_input_without_an_end(folder, make, problem):  # noqa: F811
    result = converted(folder, make(folder), "endless=1", "max_duration_s=20", "wall_limit_s=2")
    assert result["problem"].endswith(problem), result
    assert result["kill"] == ("wall" if problem == LIMIT else ""), result


# ---- what changes on the way ----

def joined(suffix, *parts, encoder=()):
    """The files of (rate, channels, seconds) one after the other."""
    def make(folder):  # noqa: F811
        content = b""
        for number, (rate, channels, seconds) in enumerate(parts):
            source = folder / f"part{number}.{suffix}"
            ffmpeg(*sound(rate, channels, seconds), *encoder, source)
            content += source.read_bytes()
        return content, sum(part[2] for part in parts)
    return make


STEREO, MONO, LOW, SURROUND = (44100, 2, 2), (48000, 1, 3), (22050, 2, 1), (48000, 6, 1)


@pytest.mark.parametrize("make", [
    joined("mp3", STEREO, MONO, LOW), joined("mp3", MONO, STEREO, encoder=["-write_xing", 0, "-id3v2_version", 0]),
    joined("aac", STEREO, MONO, SURROUND), joined("ts", STEREO, MONO, encoder=["-c:a", "aac"]),
    joined("ts", MONO, STEREO, encoder=["-c:a", "mp2"]), joined("ac3", (48000, 2, 2), (44100, 6, 3)),
    joined("ogg", MONO, STEREO, encoder=["-c:a", "libvorbis"]),
], ids=["mp3", "bare mp3", "adts", "ts aac", "ts mp2", "ac3", "chained ogg"])
def test_rate_and_channels_change(folder, make):  # noqa: F811
    """The sum of the lengths, but for the frame or two that each encoder pads with."""
    content, seconds = make(folder)
    result = converted(folder, content, engine=ENGINE)
    assert result["result"] == "ok", result
    assert seconds - 0.02 < result["duration_s"] < seconds + 0.24, result


def loudness(path, rate):
    """Of each half second, as 16-bit numbers."""
    pcm = array("h", subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-ac", "1", "-f", "s16le", "-"], capture_output=True,
                                    check=True, timeout=60).stdout)
    return [math.sqrt(sum(x * x for x in pcm[i:i + rate // 2]) / (rate // 2)) for i in range(0, len(pcm) - rate // 2 + 1, rate // 2)]


@pytest.mark.parametrize("rate", [48000, 96000])
@pytest.mark.parametrize("wild", ["nan", "inf", "-inf", "3e38", "1e-40"])
def test_the_sound_after_wild_floats(folder, wild, rate):  # noqa: F811
    """What no number can be poisons no filter: the tone is back as it was."""
    tone = [0.3 * math.sin(i * 2 * math.pi * 440 / rate) for i in range(rate)]
    result = converted(folder, wav([*tone, *[float(wild)] * rate, *tone, *tone], rate))
    assert result["result"] == "ok" and result["duration_s"] == pytest.approx(4, abs=0.001), result
    halves = loudness(folder / "limits.mp3", 48000)
    assert len(halves) == 8
    for half in (0, 1, 5, 6, 7):
        assert halves[half] == pytest.approx(6951, rel=0.01), halves


# ---- heads that say what cannot be ----

@pytest.mark.parametrize("settings", [{"duration_ms": 10 ** 15}, {"rate": 2 ** 31}, {"rate": 10 ** 12}, {"channels": 5000}, {"channels": 2 ** 31}],
                         ids=str)
def test_absurd_heads(folder, settings):  # noqa: F811
    """They are not believed; the child does not repeat them to its parent, who would take it for broken."""
    result = converted(folder, clocked(STEADY, **settings))
    assert result["kill"] == "" and (result["result"] == "ok" or result["problem"]), result


def test_absurd_lengths_of_an_mp4(folder):  # noqa: F811
    source = folder / "long.m4a"
    ffmpeg(*sound(48000, 2, 1), "-c:a", "aac", source)
    data = bytearray(source.read_bytes())
    for name in (b"mvhd", b"mdhd", b"tkhd"):
        at = data.index(name) + 4
        data[at + 16:at + 24] = b"\x7f\xff\xff\xff" * 2
    result = converted(folder, bytes(data))
    assert result["kill"] == "" and (result["result"] == "ok" or result["problem"]), result

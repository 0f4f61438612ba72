"""A start far into the sound: what lies before is not read where the container allows that, and the cut stays exact to the sample.

The same sound as PCM in Matroska, which has no exact times, is always decoded from its beginning: both have to give the same bytes.
"""
import struct

import pytest

from inputs_support import CONTAINERS, LAYOUTS, ffmpeg, folder, gain_and_noise_db, convert, decode, run
from test_inputs_edges import patch_config

__all__ = ["folder"]

SECONDS = 24
START = 20.123
# No tone is like another second's, so that a wrong place shows.
SWEEP = "0.3*sin(2*PI*t*(300+20*t))|0.3*sin(2*PI*t*(900-15*t))+0.02*random(0)"
KINDS = [
    ("wav", "pcm_s16le", 44100, True), ("wav", "pcm_f64le", 48000, True), ("wav", "pcm_mulaw", 8000, False), ("rf64", "pcm_s24le", 96000, True),
    ("w64", "pcm_f32le", 48000, True), ("aiff", "pcm_s24be", 44100, True), ("au", "pcm_s16be", 44100, True),
    ("caf", "pcm_s16le", 48000, True), ("caf", "alac", 44100, True), ("flac", "flac", 96000, False),
    ("m4a", "alac", 44100, True), ("mov", "pcm_s16le", 48000, True), ("mp4", "flac", 48000, True), ("mp4", "aac", 48000, False),
    ("mp4-faststart", "aac", 44100, False), ("mp4-fragmented", "aac", 44100, False), ("mkv", "flac", 44100, False),
]
ENCODERS = {"aac": ["-c:a", "aac", "-b:a", "192k", "-aac_pns", "0"], "alac": ["-c:a", "alac"], "flac": ["-c:a", "flac", "-strict", "-2"]}


def sweep(rate, *args):
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={SWEEP}:s={rate}:d={SECONDS}", *args)


def from_the_beginning(source, folder):
    """The same sound, where nothing can be left out."""
    plain = folder / "plain.mkv"
    ffmpeg("-i", source, "-map", "0:a:0", "-c:a", "pcm_f64le" if source.name.startswith("pcm_f64") else "pcm_f32le", plain)
    return plain


def both(source, folder, *options):
    """The result and the bytes of the file itself, and the bytes of its sound decoded from the beginning."""
    ours, theirs = folder / "ours.mp3", folder / "theirs.mp3"
    result = convert(source, ours, *options)
    other = convert(from_the_beginning(source, folder), theirs, *options)
    assert (result["result"], other["result"]) == ("ok", "ok"), (result, other)
    return result, frames(ours), frames(theirs)


def frames(path):
    """The MP3 without its ID3 tag, which tells of the container."""
    data = path.read_bytes()
    if data[:3] != b"ID3":
        return data
    return data[10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(data[6:10])):]


@pytest.mark.parametrize("container,codec,rate,is_short", KINDS, ids=lambda value: str(value))
def test_a_late_start_is_exact(folder, container, codec, rate, is_short):
    source = folder / f"{codec}.late"
    sweep(rate, *ENCODERS.get(codec, ["-c:a", codec]), *CONTAINERS[container][0], source)
    result, ours, theirs = both(source, folder, f"start={START}")
    assert ours == theirs
    if is_short:
        assert result["read_bytes"] < source.stat().st_size * 0.7, (result["read_bytes"], source.stat().st_size)


@pytest.mark.parametrize("options", [["sample_rate=48000"], ["sample_rate=32000", "channels=1"], ["end=22.5", "fade_in=1", "fade_out=1"],
                                     ["sample_rate=8000"]], ids=",".join)
@pytest.mark.parametrize("codec,suffix", [("pcm_s16le", "wav"), ("aac", "m4a")])
def test_with_other_options(folder, codec, suffix, options):
    """The resampler goes on in step."""
    source = folder / f"options.{suffix}"
    if not source.exists():
        sweep(44100, *ENCODERS.get(codec, ["-c:a", codec]), source)
    _, ours, theirs = both(source, folder, f"start={START}", *options)
    assert ours == theirs


@pytest.mark.parametrize("cut", [["-ss", "1.5"], ["-t", "23"]], ids=["head", "tail"])
def test_with_an_edit_list(folder, cut):
    whole, source = folder / "whole.m4a", folder / "cut.m4a"
    sweep(48000, *ENCODERS["aac"], whole)
    ffmpeg(*cut, "-i", whole, "-c", "copy", source)
    _, ours, theirs = both(source, folder, f"start={START}")
    assert ours == theirs


def test_a_rate_that_only_the_decoder_knows(folder):
    """HE-AAC: the container counts in half of the samples."""
    source = folder / "he.m4a"
    sweep(24000, *ENCODERS["aac"], source)
    patch_config(source, bytes.fromhex("2b118800"))
    _, ours, theirs = both(source, folder, f"start={START}")
    assert ours == theirs


def test_noise_that_the_decoder_makes_up(folder):
    """AAC's noise substitution is another one for each decoder; the place is the same."""
    source = folder / "noise.m4a"
    sweep(48000, "-c:a", "aac", "-b:a", "64k", source)
    ours = folder / "noise.mp3"
    assert convert(source, ours, f"start={START}", "mode=cbr", "bitrate=320")["result"] == "ok"
    first = round(START * 48000)
    for got, expected in zip(decode(ours, 2), decode(source, 2, f"atrim=start_sample={first}")):
        gain, noise = gain_and_noise_db(got, expected)
        assert len(got) == len(expected) and abs(gain) < 0.1 and noise < -20, (gain, noise)


def test_flac_is_searched(folder):
    """It has no index; the search itself reads some MB, so it is left where that would be all of the file."""
    source = folder / "long.flac"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=random(0):s=48000:d=400", "-c:a", "flac", "-sample_fmt", "s16", source)
    result, ours, theirs = both(source, folder, "start=390.123")
    assert ours == theirs
    assert result["read_bytes"] < source.stat().st_size * 0.6, (result["read_bytes"], source.stat().st_size)


def test_a_file_that_is_cut_off_before_the_start(folder):
    source = folder / "short.m4a"
    sweep(48000, "-c:a", "alac", "-movflags", "+faststart", source)
    data = source.read_bytes()
    source.write_bytes(data[:len(data) // 2])
    result = convert(source, folder / "x.mp3", f"start={START}")
    assert result["problem"] == "urn:unreel:problem:corrupt-input" and "s of the 24.0 s" in result["detail"], result


# --- more than 4 GiB -----------------------------------------------------------------------------

FMT = struct.pack("<HHIIHH", 1, 2, 48000, 192000, 4, 16)
BIG = 5 << 30
HEADS = {
    "rf64": lambda size: b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, size + 72, size, size // 4, 0) + b"fmt " +
                         struct.pack("<I", 16) + FMT + b"data\xff\xff\xff\xff",
    "wav-unknown-size": lambda size: b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + FMT + b"data\xff\xff\xff\xff",
    "w64": lambda size: bytes.fromhex("726966662e91cf11a5d628db04c10000") + struct.pack("<Q", size + 104) +
                        bytes.fromhex("77617665f3acd3118cd100c04f8edb8a666d7420f3acd3118cd100c04f8edb8a") + struct.pack("<Q", 40) + FMT +
                        bytes.fromhex("64617461f3acd3118cd100c04f8edb8a") + struct.pack("<Q", size + 24),
    "caf": lambda size: b"caff\0\1\0\0desc" + struct.pack(">Qd4sIIIII", 32, 48000.0, b"lpcm", 2, 4, 1, 2, 16) + b"data" +
                        struct.pack(">QI", size + 4, 0),
}


@pytest.mark.parametrize("name", HEADS)
def test_more_than_4_gib(folder, name):
    """Five GiB of silence without a byte on the disk, and a second of sound at their end."""
    source, target = folder / "big.bin", folder / "big.mp3"
    pcm = ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.4*sin(2*PI*t*997)|0.4*sin(2*PI*t*1500):s=48000:d=1", "-f", "s16le", "-")
    with open(source, "wb") as file:
        file.write(HEADS[name](BIG))
        file.truncate(file.tell() + BIG - len(pcm))
        file.seek(0, 2)
        file.write(pcm)
    start_ms = (BIG - len(pcm)) // 192
    result = convert(source, target, f"start={start_ms / 1000:.3f}", "mode=cbr", "bitrate=320")
    source.unlink()
    assert result["result"] == "ok" and result["read_bytes"] < 8 << 20, result
    one = folder / "one.wav"
    run("ffmpeg", "-v", "error", "-y", "-f", "s16le", "-ar", 48000, "-ac", 2, "-i", "-", one, input=pcm)
    # The start is a whole number of milliseconds, and so at most 48 samples before the sound.
    early = (BIG - len(pcm)) // 4 - round(start_ms * 48)
    for got, expected in zip(decode(target, 2), decode(one, LAYOUTS["stereo"])):
        assert len(got) == len(expected) + early
        gain, noise = gain_and_noise_db(got[early:], expected)
        assert abs(gain) < 0.1 and noise < -24, (gain, noise)

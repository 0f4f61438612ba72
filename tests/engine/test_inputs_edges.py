"""What a table of containers and codecs does not show: edit lists, codecs that ffmpeg cannot encode, odd WAVs, files put together.

What counts is what ffmpeg decodes of the same file.
"""
import random
import struct

import pytest

from inputs_support import check, ffmpeg, folder, see, table, tones

__all__ = ["folder", "table"]

AAC = ["-c:a", "aac", "-b:a", "192k"]
LATE = ["-itsoffset", "0.7"]
VIDEO = ["-f", "lavfi", "-i", "testsrc=s=176x144:r=25:d=1.5", "-c:v", "mpeg4", "-bf", "0"]


def compare(table, name, source, rate=48000, channels=2, **more):
    told = check(see(source, rate, channels), rate, channels, **more)
    table.append(f"{name}: {told}")


# --- timestamps and edit lists -------------------------------------------------------------------

@pytest.mark.parametrize("muxer,codec", [("mp4", AAC), ("mov", ["-c:a", "pcm_s16le"]), ("matroska", AAC), ("mpegts", AAC), ("avi", AAC)])
def test_sound_that_starts_late(folder, table, muxer, codec):
    """A gap before the sound is not filled: the MP3 starts with the sound."""
    source = folder / "late.bin"
    ffmpeg(*LATE, *tones(48000, "stereo", 1), *VIDEO, "-map", "1", "-map", "0", *codec, "-f", muxer, source)
    compare(table, f"{muxer}-late-sound", source)


@pytest.mark.parametrize("cut", [["-ss", "0.4"], ["-t", "0.55"], ["-ss", "0.4", "-t", "0.3"]], ids=["head", "tail", "both"])
@pytest.mark.parametrize("muxer,codec", [("mp4", AAC), ("mov", ["-c:a", "alac"]), ("mp4", ["-c:a", "libopus"]), ("mov", ["-c:a", "pcm_s16le"])],
                         ids=["aac", "alac", "opus", "pcm"])
def test_sound_that_is_cut_by_an_edit_list(folder, table, muxer, codec, cut):
    """As a player's or a phone's cut without encoding leaves it."""
    whole, source = folder / "whole.bin", folder / "cut.bin"
    ffmpeg(*tones(48000, "stereo", 1.2), *codec, "-f", muxer, whole)
    ffmpeg(*cut, "-i", whole, "-c", "copy", "-f", muxer, source)
    compare(table, f"{muxer}-{codec[1]}-edit-list-{'-'.join(cut)}", source)


def change_edit_list(path, edits):
    """Puts other edits, as (length, start; -1: a gap) in samples, into an MP4 of one track and 48 kHz whose moov is last."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") - 4
    old = struct.unpack(">I", data[at:at + 4])[0]
    timescale = struct.unpack(">I", data[data.index(b"mvhd") + 16:][:4])[0]
    body = struct.pack(">II", 0, len(edits)) + b"".join(
        struct.pack(">IiHH", round(length * timescale / 48000), start, 1, 0) for length, start in edits)
    new = struct.pack(">I4s", len(body) + 8, b"elst") + body
    for name in (b"moov", b"trak", b"edts"):
        place = data.index(name, data.index(b"moov")) - 4
        size, = struct.unpack(">I", data[place:place + 4])
        data[place:place + 4] = struct.pack(">I", size + len(new) - old)
    data[at:at + old] = new
    path.write_bytes(data)


@pytest.mark.parametrize("name,edits", [
    ("head", [(38400, 9600)]),
    ("gap", [(9600, -1), (38400, 1024)]),
    ("two", [(14400, 4800), (14400, 28800)]),
    ("twice", [(14400, 4800), (14400, 4800)]),
    ("backwards", [(14400, 28800), (14400, 4800)]),
])
@pytest.mark.parametrize("codec", [AAC, ["-c:a", "pcm_s16be"]], ids=["aac", "pcm"])
def test_edit_lists_by_hand(folder, table, codec, name, edits):
    source = folder / "edits.bin"
    ffmpeg(*tones(48000, "stereo", 1), *codec, "-f", "mov", "-movie_timescale", "48000", source)
    change_edit_list(source, edits)
    compare(table, f"mov-{codec[1]}-edits-{name}", source)


# --- codecs for which ffmpeg has no encoder ------------------------------------------------------

def patch_config(path, config):
    """Another AudioSpecificConfig into an MP4; ffmpeg's own has five bytes."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x05\x80\x80\x80\x05") + 5
    data[at:at + 5] = config.ljust(5, b"\0")
    path.write_bytes(data)


@pytest.mark.parametrize("name,layout,kind", [("he", "stereo", 5), ("he", "mono", 5), ("he-v2", "mono", 29)])
def test_he_aac_as_it_is_signalled(folder, table, name, layout, kind):
    """No free encoder makes HE-AAC. A header that says so over plain AAC has the decoder double the rate, and for v2 the channels:
    everything but the contents of the bands above. One channel of HE-AAC may turn out to be v2 at any time, so it counts as two."""
    source = folder / "he.bin"
    channels = 1 if layout == "mono" else 2
    ffmpeg(*tones(24000, layout, 1.1), *AAC, "-aac_pns", "0", "-f", "mp4", source)
    # 5 bits kind, 4 rate 24000, 4 channels, 4 rate 48000, 5 kind AAC-LC, 3 plain frames
    patch_config(source, ((((kind << 4 | 6) << 4 | channels) << 4 | 3) << 5 << 3 | 2 << 3).__lshift__(7).to_bytes(4, "big"))
    compare(table, f"mp4-{name}-aac-{layout} (signalled only)", source, 48000, 2)


AMR = {"nb": (b"#!AMR\n", 8000, 31, 7 << 3 | 4), "wb": (b"#!AMR-WB\n", 16000, 60, 8 << 3 | 4)}


def amr(path, band, frames=60):
    """Any bits are speech, of a kind: frames of the highest bitrate."""
    magic, _, size, head = AMR[band]
    rest = random.Random(2)
    path.write_bytes(magic + b"".join(bytes([head]) + rest.randbytes(size) for _ in range(frames)))


@pytest.mark.parametrize("band,muxer", [("nb", "amr"), ("nb", "3gp"), ("nb", "mov"), ("nb", "caf"), ("wb", "amr"), ("wb", "3gp"), ("wb", "mov")])
def test_amr(folder, table, band, muxer):
    source, inner = folder / "amr.bin", folder / "inner.amr"
    amr(inner, band)
    if muxer == "amr":
        source.write_bytes(inner.read_bytes())
    else:
        ffmpeg("-i", inner, "-c", "copy", "-f", muxer, source)
    compare(table, f"{muxer}-amr-{band}", source, AMR[band][1], 1, noise_db=-8)


NO_ENCODER = {"wmapro, wmalossless, wmavoice": "Debian's ffmpeg has no encoder",
              "he-aac, he-aac-v2 (with contents)": "Debian's ffmpeg has no encoder: libfdk is not free",
              "dts-hd": "Debian's ffmpeg encodes the core only"}


def test_what_nobody_can_make(table):
    listing = ffmpeg("-hide_banner", "-encoders").decode()
    assert not any(f" {name} " in listing for name in ("libfdk_aac", "wmapro", "wmalossless", "wmavoice"))
    table.extend(f"{what}: not possible: {why}" for what, why in NO_ENCODER.items())


# --- WAV -----------------------------------------------------------------------------------------

def wav_pcm(seconds=1):
    return ffmpeg(*tones(48000, "stereo", seconds), "-f", "s16le", "-")


def chunk(name, content, size=None):
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) & 1)


FMT = struct.pack("<HHIIHH", 1, 2, 48000, 192000, 4, 16)
ODD_WAVS = {
    "size-0": lambda pcm: b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", FMT) + chunk(b"data", pcm, 0),
    "size-ffffffff": lambda pcm: b"RIFF\xff\xff\xff\xffWAVE" + chunk(b"fmt ", FMT) + chunk(b"data", pcm, 0xffffffff),
    "list-before": lambda pcm: b"RIFF\0\0\1\0WAVE" + chunk(b"fmt ", FMT) + chunk(b"LIST", b"INFOISFT\4\0\0\0abc\0") + chunk(b"data", pcm),
    "list-behind": lambda pcm: b"RIFF\0\0\1\0WAVE" + chunk(b"fmt ", FMT) + chunk(b"data", pcm) + chunk(b"LIST", b"INFOISFT\4\0\0\0abc\0"),
    "odd-chunk": lambda pcm: b"RIFF\0\0\1\0WAVE" + chunk(b"junk", b"abc") + chunk(b"fmt ", FMT) + chunk(b"data", pcm),
    "fact": lambda pcm: b"RIFF\0\0\1\0WAVE" + chunk(b"fmt ", FMT) + chunk(b"fact", struct.pack("<I", 48000)) + chunk(b"data", pcm),
    "half-a-sample": lambda pcm: b"RIFF\0\0\1\0WAVE" + chunk(b"fmt ", FMT) + chunk(b"data", pcm + b"\1\2\3"),
    "rf64": lambda pcm: b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", struct.pack("<QQQI", len(pcm) + 72, len(pcm), len(pcm) // 4, 0)) +
                        chunk(b"fmt ", FMT) + chunk(b"data", pcm, 0xffffffff),
    "rifx": lambda pcm: b"RIFX\0\1\0\0WAVEfmt \0\0\0\x10" + struct.pack(">HHIIHH", 1, 2, 48000, 192000, 4, 16) + b"data" +
                        struct.pack(">I", len(pcm)) + pcm,
}


@pytest.mark.parametrize("name", ODD_WAVS)
def test_odd_wav(folder, table, name):
    source = folder / "odd.bin"
    source.write_bytes(ODD_WAVS[name](wav_pcm()))
    compare(table, f"wav-{name}", source)


# --- files put together --------------------------------------------------------------------------

@pytest.mark.parametrize("muxer,codec", [("ogg", "libvorbis"), ("ogg", "libopus"), ("mpegts", "aac"), ("mpegts", "ac3"), ("mp3", "libmp3lame"),
                                         ("adts", "aac"), ("ac3", "ac3")])
def test_one_file_behind_another(folder, table, muxer, codec):
    """Concatenated with cat: the sound of both, where ffmpeg hears both."""
    part, source = folder / "part.bin", folder / "chain.bin"
    ffmpeg(*tones(48000, "stereo", 0.8), "-c:a", codec, "-f", muxer, part)
    source.write_bytes(part.read_bytes() * 2)
    compare(table, f"{muxer}-{codec}-twice", source)

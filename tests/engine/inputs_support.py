"""Making inputs of every kind, converting them, and comparing the result with ffmpeg's own decode.

ctest says where ENGINE_FILE, ENGINE and PLAIN_ENGINE (without sanitizers) are, and where INPUTS_TABLE, the list of what was seen, is to be written.
"""
import concurrent.futures
import json
import math
import os
import subprocess
from array import array
from operator import mul
from typing import NamedTuple

import pytest

ENGINE_FILE, ENGINE, PLAIN_ENGINE, TABLE = (os.environ.get(name, "") for name in ("ENGINE_FILE", "ENGINE", "PLAIN_ENGINE", "INPUTS_TABLE"))
# Besides what covers each container, codec, rate and layout once: every so manieth of the product of all, 1 for all; 0: none.
EVERY = int(os.environ.get("UNREEL_TEST_ALL_INPUTS", "0"))

MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
LAYOUTS = {"mono": 1, "stereo": 2, "2.1": 3, "3.0": 3, "3.0(back)": 3, "4.0": 4, "quad": 4, "5.0": 5, "5.0(side)": 5, "5.1": 6,
           "5.1(side)": 6, "6.0": 6, "6.1": 7, "7.0": 7, "7.1": 8}
LEVEL_DB = 0.1
# MP3 at its highest bitrate leaves tones some 50 dB above its noise; a sound that is one sample late is at -8 dB.
NOISE_DB = -24


class Case(NamedTuple):
    container: str
    codec: str
    rate: int
    layout: str
    has_video: bool = False
    seconds: float = 1.1

    def __str__(self):
        return f"{self.container}-{self.codec}-{self.rate}-{self.layout}{'-video' if self.has_video else ''}"


class Seen(NamedTuple):
    result: dict
    expected: list  # per channel, of ffmpeg's decode at the MP3's rate
    got: list


# name: (ffmpeg's arguments, codec of a video that may lie beside)
CONTAINERS = {
    "mp4": (["-f", "mp4"], "mpeg4"),
    "mp4-faststart": (["-f", "mp4", "-movflags", "+faststart"], "mpeg4"),
    "mp4-fragmented": (["-f", "mp4", "-movflags", "+delay_moov+default_base_moof", "-frag_duration", "300000"], "mpeg4"),
    "mp4-dash": (["-f", "mp4", "-movflags", "+dash+delay_moov", "-frag_duration", "300000"], None),
    "mov": (["-f", "mov"], "mpeg4"),
    "m4a": (["-f", "ipod"], None),
    "3gp": (["-f", "3gp"], "h263"),
    "mkv": (["-f", "matroska"], "mpeg4"),
    "webm": (["-f", "webm"], "libvpx"),
    "avi": (["-f", "avi"], "mpeg4"),
    "ts": (["-f", "mpegts"], "mpeg2video"),
    "m2ts": (["-f", "mpegts", "-mpegts_m2ts_mode", "1"], "mpeg2video"),
    "mpg": (["-f", "mpeg"], "mpeg1video"),
    "vob": (["-f", "vob"], "mpeg2video"),
    "flv": (["-f", "flv"], "flv1"),
    "wmv": (["-f", "asf"], "wmv2"),
    "ogg": (["-f", "ogg"], "libtheora"),
    "wav": (["-f", "wav"], None),
    "rf64": (["-f", "wav", "-rf64", "always"], None),
    "w64": (["-f", "w64"], None),
    "flac": (["-f", "flac"], None),
    "aiff": (["-f", "aiff"], None),
    "caf": (["-f", "caf"], None),
    "au": (["-f", "au"], None),
    "mp3": (["-f", "mp3"], None),
    "mp2": (["-f", "mp2"], None),
    "aac": (["-f", "adts"], None),
    "ac3": (["-f", "ac3"], None),
    "eac3": (["-f", "eac3"], None),
    "dts": (["-f", "dts"], None),
}

# name: (ffmpeg's arguments, usual rate, usual layout, rate of the decoded sound if it is always the same)
CODECS = {
    "aac": (["-c:a", "aac", "-b:a", "192k"], 48000, "stereo", None),
    "mp3": (["-c:a", "libmp3lame"], 44100, "stereo", None),
    "mp2": (["-c:a", "mp2"], 48000, "stereo", None),
    "ac3": (["-c:a", "ac3"], 48000, "stereo", None),
    "eac3": (["-c:a", "eac3"], 48000, "stereo", None),
    "dts": (["-c:a", "dca", "-strict", "-2"], 48000, "stereo", None),
    "opus": (["-c:a", "libopus", "-b:a", "192k", "-mapping_family", "1"], 48000, "stereo", 48000),
    "vorbis": (["-c:a", "libvorbis"], 48000, "stereo", None),
    "flac": (["-c:a", "flac", "-strict", "-2"], 48000, "stereo", None),
    "flac24": (["-c:a", "flac", "-sample_fmt", "s32", "-strict", "-2"], 48000, "stereo", None),
    "alac": (["-c:a", "alac"], 44100, "stereo", None),
    "alac24": (["-c:a", "alac", "-sample_fmt", "s32p"], 44100, "stereo", None),
    "truehd": (["-c:a", "truehd", "-strict", "-2"], 48000, "stereo", None),
    "tta": (["-c:a", "tta"], 44100, "stereo", None),
    "wavpack": (["-c:a", "wavpack"], 44100, "stereo", None),
    "wmav1": (["-c:a", "wmav1", "-b:a", "128k"], 44100, "stereo", None),
    "wmav2": (["-c:a", "wmav2", "-b:a", "128k"], 44100, "stereo", None),
    "speex": (["-c:a", "libspeex"], 16000, "mono", None),
    "gsm_ms": (["-c:a", "libgsm_ms"], 8000, "mono", None),
    "gsm": (["-c:a", "libgsm"], 8000, "mono", None),
    "nellymoser": (["-c:a", "nellymoser"], 44100, "mono", None),
    "g722": (["-c:a", "g722"], 16000, "mono", None),
    "g726": (["-c:a", "g726"], 8000, "mono", None),
    "g723_1": (["-c:a", "g723_1", "-b:a", "6300"], 8000, "mono", None),
    "adpcm_ms": (["-c:a", "adpcm_ms"], 44100, "stereo", None),
    "adpcm_ima_wav": (["-c:a", "adpcm_ima_wav"], 44100, "stereo", None),
    "adpcm_ima_qt": (["-c:a", "adpcm_ima_qt"], 44100, "stereo", None),
    "adpcm_swf": (["-c:a", "adpcm_swf"], 44100, "stereo", None),
    "adpcm_yamaha": (["-c:a", "adpcm_yamaha"], 44100, "stereo", None),
    "pcm_dvd": (["-c:a", "pcm_dvd"], 48000, "stereo", None),
    "pcm_bluray": (["-c:a", "pcm_bluray"], 48000, "stereo", None),
}
for pcm in ("alaw mulaw u8 s8 s16le s16be s24le s24be s32le s32be s64le f32le f32be f64le f64be").split():
    CODECS[f"pcm_{pcm}"] = (["-c:a", f"pcm_{pcm}"], 44100, "stereo", None)


def run(*args, **more):
    return subprocess.run([str(arg) for arg in args], check=True, capture_output=True, timeout=60, **more)


def ffmpeg(*args):
    return run("ffmpeg", "-v", "error", "-nostdin", "-y", *args).stdout


def tone_hz(rate, channel):
    """Another one for each channel, so high that a shift by one sample shows, and none that MP3 leaves out."""
    return min(rate, 96000) / 64 * (channel + 2)


def tones(rate, layout, seconds, amplitude=0.4):
    sines = "|".join(f"{amplitude}*sin(2*PI*t*{tone_hz(rate, c)})" for c in range(LAYOUTS[layout]))
    return ["-f", "lavfi", "-i", f"aevalsrc={sines}:s={rate}:d={seconds}:c={layout}"]


def make(case, folder):
    """The case as a file."""
    path = folder / f"{case}.bin"
    container, video_codec = CONTAINERS[case.container]
    video = ["-f", "lavfi", "-i", f"testsrc=s=176x144:r=25:d={case.seconds}", "-c:v", video_codec] if case.has_video else []
    ffmpeg(*tones(case.rate, case.layout, case.seconds), *video, "-max_muxing_queue_size", 9999, *CODECS[case.codec][0], *container, path)
    return path


def best_bitrate(rate):
    """That MP3 has at this rate."""
    return 320 if rate >= 32000 else 160 if rate >= 16000 else 64


def convert(source, target, *options, engine=ENGINE):
    """One run; what engine_file printed."""
    return json.loads(run(ENGINE_FILE, engine, source, target, *options).stdout)


def planes(raw, channels):
    samples = array("f", raw)
    assert len(samples) % channels == 0
    return [samples[c::channels] for c in range(channels)]


def decode(path, channels, filters=None):
    """ffmpeg's decode as an array of floats for each channel. Filters are its own, else nothing but the format changes."""
    chain = ["-af", filters] if filters else []
    return planes(ffmpeg("-i", path, "-map", "0:a:0", *chain, "-f", "f32le", "-"), channels)


def decode_both(source, target, channels, filters):
    """Two files at once: half of the time goes into starting ffmpeg. The filters are for the first."""
    chain = ["-af", filters] if filters else []
    outs = [target.with_suffix(f".{name}") for name in ("expected", "got")]
    ffmpeg("-i", source, "-i", target, "-map", "0:a:0", *chain, "-f", "f32le", outs[0], "-map", "1:a:0", "-f", "f32le", outs[1])
    raw = [out.read_bytes() for out in outs]
    for out in outs:
        out.unlink()
    return [planes(bytes_, channels) for bytes_ in raw]


def mixed(rate, channels):
    """ffmpeg's own resampler and matrix, normalised."""
    return f"aresample={rate}:ochl={'mono' if channels == 1 else 'stereo'}:rematrix_maxval=1.0:osf=flt"


def nearest_rate(rate):
    return min(MPEG_RATES, key=lambda r: abs(r - rate))


def see(source, rate, source_channels):
    """Converts a file whose sound has that rate, and decodes both."""
    out_rate, channels = nearest_rate(rate), min(source_channels, 2)
    target = source.with_suffix(".mp3")
    result = convert(source, target, "mode=cbr", f"bitrate={best_bitrate(out_rate)}")
    if result["result"] != "ok":
        return Seen(result, [], [])
    is_as_is = out_rate == rate and channels == source_channels
    expected, got = decode_both(source, target, channels, None if is_as_is else mixed(out_rate, channels))
    target.unlink()
    return Seen(result, expected, got)


def middle(samples):
    """Without the edges, at which an encoder or a filter has only half of what it needs."""
    edge = len(samples) // 8
    return samples[edge:len(samples) - edge]


def gain_and_noise_db(got, expected):
    """How much louder what was got is, and how much of it is something else, in dB below what was expected."""
    a, b = middle(got), middle(expected)
    both, power = sum(map(mul, a, b)), sum(map(mul, b, b))
    assert power > 0 and both > 0, (power, both)
    rest = sum(map(mul, a, a)) - both * both / power
    return 20 * math.log10(both / power), 10 * math.log10(max(rest, 1e-12 * power) / power)


def check(seen, rate, source_channels, slack=0, noise_db=NOISE_DB):
    """Rate, channels, length to the sample, and each channel's sound; what is worth telling."""
    out_rate, channels = nearest_rate(rate), min(source_channels, 2)
    assert seen.result["result"] == "ok", seen.result
    assert (seen.result["sample_rate_hz"], seen.result["channels"]) == (out_rate, channels)
    lengths = [len(c) for c in seen.got], [len(c) for c in seen.expected]
    assert abs(lengths[0][0] - lengths[1][0]) <= slack and lengths[1][0] > 0, lengths
    length = min(lengths[0][0], lengths[1][0])
    found = [gain_and_noise_db(got[:length], expected[:length]) for got, expected in zip(seen.got, seen.expected)]
    for gain, noise in found:
        assert abs(gain) <= LEVEL_DB and noise < noise_db, found
    worst = max(abs(gain) for gain, _ in found)
    return f"ok: {lengths[0][0]} samples at {out_rate} Hz, level within {worst:.3f} dB, rest {max(n for _, n in found):.0f} dB"


class Workshop:
    """Makes and converts the cases of this run on all processors, ahead of the tests that ask for them."""

    def __init__(self, folder, cases):
        self.folder = folder
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
        self.futures = {case: self.pool.submit(self.work, case) for case in cases}

    def work(self, case):
        source = make(case, self.folder)
        seen = see(source, CODECS[case.codec][3] or case.rate, LAYOUTS[case.layout])
        source.unlink()
        return seen

    def seen(self, case):
        return self.futures.pop(case).result()

    def close(self):
        self.pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def workshop(request, tmp_path_factory):
    cases = [item.callspec.params["case"] for item in request.session.items
             if hasattr(item, "callspec") and isinstance(item.callspec.params.get("case"), Case)]
    shop = Workshop(tmp_path_factory.mktemp("inputs"), dict.fromkeys(cases))
    yield shop
    shop.close()


@pytest.fixture(scope="session")
def table():
    """Rows of what was seen, written at the end."""
    rows = []
    yield rows
    if TABLE:
        with open(TABLE, "w", encoding="ascii") as file:
            file.writelines(f"{row}\n" for row in sorted(rows))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inputs")

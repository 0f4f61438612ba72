"""Container x codec x rate x layout: each input's MP3 is what ffmpeg decodes of it, to the sample and within 0.1 dB.

What runs always: each container with each codec that ffmpeg can put into it (usual rate and layout), some with a video beside,
each codec at each rate and in each layout that it can have (in one container), each PCM format in each layout.
UNREEL_TEST_ALL_INPUTS=1: the product of all of these, which are 21000 files; =100: each hundredth of them.
"""
import subprocess

import pytest

from inputs_support import CODECS, CONTAINERS, EVERY, LAYOUTS, Case, check, table, workshop

__all__ = ["table", "workshop"]

PCM = [f"pcm_{name}" for name in "alaw mulaw u8 s16le s24le s32le s64le f32le f64le".split()]
RIFF = ["mp3", "mp2", "ac3", "eac3", "dts", "wmav1", "wmav2", "gsm_ms", "g722", "g726", "g723_1", "adpcm_ms", "adpcm_ima_wav",
        "adpcm_swf", "adpcm_yamaha", *PCM]
APPLE_PCM = [f"pcm_{name}" for name in "alaw mulaw s8 s16le s16be s24le s24be s32le s32be f32le f32be f64le f64be".split()]
MP4 = ["aac", "mp3", "ac3", "eac3", "dts", "opus", "vorbis", "flac", "alac", "truehd"]
HOLDS = {
    "mp4": MP4,
    "mp4-faststart": MP4,
    "mp4-fragmented": ["aac", "mp3", "ac3", "opus", "flac", "alac"],
    "mp4-dash": ["aac"],
    "mov": ["aac", "mp3", "mp2", "ac3", "eac3", "dts", "vorbis", "alac", "alac24", "speex", "gsm", "gsm_ms", "nellymoser", "g722", "g726",
            "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "pcm_u8", *APPLE_PCM],
    "m4a": ["aac", "ac3", "alac"],
    "3gp": ["aac"],
    "mkv": ["aac", "mp3", "mp2", "ac3", "eac3", "dts", "opus", "vorbis", "flac", "flac24", "alac", "truehd", "tta", "wavpack", "wmav2",
            "adpcm_ms", "pcm_alaw", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"],
    "webm": ["opus", "vorbis"],
    "avi": [*RIFF, "aac"],
    "ts": ["aac", "mp3", "mp2", "ac3", "eac3", "dts", "opus"],
    "m2ts": ["ac3", "dts", "pcm_bluray"],
    "mpg": ["mp2", "mp3", "ac3", "dts", "pcm_dvd"],
    "vob": ["mp2", "ac3", "dts", "pcm_dvd"],
    "flv": ["aac", "mp3", "speex", "nellymoser", "adpcm_swf"],
    "wmv": ["wmav1", "wmav2", "mp3", "aac", "ac3", "pcm_s16le"],
    "ogg": ["opus", "vorbis", "flac", "speex"],
    "wav": RIFF,
    "rf64": ["pcm_s16le", "pcm_s24le", "pcm_f32le"],
    "w64": ["pcm_s16le", "pcm_s24le", "pcm_f32le", "ac3", "mp3"],
    "flac": ["flac", "flac24"],
    "aiff": ["adpcm_ima_qt", "pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be",
             "pcm_f64be"],
    "caf": ["alac", "alac24", "mp3", "mp2", "ac3", "opus", "gsm", "gsm_ms", "adpcm_ima_qt", *APPLE_PCM],
    "au": ["pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be"],
    "mp3": ["mp3"],
    "mp2": ["mp2"],
    "aac": ["aac"],
    "ac3": ["ac3"],
    "eac3": ["eac3"],
    "dts": ["dts"],
}
WITH_VIDEO = [("mp4", "aac"), ("mp4-faststart", "aac"), ("mp4-fragmented", "aac"), ("mov", "pcm_s16le"), ("3gp", "aac"), ("mkv", "aac"),
              ("mkv", "opus"), ("webm", "opus"), ("webm", "vorbis"), ("avi", "mp3"), ("avi", "ac3"), ("avi", "pcm_s16le"), ("ts", "aac"),
              ("ts", "ac3"), ("m2ts", "dts"), ("mpg", "mp2"), ("vob", "ac3"), ("flv", "aac"), ("flv", "mp3"), ("wmv", "wmav2"),
              ("ogg", "vorbis")]
MUCH = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
# codec: (container, rates, layouts)
RANGES = {
    "aac": ("mp4", MUCH, ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")),
    "mp3": ("mp3", MUCH[:9], ("mono", "stereo")),
    "mp2": ("mp2", (16000, 22050, 24000, 32000, 44100, 48000), ("mono", "stereo")),
    "ac3": ("ac3", (32000, 44100, 48000), ("mono", "stereo", "3.0", "4.0", "quad", "5.0", "5.1", "5.1(side)")),
    "eac3": ("eac3", (32000, 44100, 48000), ("mono", "stereo", "3.0", "quad", "5.1")),
    "dts": ("mkv", MUCH[:9], ("mono", "stereo", "quad", "5.0(side)", "5.1(side)")),
    "opus": ("ogg", (8000, 12000, 16000, 24000, 48000), ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")),
    "vorbis": ("ogg", (*MUCH, 192000), ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")),
    "flac": ("flac", (*MUCH, 176400, 192000), ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")),
    "flac24": ("flac", (96000, 192000), ("5.1",)),
    "alac": ("caf", (*MUCH, 176400, 192000), ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")),
    "alac24": ("m4a", (96000, 192000), ("mono",)),
    "truehd": ("mkv", (44100, 48000, 88200, 96000, 192000), ("stereo", "5.1")),
    "wmav2": ("wmv", (8000, 11025, 16000, 22050, 32000, 44100, 48000), ("mono", "stereo")),
    "nellymoser": ("flv", (8000, 16000, 11025, 22050, 44100), ("mono",)),
    "speex": ("ogg", (8000, 16000, 32000), ("mono", "stereo")),
    "pcm_s16le": ("wav", (*MUCH, 176400, 192000), tuple(LAYOUTS)),
    "pcm_s24be": ("aiff", (8000, 96000, 192000), ("mono", "5.1", "7.1")),
    "pcm_f32le": ("caf", (8000, 96000, 192000), ("mono", "5.1", "7.1")),
}


def usual(container, codec, has_video=False):
    return Case(container, codec, CODECS[codec][1], CODECS[codec][2], has_video)


def covering():
    yield from (usual(container, codec) for container in HOLDS for codec in HOLDS[container])
    yield from (usual(container, codec, True) for container, codec in WITH_VIDEO)
    for codec, (container, rates, layouts) in RANGES.items():
        yield from (Case(container, codec, rate, CODECS[codec][2]) for rate in rates)
        yield from (Case(container, codec, CODECS[codec][1], layout) for layout in layouts)
    yield from (Case("wav", codec, 48000, layout) for codec in PCM for layout in ("mono", "5.1", "7.1"))


def everything():
    """Whether ffmpeg can make it is seen when it is tried."""
    for container in CONTAINERS:
        for codec in HOLDS[container]:
            _, rates, layouts = RANGES.get(codec, ("", (CODECS[codec][1],), (CODECS[codec][2],)))
            if codec in PCM or codec in APPLE_PCM:
                _, rates, layouts = RANGES["pcm_s16le"]
            yield from (Case(container, codec, rate, layout) for rate in rates for layout in layouts)


COVERING = list(dict.fromkeys(covering()))
CASES = list(dict.fromkeys([*COVERING, *list(everything())[::EVERY]])) if EVERY else COVERING


@pytest.mark.parametrize("case", CASES, ids=str)
def test_input(workshop, table, case):
    try:
        seen = workshop.seen(case)
    except subprocess.CalledProcessError as e:
        why = e.stderr.decode().strip().splitlines()
        table.append(f"{case}: not possible, ffmpeg cannot make it: {why[0][:100] if why else ''}")
        if case in COVERING:
            raise AssertionError(why) from e
        pytest.skip("ffmpeg cannot make it")
    rate = CODECS[case.codec][3] or case.rate
    slack = 0
    try:
        table.append(f"{case}: {check(seen, rate, LAYOUTS[case.layout], slack)}")
    except AssertionError as e:
        table.append(f"{case}: FAILED: {str(e).splitlines()[0]}")
        raise

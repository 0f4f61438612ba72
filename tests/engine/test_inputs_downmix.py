"""More than two channels: by the standard's matrix (ITU-R BS.775), normalised, and nothing clips.

The matrix is written down here, apart from any resampler's.
"""
import functools
import math
from operator import mul

import pytest

from inputs_support import LAYOUTS, convert, decode, ffmpeg, folder, gain_and_noise_db, tone_hz, tones

__all__ = ["folder"]

RATE = 48000
H = math.sqrt(0.5)
# What each channel gives to the left and to the right; ffmpeg's order of channels. LFE is left out.
LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT, BACK_CENTRE = (1, 0), (0, 1), (H, H), (0, 0), (H, 0), (0, H), (H * H, H * H)
MATRIX = {
    "2.1": [LEFT, RIGHT, LFE],
    "3.0": [LEFT, RIGHT, CENTRE],
    "3.0(back)": [LEFT, RIGHT, BACK_CENTRE],
    "4.0": [LEFT, RIGHT, CENTRE, BACK_CENTRE],
    "quad": [LEFT, RIGHT, BACK_LEFT, BACK_RIGHT],
    "5.0": [LEFT, RIGHT, CENTRE, BACK_LEFT, BACK_RIGHT],
    "5.0(side)": [LEFT, RIGHT, CENTRE, BACK_LEFT, BACK_RIGHT],
    "5.1": [LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT],
    "5.1(side)": [LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT],
    "6.0": [LEFT, RIGHT, CENTRE, BACK_CENTRE, BACK_LEFT, BACK_RIGHT],
    "6.1": [LEFT, RIGHT, CENTRE, LFE, BACK_CENTRE, BACK_LEFT, BACK_RIGHT],
    "7.0": [LEFT, RIGHT, CENTRE, BACK_LEFT, BACK_RIGHT, BACK_LEFT, BACK_RIGHT],
    "7.1": [LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT, BACK_LEFT, BACK_RIGHT],
}


def matrix(layout):
    """Normalised: with full scale in all channels the louder side is at full scale."""
    loudest = max(sum(gains[side] for gains in MATRIX[layout]) for side in (0, 1))
    return [[gain / loudest for gain in gains] for gains in MATRIX[layout]]


@functools.lru_cache(None)
def waves(hz, count):
    step = 2 * math.pi * hz / RATE
    return [math.cos(step * i) for i in range(count)], [math.sin(step * i) for i in range(count)]


def amplitude(samples, hz):
    """Of one tone; the stretch holds a whole number of its periods."""
    count = RATE // 4
    part = samples[RATE // 4:RATE // 4 + count]
    return 2 / count * math.hypot(*(sum(map(mul, part, wave)) for wave in waves(hz, count)))


@pytest.mark.parametrize("layout", MATRIX)
def test_each_channel_is_where_the_standard_puts_it(folder, layout):
    source, target = folder / "tones.wav", folder / "tones.mp3"
    ffmpeg(*tones(RATE, layout, 1, amplitude=0.9), "-c:a", "pcm_s24le", source)
    result = convert(source, target, "mode=cbr", "bitrate=320")
    assert result["result"] == "ok" and result["channels"] == 2
    sides = decode(target, 2)
    for channel, gains in enumerate(matrix(layout)):
        for side, gain in zip(sides, gains):
            found = amplitude(side, tone_hz(RATE, channel)) / 0.9
            if gain == 0:
                assert found < 0.003, (channel, found)
            else:
                assert abs(20 * math.log10(found / gain)) < 0.1, (channel, found, gain)


@pytest.fixture(scope="module")
def full_scale(folder):
    path = folder / "one.wav"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc=sin(2*PI*t*997):s={RATE}:d=0.5", "-c:a", "pcm_f32le", path)
    return decode(path, 1)[0]


@pytest.mark.parametrize("layout,pcm", [*((layout, "pcm_f32le") for layout in ("stereo", *MATRIX)),
                                        *(("7.1", f"pcm_{pcm}") for pcm in ("u8", "s16le", "s24le", "s32le", "f64le"))])
def test_full_scale_in_all_channels_does_not_clip(folder, full_scale, layout, pcm):
    """The same tone in all: what comes out is that tone at full scale, and not more."""
    sines = "|".join(["sin(2*PI*t*997)"] * LAYOUTS[layout])
    source, target = folder / "full.wav", folder / "full.mp3"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={sines}:s={RATE}:d=0.5:c={layout}", "-c:a", pcm, source)
    assert convert(source, target, "mode=cbr", "bitrate=320")["result"] == "ok"
    for side in decode(target, 2):
        gain, noise = gain_and_noise_db(side, full_scale)
        # Eight bits have a noise of their own; a tone that is clipped by 0.1 dB is at -46 dB.
        assert abs(gain) < 0.05 and noise < (-40 if pcm == "pcm_u8" else -50), (gain, noise)
        assert max(map(abs, side)) < 1.02


def test_down_to_one_channel(folder):
    """5.1 as one channel: left and right of the stereo mix in equal parts, and no louder than full scale."""
    source, target = folder / "surround.wav", folder / "mono.mp3"
    ffmpeg(*tones(RATE, "5.1", 1, amplitude=0.9), "-c:a", "pcm_s24le", source)
    assert convert(source, target, "mode=cbr", "bitrate=320", "channels=1")["channels"] == 1
    got = decode(target, 1)[0]
    gains = [sum(pair) for pair in MATRIX["5.1"]]
    for channel, gain in enumerate(gains):
        found = amplitude(got, tone_hz(RATE, channel)) / 0.9
        if gain == 0:
            assert found < 0.003
        else:
            assert abs(20 * math.log10(found / (gain / sum(gains)))) < 0.1, (channel, found)


def test_one_channel_of_two(folder):
    source, target = folder / "two.wav", folder / "mono.mp3"
    ffmpeg(*tones(RATE, "stereo", 1, amplitude=0.9), "-c:a", "pcm_s24le", source)
    assert convert(source, target, "mode=cbr", "bitrate=320", "channels=1")["channels"] == 1
    for channel in range(2):
        assert abs(20 * math.log10(amplitude(decode(target, 1)[0], tone_hz(RATE, channel)) / 0.45)) < 0.1

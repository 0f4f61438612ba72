"""Every MP3 tells how much of it is no sound, also where LAME's frames have no room to tell it."""
import pytest

from test_engine_files import check_mp3, convert, ffmpeg, folder, mpg123_samples, samples, sound

__all__ = ["folder"]

MPEG1, MPEG2 = (32000, 44100, 48000), (8000, 11025, 12000, 16000, 22050, 24000)
LOW = [8, 16, 24, 32, 40, 48, 56, 64]
KINDS = [(rate, kbps) for rate in MPEG2 + MPEG1 for kbps in LOW if rate in MPEG2 or kbps >= 32]


@pytest.mark.parametrize("rate,kbps", KINDS, ids=[f"{rate}-{kbps}" for rate, kbps in KINDS])
def test_low_bitrates(folder, rate, kbps):
    channels = 1 + (rate // 100 + kbps // 8) % 2
    source, target = folder / f"low{rate}-{channels}.wav", folder / "low.mp3"
    if not source.exists():
        ffmpeg(*sound(rate, channels, 1.2345), source)
    result = convert(source, target, f"bitrate={kbps}")
    assert result["result"] == "ok" and result["bitrate_kbps"] == kbps, result
    expected = samples(source)
    assert samples(target) == expected
    assert mpg123_samples(target, channels) == expected
    assert b"Info" in target.read_bytes()[:64]
    check_mp3(target)

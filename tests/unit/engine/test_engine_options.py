"""What the options of a conversion do to the sound: cuts, fades, tracks."""
import subprocess
from array import array

import pytest

from test_engine_files import convert, expect, ffmpeg, folder, samples, sound

__all__ = ["folder"]


@pytest.fixture(scope="module")
def wav(folder):
    """6 s, 44.1 kHz, stereo, no loss."""
    path = folder / "cuts.wav"
    ffmpeg(*sound(44100, 2, 6.0), path)
    return path


@pytest.mark.parametrize("start,end", [("0.7", "2.1"), ("0", "0.001"), ("1.234", ""), ("", "3.333"), ("0:02.5", "00:00:05.999"),
                                       ("5.999", ""), ("2", "100")])
def test_a_cut_is_exact_to_the_sample(folder, wav, start, end):
    """The MP3 of a part is that of a file which holds this part alone, byte for byte."""
    def seconds(text):
        return sum(float(part) * 60 ** i for i, part in enumerate(reversed(text.split(":"))))

    first = round(seconds(start or "0") * 44100)
    last = min(round(seconds(end) * 44100) if end else 6 * 44100, 6 * 44100)
    part, ours, theirs = folder / "part.wav", folder / "ours.mp3", folder / "theirs.mp3"
    ffmpeg("-i", wav, "-af", f"atrim=start_sample={first}:end_sample={last}", part)
    options = [f"{name}={value}" for name, value in (("start", start), ("end", end)) if value]
    result = convert(wav, ours, *options)
    assert result["result"] == "ok", result
    assert abs(result["duration_s"] * 44100 - (last - first)) <= 1
    assert convert(part, theirs)["result"] == "ok"
    assert ours.read_bytes() == theirs.read_bytes()


def test_what_is_after_the_end_is_not_read(folder):
    source = folder / "long.wav"
    ffmpeg(*sound(44100, 2, 120.0), source)
    assert convert(source, folder / "x.mp3", "end=10")["read_bytes"] < source.stat().st_size / 4


@pytest.mark.parametrize("suffix", ["wav", "ts"])
def test_a_start_behind_the_end(folder, suffix):
    """Said before any work where the header tells the length, and else when it shows."""
    source = folder / f"short-sound.{suffix}"
    ffmpeg(*sound(48000, 2, 2.0), source)
    result = convert(source, folder / "x.mp3", "start=2.5")
    expect(result, "trim-out-of-range")
    assert "2.500" in result["detail"]


def pcm(path):
    run = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-f", "s16le", "-"], capture_output=True, check=True,
                         timeout=60)
    return array("h", run.stdout)


def loudness(values):
    return (sum(v * v for v in values) / len(values)) ** 0.5


@pytest.mark.parametrize("options,total", [((), 4.0), (("start=0.5", "end=3.5"), 3.0)])
def test_fades(folder, options, total):
    source, target = folder / "tone.wav", folder / "faded.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=1000:r=48000:d=4", "-ac", "2", source)
    assert convert(source, target, "fade_in=1", "fade_out=0.5", "mode=cbr", "bitrate=320", *options)["result"] == "ok"
    decoded = pcm(target)
    assert len(decoded) == total * 48000
    full = loudness(decoded[int(1.2 * 48000):int(2.2 * 48000)])
    for at, share in ((0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (total - 0.375, 0.75), (total - 0.25, 0.5), (total - 0.125, 0.25)):
        middle = int(at * 48000)
        assert loudness(decoded[middle - 240:middle + 240]) / full == pytest.approx(share, abs=0.02), at
    assert max(map(abs, decoded[:24] + decoded[-24:])) < 400


def test_fades_longer_than_the_sound(folder):
    source, target = folder / "blip.wav", folder / "blip.mp3"
    ffmpeg(*sound(48000, 1, 0.2), source)
    result = convert(source, target, "fade_in=30", "fade_out=30")
    assert result["result"] == "ok" and samples(target) == 9600


@pytest.fixture(scope="module")
def tracks(folder):
    """English at 44.1 kHz, German at 48 kHz (the default), French at 32 kHz."""
    path = folder / "tracks.mkv"
    ffmpeg(*sound(44100), *sound(48000), *sound(32000), "-map", "0", "-map", "1", "-map", "2", "-c:a", "libmp3lame",
           "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=fre",
           "-disposition:a:0", "0", "-disposition:a:1", "default", path)
    return path


@pytest.mark.parametrize("track,rate", [("", 48000), ("0", 44100), ("1", 48000), ("2", 32000), ("eng", 44100), ("FRE", 32000),
                                        ("de", 48000), ("deu", 48000), ("de-DE", 48000), ("fr", 32000)])
def test_the_track_that_was_asked_for(folder, tracks, track, rate):
    result = convert(tracks, folder / "x.mp3", f"track={track}")
    assert (result["result"], result["sample_rate_hz"]) == ("ok", rate)


@pytest.mark.parametrize("track", ["3", "ita"])
def test_a_track_that_is_not_there(folder, tracks, track):
    result = convert(tracks, folder / "x.mp3", f"track={track}")
    expect(result, "track-not-found")
    assert result["detail"] == f"There is no track {track}; there are: 0 (mp3, eng), 1 (mp3, ger), 2 (mp3, fre)."


@pytest.mark.parametrize("preset,mode,channels", [("standard", "vbr", 2), ("voice", "abr", 1), ("high", "vbr", 2), ("best", "cbr", 2)])
def test_presets(folder, wav, preset, mode, channels):
    result = convert(wav, folder / "x.mp3", f"preset={preset}")
    assert (result["mode"], result["channels"]) == (mode, channels)


@pytest.mark.parametrize("options", [["loudness=normalize"], ["trim_silence=true"], ["loudness=normalize", "start=1"]], ids=" ".join)
@pytest.mark.parametrize("encoder, suffix", [(["-c:a", "pcm_s16le"], "wav"), (["-c:a", "aac"], "m4a"), (["-c:a", "libopus"], "ogg"),
                                             (["-c:a", "aac"], "ts"), (["-c:a", "libmp3lame"], "mp3")],
                         ids=["wav", "m4a", "ogg", "ts", "mp3"])
def test_the_sound_is_read_twice(folder, wav, encoder, suffix, options):
    """What has to be measured first begins again at the input's first byte."""
    source = folder / f"twice.{suffix}"
    ffmpeg("-i", wav, *encoder, source)
    once, twice = (convert(source, folder / "read_twice.mp3", *some) for some in ([o for o in options if "=" in o and "start" in o], options))
    assert once["result"] == twice["result"] == "ok", twice
    assert abs(once["duration_s"] - twice["duration_s"]) < 0.01


def test_sound_of_a_millisecond(folder):
    """So little that the resampler gives nothing."""
    source = folder / "millisecond.wav"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.5:s=8000", "-af", "atrim=end_sample=8", source)
    expect(convert(source, folder / "millisecond.mp3", "sample_rate=44100"), "no-audio-stream")
    assert convert(source, folder / "millisecond.mp3")["result"] == "ok"


@pytest.mark.parametrize("rate,options,allowed", [
    (22050, ("bitrate=256",), "8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144 or 160 when sample_rate is 22050"),
    (44100, ("bitrate=144",), "when sample_rate is 44100"), (8000, ("mode=abr", "bitrate=100"), "8..64 when sample_rate is 8000")])
def test_a_bitrate_that_the_sources_rate_does_not_have(folder, rate, options, allowed):
    source = folder / f"rate{rate}.wav"
    ffmpeg(*sound(rate, 1, 1.0), source)
    result = convert(source, folder / "x.mp3", *options)
    expect(result, "invalid-option")
    assert result["detail"].startswith("bitrate must be ") and allowed in result["detail"]


@pytest.mark.parametrize("options,kbps", [(("preset=best",), 160), (("mode=cbr",), 160), (("mode=abr",), None)])
def test_a_presets_bitrate_yields(folder, options, kbps):
    source = folder / "low.wav"
    ffmpeg(*sound(22050, 1, 1.0), source)
    result = convert(source, folder / "x.mp3", *options)
    assert result["result"] == "ok" and kbps in (None, result["bitrate_kbps"]), result

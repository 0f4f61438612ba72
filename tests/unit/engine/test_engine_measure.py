"""Loudness as ffmpeg's ebur128 filter tells it, and silence as its silenceremove cuts it."""
import json
import os
import re
import subprocess

import pytest

from test_engine_files import ffmpeg, folder

__all__ = ["folder"]

# Graphs that make sound; each has soft and loud parts, so that the gates and the range have work.
SOUNDS = {
    "tone": "sine=997:r={rate}:d=12,volume=0.3",
    "noise": "anoisesrc=c=pink:r={rate}:d=30:a=0.7:seed=7,tremolo=f=0.11:d=0.95",
    "bursts": "aevalsrc='0.8*sin(2*PI*440*t)*lt(mod(t,4.73),1.6)+0.01*sin(2*PI*300*t)':s={rate}:d=30",
    "long": "anoisesrc=c=pink:r={rate}:d=300:a=0.7:seed=9,tremolo=f=0.11:d=0.95",
    "soft": "anoisesrc=c=brown:r={rate}:d=15:a=0.05:seed=3",
    "loud": "aevalsrc='2.5*sin(2*PI*1234*t)*exp(-mod(t,2))':s={rate}:d=16",
}


def raw(folder, name, rate, channels):
    """The sound as floats; its two channels differ."""
    path = folder / f"{name}-{rate}-{channels}.f32"
    pan = "pan=mono|c0=c0" if channels == 1 else "pan=stereo|c0=0.9*c0|c1=0.6*c0,aphaser=decay=0.2"
    ffmpeg("-f", "lavfi", "-i", f"{SOUNDS[name].format(rate=rate)},{pan}", "-f", "f32le", "-ar", rate, path)
    return path


def ours(path, rate, channels):
    with open(path, "rb") as floats:
        run = subprocess.run([os.environ["MEASURE_FILE"], str(rate), str(channels)], stdin=floats, capture_output=True, check=True,
                             timeout=60)
    return json.loads(run.stdout)


def theirs(path, rate, channels):
    run = subprocess.run(["ffmpeg", "-hide_banner", "-nostats", "-f", "f32le", "-ar", str(rate), "-ac", str(channels), "-i", str(path),
                          "-af", "ebur128=peak=true+sample:framelog=verbose", "-f", "null", "-"], capture_output=True, text=True,
                         check=True, timeout=60)
    summary = run.stderr[run.stderr.index("Summary:"):]

    def number(name, unit):
        return [float(value) for value in re.findall(rf"{name}:\s+(-?[\d.]+|-inf) {unit}", summary)]

    sample_peak, true_peak = number("Peak", "dBFS")
    return {"lufs": number("I", "LUFS")[0], "range": number("LRA", "LU")[0], "sample_peak": sample_peak, "true_peak": true_peak}


@pytest.mark.parametrize("rate,channels", [(48000, 2), (48000, 1), (44100, 2), (22050, 1), (8000, 2)])
@pytest.mark.parametrize("name", ["tone", "noise", "bursts", "soft", "loud"])
def test_loudness(folder, name, rate, channels):
    """One decimal is all that ffmpeg says. At 48 kHz both measure the same samples; below it ffmpeg raises the rate first."""
    path = raw(folder, name, rate, channels)
    mine, other = ours(path, rate, channels), theirs(path, rate, channels)
    assert mine["is_measured"]
    assert mine["lufs"] == pytest.approx(other["lufs"], abs=0.15)
    assert mine["sample_peak"] == pytest.approx(other["sample_peak"], abs=0.06 if rate == 48000 else 0.6)
    assert mine["true_peak"] == pytest.approx(other["true_peak"], abs=0.4)


def test_range(folder):
    """ffmpeg counts the first three seconds as if silence had been before them; a long sound makes that little."""
    path = raw(folder, "long", 8000, 1)
    assert ours(path, 8000, 1)["range"] == pytest.approx(theirs(path, 8000, 1)["range"], abs=1)


def test_two_equal_channels_are_three_lu_louder(folder):
    mono, stereo = folder / "mono.f32", folder / "stereo.f32"
    for path, channels in ((mono, 1), (stereo, 2)):
        ffmpeg("-f", "lavfi", "-i", SOUNDS["tone"].format(rate=48000), "-ac", channels, "-af", "pan=mono|c0=c0" if channels == 1
               else "pan=stereo|c0=c0|c1=c0", "-f", "f32le", path)
    one, two = ours(mono, 48000, 1), ours(stereo, 48000, 2)
    assert two["lufs"] - one["lufs"] == pytest.approx(3.01, abs=0.01)
    assert two["true_peak"] == one["true_peak"]
    assert theirs(stereo, 48000, 2)["lufs"] - theirs(mono, 48000, 1)["lufs"] == pytest.approx(3.0, abs=0.11)


@pytest.mark.parametrize("text", ["Good evening.", "Tick, tock."])
def test_silence_around_speech(folder, text):
    """Silence of a known length around a voice; ffmpeg's silenceremove, made as cautious, leaves as much to a few hundredths."""
    voice, padded, cut = folder / "voice.wav", folder / "padded.f32", folder / "cut.f32"
    subprocess.run(["espeak-ng", "-w", str(voice), text], check=True, timeout=60)
    ffmpeg("-i", voice, "-af", "aresample=48000,adelay=700,apad=pad_dur=0.9", "-ac", "1", "-f", "f32le", padded)
    trim = "silenceremove=start_periods=1:start_threshold=-60dB:window=0.005:detection=rms"
    ffmpeg("-f", "f32le", "-ar", "48000", "-ac", "1", "-i", padded, "-af", f"{trim},areverse,{trim},areverse", "-f", "f32le", cut)
    mine = ours(padded, 48000, 1)
    total = padded.stat().st_size // 4
    assert mine["has_sound"]
    assert 0.69 * 48000 <= mine["first"] < 0.9 * 48000
    assert mine["end"] <= total - 0.89 * 48000
    assert mine["end"] - mine["first"] == pytest.approx(cut.stat().st_size // 4, abs=0.05 * 48000)

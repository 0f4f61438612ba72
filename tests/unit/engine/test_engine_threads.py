"""One file on several threads, through the program engine_file: in the sandbox as a release has it,
and as the build made it."""
import subprocess

import pytest

from test_engine_files import (ENGINE, check_mp3, convert, ffmpeg, folder, mpg123_samples,
                               samples)

__all__ = ["folder"]


@pytest.fixture(scope="session")
def speech(folder):
    """Half a minute of speech, then the same at a tenth of the level, at 44.1 kHz."""
    spoken, path = folder / "spoken.wav", folder / "speech.wav"
    text = "The quick brown fox jumps over the lazy dog, and nobody hears where the parts meet. "
    subprocess.run(["espeak-ng", "-w", str(spoken), text * 7], check=True, timeout=60)
    ffmpeg("-i", spoken, "-i", spoken, "-filter_complex",
           "[1]volume=0.1[b];[0][b]concat=n=2:v=0:a=1,aresample=44100", "-ac", 2, path)
    assert samples(path) > 40 * 44100
    return path


@pytest.mark.parametrize("options", [
    ["bitrate=128"], ["mode=vbr", "quality=2"], ["mode=abr", "bitrate=96"],
    ["bitrate=64", "sample_rate=22050", "channels=1"]], ids=lambda o: " ".join(o))
def test_threads_and_decoders(folder, speech, options):
    """The same bytes from any number of threads, and no decoder minds a joint."""
    one = folder / "one.mp3"
    result = convert(speech, one, *options, "threads=1")
    assert result["result"] == "ok", result
    for threads in (2, 3, 64):
        target = folder / "threads.mp3"
        again = convert(speech, target, *options, f"threads={threads}")
        assert again["result"] == "ok", again
        assert target.read_bytes() == one.read_bytes()
        assert again["bitrate_kbps"] == result["bitrate_kbps"]
        if threads == 2:
            assert again["peak_rss_bytes"] < 110 << 20
    check_mp3(one)
    rate = result["sample_rate_hz"]
    expected = samples(speech, rate)
    slack = 0 if rate == 44100 else 1
    assert abs(samples(one) - expected) <= slack
    assert abs(mpg123_samples(one, result["channels"]) - expected) <= slack
    for command in (["mpg123", "-q", "-t", str(one)],
                    ["ffmpeg", "-v", "warning", "-nostdin", "-i", str(one), "-f", "null", "-"]):
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert run.stderr == "", run.stderr


def test_threads_as_the_build_made_it(folder, speech):
    built, plain = folder / "built.mp3", folder / "plain.mp3"
    assert convert(speech, built, "threads=3", engine=ENGINE)["result"] == "ok"
    assert convert(speech, plain, "threads=2")["result"] == "ok"
    assert built.read_bytes() == plain.read_bytes()

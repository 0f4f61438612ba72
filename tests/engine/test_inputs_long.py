"""Memory does not grow with the sound's length, but for the container's own table of packets.

A few minutes more stand for ten hours. The child without sanitizers runs, whose allocator keeps nothing.
"""
import pytest

from inputs_support import PLAIN_ENGINE, convert, ffmpeg, folder

__all__ = ["folder"]

RATE = 8000
MINUTES = (6, 24)


def loop(folder, minutes, suffix, codec):
    """One minute over and over: cheap to make."""
    minute, path = folder / f"minute.{suffix}", folder / f"{minutes}.{suffix}"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc=0.3*sin(2*PI*t*(300+5*t))+0.02*random(0):s={RATE}:d=60", *codec, minute)
    ffmpeg("-stream_loop", minutes - 1, "-i", minute, "-c", "copy", path)
    return path


# A packet in an MP4 has its place in libavformat's table and in the header's: 64 bytes of memory at most.
@pytest.mark.parametrize("suffix,codec,packet_bytes", [("m4a", ["-c:a", "aac", "-b:a", "16k"], 64), ("mka", ["-c:a", "aac", "-b:a", "16k"], 0),
                                                       ("ts", ["-c:a", "aac", "-b:a", "16k"], 0)],
                         ids=["m4a", "mka", "ts"])
def test_memory_for_a_long_sound(folder, suffix, codec, packet_bytes):
    peaks = []
    for minutes in MINUTES:
        source = loop(folder, minutes, suffix, codec)
        result = convert(source, folder / "long.mp3", "mode=cbr", "bitrate=16", engine=PLAIN_ENGINE)
        source.unlink()
        assert result["result"] == "ok" and abs(result["duration_s"] - minutes * 60) < minutes, result
        peaks.append(result["peak_rss_bytes"])
    packets = (MINUTES[1] - MINUTES[0]) * 60 * RATE // 1024
    # The rest is what buffers fill up with, and what a page more or less makes.
    assert peaks[1] - peaks[0] < packets * packet_bytes + (2 << 20), peaks

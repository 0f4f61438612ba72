"""Small test media, made by ffmpeg once and kept in the build folder."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

SOUND = ["-f", "lavfi", "-i", "aevalsrc=0.3*sin(440*2*PI*t)|0.3*sin(660*2*PI*t):s=48000:d={seconds}"]
PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration={seconds}"]
AAC = ["-c:a", "aac", "-b:a", "128k"]
MPEG4 = ["-c:v", "mpeg4", "-q:v", "8"]

# name: (suffix, ffmpeg's arguments); {seconds} is filled in.
KINDS = {
    "mp4": ("mp4", [*PICTURE, *SOUND, *MPEG4, *AAC]),
    "mkv": ("mkv", [*PICTURE, *SOUND, *MPEG4, "-c:a", "libvorbis"]),
    "webm": ("webm", [*SOUND, "-c:a", "libopus"]),
    "mono": ("mp4", [*SOUND, *AAC, "-ac", "1", "-ar", "22050"]),
    "wav": ("wav", [*SOUND]),
    "m4a": ("m4a", [*SOUND, *AAC]),
    "silent": ("mp4", [*PICTURE, *MPEG4]),
    "exotic": ("ts", [*PICTURE, *SOUND, *MPEG4, "-c:a", "s302m", "-strict", "-2"]),
    "tail": ("mp4", [*PICTURE, *SOUND, *MPEG4, *AAC, "-movflags", "-faststart"]),
    "fast": ("mp4", [*PICTURE, *SOUND, *MPEG4, *AAC, "-movflags", "+faststart"]),
    "encrypted": ("mp4", [*SOUND, *AAC, "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0123456789abcdef" * 2,
                          "-encryption_kid", "0123456789abcdef" * 2]),
}


def cache_folder():
    binaries = os.environ.get("UNREEL_TEST_BIN")
    folder = Path(binaries).parent / "media" if binaries else Path(tempfile.gettempdir()) / "unreel-media"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make(name, suffix, arguments):
    """ffmpeg's output for the arguments, cached under the name; the path."""
    path = cache_folder() / f"{name}.{suffix}"
    if not path.exists():
        handle, fresh = tempfile.mkstemp(suffix=f".{suffix}", dir=path.parent)
        os.close(handle)
        subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, fresh], check=True, stdin=subprocess.DEVNULL)
        os.rename(fresh, path)
    return path


def clip(kind="mp4", seconds=3):
    suffix, arguments = KINDS[kind]
    return make(f"{kind}-{seconds}s", suffix, [argument.replace("{seconds}", str(seconds)) for argument in arguments])


def long_clip(seconds=900):
    """A file whose conversion lasts for seconds of wall time: cheap to make, for it is one clip over and over."""
    source = clip("m4a", 30)
    return make(f"long-{seconds}s", "m4a", ["-stream_loop", str(seconds // 30 - 1), "-i", str(source), "-c", "copy"])


def probe(path):
    """ffprobe's word on a file: {"codec", "sample_rate", "channels", "duration", "bit_rate"}."""
    result = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(path)],
                            capture_output=True, text=True, check=True)
    assert result.stderr == "", result.stderr
    found = json.loads(result.stdout)
    stream, = found["streams"]
    return {"codec": stream["codec_name"], "sample_rate": int(stream["sample_rate"]), "channels": stream["channels"],
            "duration": float(found["format"]["duration"]), "bit_rate": int(stream["bit_rate"])}


def decoded_samples(path):
    """How many samples per channel a gapless decoder makes of it; fails on any complaint of the decoder."""
    result = subprocess.run(["ffmpeg", "-v", "warning", "-i", str(path), "-f", "s16le", "-ac", "1", "-"],
                            capture_output=True, check=True)
    assert result.stderr == b"", result.stderr.decode()
    return len(result.stdout) // 2


def source_samples(path, rate):
    """The same for a source, at the MP3's rate."""
    result = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-f", "s16le", "-ac", "1", "-ar", str(rate), "-"],
                            capture_output=True, check=True)
    return len(result.stdout) // 2


def assert_clean_mp3(path):
    """No decoder finds a fault in it."""
    result = subprocess.run(["mpg123", "-t", str(path)], capture_output=True, text=True, check=False)
    noise = result.stdout + result.stderr
    assert result.returncode == 0 and "error" not in noise.lower() and "warning" not in noise.lower(), noise
    result = subprocess.run(["mp3val", str(path)], capture_output=True, text=True, check=True)
    # An ID3 tag is no duty.
    faults = [line for line in result.stdout.splitlines()
              if line.startswith(("WARNING", "ERROR")) and "No supported tags" not in line]
    assert not faults, faults

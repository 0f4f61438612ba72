"""`unreel convert` between pipes: what a pipe can do it does as a file would, and what it cannot it says."""
import subprocess

import pytest

from harness import media
from harness.cli import unreel  # noqa: F401
from harness.stack import binary_folder

SOUND = ["-f", "lavfi", "-i", "aevalsrc=0.3*sin(440*2*PI*t)|0.3*sin(660*2*PI*t):s=48000:d=3"]
PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3"]
VIDEO = [*PICTURE, *SOUND, "-c:v", "mpeg4", "-q:v", "8"]
CONTAINERS = {
    "moov first": ("mp4", [*VIDEO, "-c:a", "aac", "-movflags", "+faststart"]),
    "fragmented": ("mp4", [*VIDEO, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000"]),
    "mkv": ("mkv", [*VIDEO, "-c:a", "libvorbis"]),
    "webm": ("webm", [*SOUND, "-c:a", "libopus"]),
    "ts": ("ts", [*VIDEO, "-c:a", "aac"]),
    "ps": ("mpg", [*PICTURE, *SOUND, "-c:v", "mpeg2video", "-c:a", "mp2"]),
    "avi": ("avi", [*VIDEO, "-c:a", "libmp3lame"]),
    "flv": ("flv", [*SOUND, "-ar", "44100", "-c:a", "aac"]),
    "ogg": ("ogg", [*SOUND, "-c:a", "libvorbis"]),
    "wav": ("wav", SOUND),
    "flac": ("flac", [*SOUND, "-c:a", "flac"]),
    "mp3": ("mp3", [*SOUND, "-c:a", "libmp3lame"]),
    # It is small enough to be kept whole.
    "moov last": ("mp4", [*VIDEO, "-c:a", "aac"]),
}


def piped(unreel, source, *arguments, code=0):
    """The command with a real pipe at both ends, fed in odd pieces: its standard output and its complaints."""
    with subprocess.Popen(["dd", f"if={source}", "bs=7777", "status=none"], stdout=subprocess.PIPE) as feeder:
        result = subprocess.run([binary_folder() / "unreel", "convert", *map(str, arguments)], stdin=feeder.stdout, check=False,
                                env=unreel.env, capture_output=True, timeout=120, cwd=unreel.home)
        feeder.stdout.close()
    assert result.returncode == code, result.stderr
    return result.stdout, result.stderr.decode()


def frames(mp3):
    """What is behind the ID3 head, if there is one."""
    if mp3[:3] != b"ID3":
        return mp3
    size = sum(byte << 7 * (3 - i) for i, byte in enumerate(mp3[6:10]))
    return mp3[10 + size:]


def sound(mp3):
    """What is behind the frame with the tag (MPEG-1 layer III)."""
    mp3 = frames(mp3)
    assert b"LAME" in mp3[:400]
    kbps = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[mp3[2] >> 4]
    return mp3[144000 * kbps // (44100, 48000, 32000)[mp3[2] >> 2 & 3] + (mp3[2] >> 1 & 1):]


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container(unreel, tmp_path, name):
    """From a pipe into a file: the same bytes as from the file. Into a pipe: the same without the frame of the tag."""
    suffix, arguments = CONTAINERS[name]
    source = media.make(f"pipe-{name.replace(' ', '-')}", suffix, arguments)
    unreel.run("convert", source, "file.mp3", "--copy", "never")
    wanted = (tmp_path / "file.mp3").read_bytes()
    stdout, _ = piped(unreel, source, "-", "piped.mp3", "--copy", "never")
    assert b"piped.mp3: " in stdout
    assert (tmp_path / "piped.mp3").read_bytes() == wanted
    stdout, stderr = piped(unreel, source, "-", "-", "--copy", "never")
    assert stderr == ""
    assert frames(stdout) == sound(wanted)
    decoded = subprocess.run(["ffmpeg", "-v", "warning", "-i", "-", "-f", "s16le", "-ac", "1", "-"], input=stdout, capture_output=True,
                             check=True, timeout=60)
    assert decoded.stderr == b""
    # Nothing tells a decoder of the encoder's delay and padding.
    assert 576 <= len(decoded.stdout) // 2 - media.decoded_samples(tmp_path / "file.mp3") < 576 + 2 * 1152


@pytest.mark.parametrize("name", ["avi", "mp3"])
def test_what_is_copied(unreel, tmp_path, name):
    """Sound that is MP3 already goes through a pipe as it is."""
    suffix, arguments = CONTAINERS[name]
    source = media.make(f"pipe-{name}", suffix, arguments)
    unreel.run("convert", source, "file.mp3")
    piped(unreel, source, "-", "piped.mp3")
    assert media.decoded_samples(tmp_path / "piped.mp3") == media.decoded_samples(tmp_path / "file.mp3")
    stdout, stderr = piped(unreel, source, "-", "-")
    assert stderr == "" and frames(stdout) in (tmp_path / "file.mp3").read_bytes()


def test_an_index_at_the_end_of_a_long_video(unreel, tmp_path):
    """By the time it comes, the sound is no longer kept."""
    source = media.make("pipe-tail-long", "mov", ["-f", "lavfi", "-i", "sine=440:r=48000:d=200", "-ac", "2", "-c:a", "pcm_s16le"])
    assert source.stat().st_size > 36 << 20
    _, stderr = piped(unreel, source, "-", "out.mp3", code=5)
    assert "backwards" in stderr and "give it as a file" in stderr
    assert not list(tmp_path.glob("*"))
    fast = media.make("pipe-fast-long", "mov", ["-i", str(source), "-c", "copy", "-movflags", "+faststart"])
    piped(unreel, fast, "-", "out.mp3")
    assert media.decoded_samples(tmp_path / "out.mp3") == 200 * 48000


def test_what_follows_the_end_is_not_waited_for(unreel, tmp_path):
    """`head` of a stream that goes on: the writer is let go."""
    with subprocess.Popen(["ffmpeg", "-v", "quiet", "-f", "lavfi", "-i", "sine=440:r=48000", "-f", "wav", "-"],
                          stdout=subprocess.PIPE) as feeder:
        subprocess.run([binary_folder() / "unreel", "convert", "-", "out.mp3", "--end", "20"], stdin=feeder.stdout, check=True,
                       env=unreel.env, stdout=subprocess.DEVNULL, timeout=60, cwd=tmp_path)
        feeder.stdout.close()
        feeder.wait(20)
    assert media.decoded_samples(tmp_path / "out.mp3") == 20 * 48000


def test_redirected_files_are_files(unreel, tmp_path):
    """With `<` and `>` nothing is lost: the tag is there, an index may be at the end."""
    unreel.run("convert", media.clip("tail"), "wanted.mp3")
    with open(media.clip("tail"), "rb") as source, open(tmp_path / "out.mp3", "wb") as target:
        subprocess.run([binary_folder() / "unreel", "convert", "-", "-"], stdin=source, stdout=target, check=True, env=unreel.env,
                       timeout=60, cwd=tmp_path)
    wanted = (tmp_path / "wanted.mp3").read_bytes()
    assert (tmp_path / "out.mp3").read_bytes() == wanted
    with open(tmp_path / "out.mp3", "ab") as target:
        subprocess.run([binary_folder() / "unreel", "convert", media.clip("tail"), "-"], stdout=target, check=True, env=unreel.env,
                       timeout=60, cwd=tmp_path)
    both = (tmp_path / "out.mp3").read_bytes()
    assert both.startswith(wanted) and frames(both[len(wanted):]) == sound(wanted)


def test_named_pipes(unreel, tmp_path):
    """As <(...) of a shell is one."""
    done = subprocess.run(["bash", "-c", '"$0" convert <(cat "$1") out.mp3', binary_folder() / "unreel", media.clip("mkv")], check=True,
                          env=unreel.env, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout.startswith("out.mp3: ")


def test_what_is_no_video(unreel, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a video\n" * 100)
    stdout, stderr = piped(unreel, text, "-", "-", code=5)
    assert stdout == b"" and stderr.startswith("unreel: convert: This is not a video")
    stdout, stderr = piped(unreel, "/dev/null", "-", "out.mp3", code=5)
    assert stderr.startswith("unreel: convert: ") and not (tmp_path / "out.mp3").exists()


def test_terminals_are_refused(unreel):
    code, shown = unreel.on_terminal("convert", "-", "out.mp3")
    assert code == 2 and "standard input is not a file or a pipe" in shown
    code, shown = unreel.on_terminal("convert", media.clip("mp4"), "-")
    assert code == 2 and "standard output is a terminal" in shown


def test_a_reader_that_goes_away(unreel):
    """No hang and no success when nobody takes the MP3."""
    with subprocess.Popen([binary_folder() / "unreel", "convert", media.long_clip(3600), "-"], env=unreel.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert len(process.stdout.read(100000)) == 100000
        process.stdout.close()
        assert process.wait(60) != 0


def test_what_needs_two_passes_needs_a_file(unreel, tmp_path):
    for options, word in ((["--loudness", "normalize"], "normalize"), (["--trim-silence"], "silence"), (["--cover", "1.5"], "picture")):
        _, stderr = piped(unreel, media.clip("mp4"), "-", "out.mp3", *options, code=2)
        assert word in stderr and "pipe" in stderr
    for options, word in ((["--loudness", "tag"], "loudness"), (["--chapters", "split"], "chapter"),
                          (["--outputs", '[{"bitrate": 320}, {"preset": "voice"}]'], "one MP3 only")):
        _, stderr = piped(unreel, media.clip("mp4"), media.clip("mp4"), "-", *options, code=2)
        assert word in stderr
    assert not list(tmp_path.glob("*.mp3*"))
    # What one way is enough for is done.
    stdout, stderr = piped(unreel, media.clip("mp4"), media.clip("mp4"), "-", "--loudness", "normalize", "--trim-silence")
    assert stderr == "" and len(frames(stdout)) > 10000
    piped(unreel, media.clip("mp4"), "-", "tagged.mp3", "--loudness", "tag")
    assert b"REPLAYGAIN_TRACK_GAIN" in (tmp_path / "tagged.mp3").read_bytes().upper()


def test_a_picture_does_not_come_through_a_pipe(unreel):
    """Its size has to be known; and there is one standard input only."""
    assert "picture" in piped(unreel, media.clip("mp4"), "-", "out.mp3", "--cover", "/dev/stdin", code=2)[1]


def test_standard_input_that_is_closed(unreel, tmp_path):
    """The video's descriptor then is 0, as good as any."""
    subprocess.run(["bash", "-c", '"$0" convert "$1" out.mp3 <&-', binary_folder() / "unreel", media.clip("mp4")], check=True,
                   env=unreel.env, capture_output=True, timeout=60, cwd=tmp_path)
    result = subprocess.run(["bash", "-c", '"$0" convert - out.mp3 <&-', binary_folder() / "unreel"], check=False, env=unreel.env,
                            capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert result.returncode == 4 and "standard input" in result.stderr

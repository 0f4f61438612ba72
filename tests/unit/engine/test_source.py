"""What the engine finds in a file besides its sound: tags, chapters, pictures, and the video's picture at a time. Each runs behind the
real sandbox, and once more with sanitizers."""
import base64
import json
import os
import random
import subprocess

import pytest
from mutagen.flac import Picture
from mutagen.id3 import APIC, ID3
from mutagen.oggvorbis import OggVorbis

from test_engine_files import ffmpeg, folder, sound

__all__ = ["folder"]
PROGRAMS = [os.environ[name] for name in ("PLAIN_SOURCE_FILE", "SOURCE_FILE")]
NAMES = ("title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc", "comment", "copyright")
TAGS = {"title": "Grüße ✓", "artist": "久石譲", "album": "Album", "album_artist": "Various", "composer": "Дмитрий", "genre": "Rock",
        "date": "2024-05-17", "track": "3/12", "disc": "1/2", "comment": "a comment", "copyright": "me"}
CHAPTERS = [[0, 1000, "Anfang"], [1000, 2000, "Mitte ✓"], [2000, 3000, "Schluß"]]


def run(program, *words):
    """Standard output, and the failure as "slug: detail" or None; nothing may be killed or crash."""
    done = subprocess.run([program, *map(str, words)], capture_output=True, timeout=100, check=False)
    errors = done.stderr.decode(errors="replace")
    assert done.returncode in (0, 1), (done.returncode, errors)
    return done.stdout, None if done.returncode != 1 else [line for line in errors.splitlines() if ": " in line][-1]


def metadata(path):
    plain, checked = (run(program, "metadata", path) for program in PROGRAMS)
    assert plain == checked and plain[1] is None, plain
    found = json.loads(plain[0])
    found["tags"] = {name: text for name, text in zip(NAMES, found["tags"]) if text}
    return found


@pytest.fixture(scope="module")
def listing(folder):
    path = folder / "listing.txt"
    lines = [";FFMETADATA1", *(f"{name}={value}" for name, value in TAGS.items())]
    for start, end, title in CHAPTERS:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={title}"]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def pictures(folder):
    for suffix in ("jpg", "png"):
        ffmpeg("-f", "lavfi", "-i", "testsrc=s=100x100", "-frames:v", 1, folder / f"c.{suffix}")
    return {suffix: folder / f"c.{suffix}" for suffix in ("jpg", "png")}


ATTACHED = ["-map", 0, "-map", 2, "-c:v", "copy", "-disposition:v", "attached_pic"]


@pytest.mark.parametrize("name,picture,args,lacks", [
    ("m4a", "jpg", [*ATTACHED, "-c:a", "aac"], ()),
    ("mp3", "png", [*ATTACHED, "-c:a", "libmp3lame", "-id3v2_version", 3], ()),
    ("mp3", "jpg", [*ATTACHED, "-c:a", "libmp3lame", "-id3v2_version", 4], ()),
    ("flac", "png", [*ATTACHED, "-c:a", "flac"], ("chapters",)),
    ("mka", None, ["-map", 0, "-c:a", "libopus"], ()),
    ("ogg", None, ["-map", 0, "-c:a", "libvorbis"], ("chapters",)),
    ("wma", None, ["-map", 0, "-c:a", "wmav2"], ("ends",)),
])
def test_what_files_say(folder, listing, pictures, name, picture, args, lacks):
    source = folder / f"says.{name}"
    inputs = [] if picture is None else ["-i", pictures[picture]]
    ffmpeg(*sound(48000, 2, 3.0), "-i", listing, *inputs, *args, "-map_metadata", 1, "-map_chapters", 1, source)
    found = metadata(source)
    assert found["tags"] == TAGS
    expected = CHAPTERS[:2] + [[2000, -1, "Schluß"]] if "ends" in lacks else CHAPTERS
    assert found["chapters"] == ([] if "chapters" in lacks else expected)
    if picture is None:
        assert found["picture"] == ""
    else:
        assert (found["picture"], found["picture_len"]) == ({"jpg": "image/jpeg", "png": "image/png"}[picture],
                                                            pictures[picture].stat().st_size)


def test_an_attachment(folder, listing, pictures):
    """Of Matroska's attachments the one that is called cover, wherever it stands."""
    source = folder / "attached.mkv"
    other = folder / "other.jpg"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", 1, other)
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=160x120:d=3", *sound(), "-i", listing, "-map", 0, "-map", 1, "-map_metadata", 2, "-c:v",
           "libx264", "-attach", other, "-metadata:s:t:0", "mimetype=image/jpeg", "-metadata:s:t:0", "filename=still.jpg", "-attach",
           pictures["png"], "-metadata:s:t:1", "mimetype=image/png", "-metadata:s:t:1", "filename=cover.png", source)
    found = metadata(source)
    assert found["tags"] == TAGS and found["chapters"] == CHAPTERS
    assert (found["picture"], found["picture_len"]) == ("image/png", pictures["png"].stat().st_size)


def test_the_front_cover_comes_first(folder, pictures):
    source = folder / "covers.mp3"
    ffmpeg(*sound(), "-c:a", "libmp3lame", source)
    tags = ID3(str(source))
    tags.add(APIC(0, "image/jpeg", 4, "back", pictures["jpg"].read_bytes()))
    tags.add(APIC(0, "image/png", 3, "front", pictures["png"].read_bytes()))
    tags.save()
    assert metadata(source)["picture"] == "image/png"


def test_a_picture_in_ogg(folder, pictures):
    source = folder / "picture.ogg"
    ffmpeg(*sound(), "-c:a", "libvorbis", source)
    picture = Picture()
    picture.type, picture.mime, picture.data = 3, "image/jpeg", pictures["jpg"].read_bytes()
    tags = OggVorbis(str(source))
    tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    tags["tracknumber"], tags["tracktotal"], tags["title"] = ["7"], ["9"], ["In Ogg"]
    tags.save()
    found = metadata(source)
    assert (found["picture"], found["picture_len"]) == ("image/jpeg", pictures["jpg"].stat().st_size)
    assert found["tags"]["track"] == "7/9" and found["tags"]["title"] == "In Ogg"


def test_a_track_has_a_name_of_its_own(folder):
    source = folder / "named.mkv"
    ffmpeg(*sound(), "-c:a", "aac", "-metadata:s:a", "title=Stereo", source)
    assert metadata(source)["tags"] == {}


def cover(path, at_ms, target, programs=tuple(PROGRAMS)):
    first, *others = [run(program, "cover", path, at_ms) for program in programs]
    assert all(other == first for other in others)
    target.write_bytes(first[0])
    return first[1]


def pixels(path, *filters):
    """Width, height and the picture as (r, g, b) rows."""
    done = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", str(path)],
                          capture_output=True, text=True, check=True, timeout=60)
    codec, width, height = done.stdout.strip().split(",")
    assert codec == "mjpeg"
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *filters, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         capture_output=True, check=True, timeout=60).stdout
    width, height = int(width), int(height)
    return width, height, lambda x, y: tuple(raw[(y * width + x) * 3:(y * width + x) * 3 + 3])


# By how many pictures the container's time stamps are late: for B pictures, or as they are rounded.
LATE = {"fragments.mp4": 2, "mpeg4.avi": 1, "mpeg2.mpg": 1}
# The brightness of each picture tells its number.
COUNTED = "color=black:s=160x120:r=25:d=4,format=yuv420p,geq=lum='16+mod(N*10,220)':cb=128:cr=128"
VIDEOS = [
    ("h264.mp4", ["-c:v", "libx264", "-g", 250, "-bf", 3]),
    ("fragments.mp4", ["-c:v", "libx264", "-g", 20, "-movflags", "frag_keyframe+empty_moov"]),
    ("hevc.mkv", ["-c:v", "libx265", "-x265-params", "log-level=error:pools=none"]),
    ("vp8.webm", ["-c:v", "libvpx", "-b:v", "1M", "-deadline", "realtime"]),
    ("vp9.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8]),
    ("av1.mkv", ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", 8]),
    ("mpeg4.avi", ["-c:v", "mpeg4", "-q:v", 2]),
    ("mpeg2.ts", ["-c:v", "mpeg2video", "-q:v", 2, "-bf", 2]),
    ("h264.ts", ["-c:v", "libx264", "-g", 30]),
    ("mpeg2.mpg", ["-c:v", "mpeg2video", "-q:v", 2]),
    ("mjpeg.mov", ["-c:v", "mjpeg", "-q:v", 2]),
]


@pytest.mark.parametrize("name,args", VIDEOS)
def test_the_picture_at_a_time(folder, name, args):
    source, target = folder / name, folder / "picture.jpg"
    audio = ["-c:a", "libopus"] if name.endswith("webm") else ["-c:a", "mp2"] if name.endswith(("ts", "mpg")) else ["-c:a", "aac"]
    ffmpeg("-f", "lavfi", "-i", COUNTED, *sound(48000, 2, 4.0), *args, *audio, "-shortest", source)
    # What the encoder of the sound puts in front moves the pictures by up to 26 ms in some containers.
    for at_ms, number in ((0, 0), (2550, 63), (3990, 99)):
        assert cover(source, at_ms, target, PROGRAMS if at_ms == 2550 else PROGRAMS[:1]) is None
        width, height, at = pixels(target)
        assert (width, height) == (160, 120)
        number -= LATE.get(name, 0) if number > 0 else 0
        assert at(80, 60)[0] == pytest.approx(number * 10 % 220 * 255 / 219, abs=5), (name, at_ms)
    failure = cover(source, 95000, target, PROGRAMS[:1])
    assert failure.startswith("cover-not-found: cover: there is no picture at 95.000 s; the video lasts ")
    assert float(failure.split()[-2]) == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize("name", [name for name, _ in VIDEOS])
def test_the_sound_stays_as_it_is(folder, name):
    """Its packets are the same to the bit and the time stamp when a cover was taken first."""
    source = folder / name
    alone, failure = run(PROGRAMS[0], "sound", source)
    assert failure is None and int(alone.split()[0]) > 50
    assert run(PROGRAMS[0], "sound", source, 2550) == (alone, None)


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_colours(folder, matrix):
    source, target = folder / "red.mp4", folder / "red.jpg"
    wanted = {"bt709": "bt709", "smpte170m": "bt601"}[matrix]
    ffmpeg("-f", "lavfi", "-i", "color=0xC02040:s=320x180:r=5:d=1", *sound(48000, 2, 1.0), "-vf",
           f"scale=out_color_matrix={wanted}:out_range=tv,format=yuv420p", "-colorspace", matrix, "-c:v", "libx264", source)
    assert cover(source, 0, target) is None
    assert pixels(target)[2](100, 100) == pytest.approx((0xC0, 0x20, 0x40), abs=6)


@pytest.mark.parametrize("size,extra,shown", [
    ("2560x1440", [], (1280, 720)), ("1440x2560", [], (720, 1280)), ("320x240", ["-vf", "setsar=4/3"], (427, 240)),
    ("321x241", ["-pix_fmt", "yuv444p"], (321, 241)), ("16x2", [], (16, 2)), ("2000x16", ["-vf", "setsar=1/4"], (500, 16)),
])
def test_sizes(folder, size, extra, shown):
    source, target = folder / "size.mkv", folder / "size.jpg"
    ffmpeg("-f", "lavfi", "-i", f"testsrc=s={size}:r=5:d=1", *sound(48000, 2, 1.0), *extra, "-c:v", "libx264", "-preset", "ultrafast", source)
    assert cover(source, 400, target) is None
    assert pixels(target)[:2] == shown


@pytest.mark.parametrize("degrees,white", [(0, "right"), (90, "top"), (180, "left"), (270, "bottom")])
def test_a_phone_held_upright(folder, degrees, white):
    """The right half is white. ffmpeg's option turns the other way than its own player shows."""
    flat, source, target = folder / "flat.mp4", folder / "turned.mp4", folder / "turned.jpg"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=320x180:r=5:d=1,drawbox=x=160:c=white:t=fill", *sound(48000, 2, 1.0), "-c:v", "libx264", flat)
    ffmpeg("-i", flat, "-c", "copy", "-metadata:s:v", f"rotate={degrees}", source)
    assert cover(source, 0, target) is None
    width, height, at = pixels(target)
    assert (width, height) == ((320, 180) if degrees % 180 == 0 else (180, 320))
    spots = {"left": (20, height // 2), "right": (width - 20, height // 2), "top": (width // 2, 20), "bottom": (width // 2, height - 20)}
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[white]
    assert at(*spots[white])[0] > 240 and at(*spots[opposite])[0] < 15


@pytest.mark.parametrize("args,expected", [
    (["-c:a", "aac"], "cover-not-found: cover: the file has no video to take a picture from."),
    (["-f", "lavfi", "-i", "testsrc=d=1", "-c:v", "ffv1", "-c:a", "aac"], "unsupported-codec: cover: the video (ffv1)"),
])
def test_no_picture_to_be_had(folder, args, expected):
    source = folder / "none.mkv"
    ffmpeg(*sound(48000, 2, 1.0), *args, source)
    assert cover(source, 0, folder / "none.jpg").startswith(expected)


@pytest.mark.parametrize("name", [name for name, _ in VIDEOS])
def test_damaged_videos(folder, name):
    """Whatever the bits are: a picture or a failure in words, and the sandbox has nothing to forbid."""
    source, broken = folder / name, folder / "broken"
    whole = source.read_bytes()
    for seed in (0, 3):
        chance = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(30):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        broken.write_bytes(damaged[:len(damaged) - seed * len(damaged) // 8])
        for program in PROGRAMS:
            _, failure = run(program, "cover", broken, 2000)
            assert failure is None or failure.split(": ")[0] in (
                "cover-not-found", "corrupt-input", "unsupported-codec", "unsupported-format", "no-audio-stream", "resource-limit"), failure

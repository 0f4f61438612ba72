"""The ID3 tag as independent readers see it: mutagen, ffprobe, and players that must find the sound behind it."""
import json
import os
import subprocess

import pytest
from mutagen.id3 import ID3
from mutagen.mp3 import MP3

from test_engine_files import check_mp3, ffmpeg, folder, mpg123_samples, samples, sound

__all__ = ["folder"]
ID3_FILE = os.environ["ID3_FILE"]
TITLE, ARTIST, ALBUM, ALBUM_ARTIST, COMPOSER, GENRE, DATE, TRACK, DISC, COMMENT, COPYRIGHT = range(11)
FRAMES = {TITLE: "TIT2", ARTIST: "TPE1", ALBUM: "TALB", ALBUM_ARTIST: "TPE2", COMPOSER: "TCOM", GENRE: "TCON", TRACK: "TRCK",
          DISC: "TPOS", COPYRIGHT: "TCOP"}
TEXTS = {TITLE: "Grüße, Jürgen ✓", ARTIST: "久石譲", ALBUM: "🎵 songs 🎶", ALBUM_ARTIST: "Various", COMPOSER: "Дмитрий",
         GENRE: "Rock & Roll", TRACK: "3/12", DISC: "1/2", COMMENT: "Line one\nöther line", COPYRIGHT: "2024 me ©"}
VERSIONS = ("4", "3")


@pytest.fixture(scope="module")
def mp3(folder):
    path = folder / "bare.mp3"
    ffmpeg(*sound(44100, 2, 3.0), "-c:a", "libmp3lame", "-id3v2_version", 0, path)
    return path


def write(version, source, target, *options, **named):
    words = [f"{name}={value}" for name, value in (*options, *named.items())]
    subprocess.run([ID3_FILE, version, str(source), str(target), *words], check=True, timeout=30)
    return ID3(str(target), translate=False)


def probe(path):
    run = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters", str(path)],
                         capture_output=True, text=True, check=True, timeout=60)
    assert run.stderr == ""
    return json.loads(run.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_texts(folder, mp3, version):
    target = folder / "texts.mp3"
    tags = write(version, mp3, target, *TEXTS.items(), (DATE, "2024-05-17"))
    assert tags.version == (2, int(version), 0)
    for number, frame in FRAMES.items():
        assert tags[frame].text == [TEXTS[number]]
    assert tags.getall("COMM")[0].text == [TEXTS[COMMENT]] and tags.getall("COMM")[0].desc == ""
    if version == "4":
        assert str(tags["TDRC"].text[0]) == "2024-05-17"
    else:
        assert (tags["TYER"].text, tags["TDAT"].text) == (["2024"], ["1705"])
    seen = probe(target)["format"]["tags"]
    names = {"title": TITLE, "artist": ARTIST, "album": ALBUM, "album_artist": ALBUM_ARTIST, "composer": COMPOSER, "genre": GENRE,
             "track": TRACK, "disc": DISC, "comment": COMMENT, "copyright": COPYRIGHT}
    assert {name: seen[name] for name in names} == {name: TEXTS[number] for name, number in names.items()}
    assert seen["date"] == "2024-05-17" and seen["encoder"] == "id3_file"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suffix,mime", [("jpg", "image/jpeg"), ("png", "image/png")])
def test_a_picture(folder, mp3, version, suffix, mime):
    picture, target = folder / f"cover.{suffix}", folder / "picture.mp3"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x240", "-frames:v", 1, picture)
    cover = write(version, mp3, target, picture=picture).getall("APIC")[0]
    assert (cover.mime, cover.type, cover.data) == (mime, 3, picture.read_bytes())
    video = [stream for stream in probe(target)["streams"] if stream["codec_type"] == "video"][0]
    assert (video["width"], video["height"], video["disposition"]["attached_pic"]) == (320, 240, 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_chapters(folder, mp3, version):
    """The last one was open when the tag was written, and the one after the end is gone."""
    chapters = [("chapter", "0,1000,Anfang"), ("chapter", "1000,2000,"), ("chapter", "2000,-1,Schluß"), ("chapter", "9000,-1,never")]
    target = folder / "chapters.mp3"
    tags = write(version, mp3, target, *chapters, duration_ms=2990)
    toc = tags.getall("CTOC")[0]
    assert toc.child_element_ids == ["chp0", "chp1", "chp2"] and toc.flags == 3
    found = [tags[f"CHAP:{name}"] for name in toc.child_element_ids]
    assert [(c.start_time, c.end_time, c.start_offset, c.end_offset) for c in found] == [
        (0, 1000, 0xFFFFFFFF, 0xFFFFFFFF), (1000, 2000, 0xFFFFFFFF, 0xFFFFFFFF), (2000, 2990, 0xFFFFFFFF, 0xFFFFFFFF)]
    assert [[str(t) for t in c.sub_frames.values()] for c in found] == [["Anfang"], [], ["Schluß"]]
    assert len(tags.getall("CHAP")) == 3 and tags["TLEN"].text == ["2990"]
    seen = probe(target)["chapters"]
    assert [(c["start_time"], c["end_time"], c.get("tags", {}).get("title")) for c in seen] == [
        ("0.000000", "1.000000", "Anfang"), ("1.000000", "2.000000", "chp1"), ("2.000000", "2.990000", "Schluß")]


@pytest.mark.parametrize("version", VERSIONS)
def test_replaygain(folder, mp3, version):
    target = folder / "gain.mp3"
    tags = write(version, mp3, target, gain=-6.2, peak=0.988553, duration_ms=2990)
    assert [(t.desc, t.text) for t in tags.getall("TXXX")] == [("REPLAYGAIN_TRACK_GAIN", ["-6.20 dB"]),
                                                               ("REPLAYGAIN_TRACK_PEAK", ["0.988553"])]
    seen = probe(target)["format"]["tags"]
    assert (seen["REPLAYGAIN_TRACK_GAIN"], seen["REPLAYGAIN_TRACK_PEAK"]) == ("-6.20 dB", "0.988553")


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_known(folder, mp3, version):
    """Places that were never filled are not there."""
    tags = write(version, mp3, folder / "unknown.mp3", gain="nan")
    assert sorted(tags.keys()) == ["TSSE"]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_player_starts_inside(folder, mp3, version):
    """A picture that holds a whole MP3, and chapters' 0xFFFFFFFF: the sound is still what is behind the tag."""
    picture, target = folder / "evil.jpg", folder / "evil.mp3"
    other = folder / "other.mp3"
    ffmpeg(*sound(32000, 1, 2.0), "-c:a", "libmp3lame", "-id3v2_version", 0, other)
    picture.write_bytes(b"\xff\xd8\xff\xe0" + other.read_bytes())
    write(version, mp3, target, *TEXTS.items(), ("chapter", "0,1000,ÿþ"), picture=picture, gain=-1, peak=1, duration_ms=2990)
    check_mp3(target)
    assert mpg123_samples(target, 2) == mpg123_samples(mp3, 2)
    assert samples(target) == samples(mp3)
    info = MP3(str(target)).info
    assert (info.sample_rate, info.channels) == (44100, 2) and info.length == pytest.approx(MP3(str(mp3)).info.length)

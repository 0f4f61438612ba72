"""Several MP3s of one decode, chapters, loudness, silence, tags and covers, through the whole engine."""
import json
import subprocess
from pathlib import Path

import mutagen.id3
import mutagen.mp3
import pytest

from test_engine_files import convert, expect, ffmpeg, folder, samples, sound

__all__ = ["folder"]

METADATA = """;FFMETADATA1
title=Die Reise
artist=Zoë
comment=kept
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1500
title=Eins
[CHAPTER]
TIMEBASE=1/1000
START=1500
END=4250
title=Zwei / 二
[CHAPTER]
TIMEBASE=1/1000
START=4250
END=6000
title=Drei
"""
CHAPTERS = [(0, 1500, "Eins"), (1500, 4250, "Zwei / 二"), (4250, 6000, "Drei")]


@pytest.fixture(scope="module")
def film(folder):
    """6 s: a picture that changes each second, speech-like sound in two tracks, three chapters, tags."""
    path, meta = folder / "film.mp4", folder / "meta.txt"
    meta.write_text(METADATA, encoding="utf-8")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x180:d=6", *sound(48000, 2, 6.0), *sound(44100, 1, 6.0), "-i", meta, "-map", "0",
           "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3", "-metadata:s:a:0", "language=eng",
           "-metadata:s:a:1", "language=ger", "-c:a", "aac", "-c:v", "mpeg4", path)
    return path


def outputs_of(path, result):
    return [Path(path if o["number"] == 0 else f"{path}.{o['number']}") for o in result["outputs"]]


def asked(*outputs):
    return "outputs=" + json.dumps(outputs)


def test_each_of_several_outputs_is_what_it_would_be_alone(folder, film):
    wishes = [{"bitrate": 128}, {"preset": "voice", "track": "ger"}, {"start": 1, "end": 2.5}, {"sample_rate": 22050, "channels": 1}]
    result = convert(film, folder / "many.mp3", asked(*wishes), "threads=2")
    assert result["result"] == "ok", result
    assert [o["number"] for o in result["outputs"]] == [0, 1, 2, 3]
    assert [o["track"] for o in result["outputs"]] == [0, 1, 0, 0]
    for wish, path in zip(wishes, outputs_of(folder / "many.mp3", result)):
        alone = folder / "alone.mp3"
        assert convert(film, alone, *[f"{name}={value}" for name, value in wish.items()])["result"] == "ok"
        assert path.read_bytes() == alone.read_bytes(), wish


def test_what_is_decoded_once_is_read_once(folder, film):
    one = convert(film, folder / "one.mp3")
    many = convert(film, folder / "eight.mp3", asked(*[{"quality": q} for q in range(8)]))
    assert many["result"] == "ok" and len(many["outputs"]) == 8
    assert many["read_bytes"] == one["read_bytes"]


def test_an_mp3_for_each_chapter(folder, film):
    result = convert(film, folder / "split.mp3", "chapters=split")
    assert result["result"] == "ok", result
    assert [(c["start_ms"], c["end_ms"], c["title"]) for c in result["chapters"]] == CHAPTERS
    paths = outputs_of(folder / "split.mp3", result)
    assert [o["chapter"] for o in result["outputs"]] == [1, 2, 3]
    assert [samples(p) for p in paths] == [72000, 132000, samples(film) - 204000]
    for number, (path, chapter) in enumerate(zip(paths, CHAPTERS), 1):
        tags = mutagen.id3.ID3(path)
        assert (tags["TIT2"].text, tags["TALB"].text, tags["TRCK"].text) == ([chapter[2]], ["Die Reise"], [f"{number}/3"])
        assert not tags.getall("CHAP")
    # Behind the cut is the sound that was behind it in one piece.
    alone = folder / "second.mp3"
    assert convert(film, alone, "start=1.5", "end=4.25", "chapters=none")["result"] == "ok"
    assert mp3_of(paths[1]) == mp3_of(alone)


def mp3_of(path):
    """Without its ID3 tag."""
    data = path.read_bytes()
    if data[:3] != b"ID3":
        return data
    size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
    return data[10 + size:]


def test_chapters_of_a_part(folder, film):
    result = convert(film, folder / "part.mp3", "chapters=split", "start=2", "end=5")
    assert [o["chapter"] for o in result["outputs"]] == [2, 3]
    assert [round(o["duration_s"], 3) for o in result["outputs"]] == [2.25, 0.75]
    expect(convert(film, folder / "part.mp3", "chapters=split", "start=7"), "trim-out-of-range")


def test_more_chapters_than_outputs(folder):
    meta, path = folder / "many.txt", folder / "many-chapters.mka"
    meta.write_text(";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={i * 10}\nEND={i * 10 + 10}\ntitle={i}\n" for i in range(70)), encoding="ascii")
    ffmpeg(*sound(44100, 1, 1.0), "-i", meta, "-map", "0", "-map_chapters", "1", "-c:a", "flac", path)
    expect(convert(path, folder / "x.mp3", "chapters=split"), "too-many-outputs")
    result = convert(path, folder / "x.mp3")
    assert result["result"] == "ok" and len(result["chapters"]) == 64
    assert len(mutagen.id3.ID3(folder / "x.mp3").getall("CHAP")) == 70


def test_the_whole_keeps_its_chapters_and_tags(folder, film):
    path = folder / "whole.mp3"
    assert convert(film, path, "tags.artist=", "tags.genre=Hörspiel", "start=1", "end=5")["result"] == "ok"
    tags = mutagen.id3.ID3(path)
    chapters = [(c.start_time, c.end_time, c.sub_frames["TIT2"].text[0]) for c in tags.getall("CHAP")]
    assert sorted(chapters) == [(0, 500, "Eins"), (500, 3250, "Zwei / 二"), (3250, 4000, "Drei")]
    assert tags["TIT2"].text == ["Die Reise"] and tags["TCON"].text == ["Hörspiel"] and "TPE1" not in tags
    assert tags["TLEN"].text == ["4000"]
    # The length is the sound's, with the tag in front.
    assert samples(path) == 4 * 48000 and mutagen.mp3.MP3(path).info.length == pytest.approx(4, abs=0.03)


def measured(path):
    run = subprocess.run(["ffmpeg", "-nostats", "-i", str(path), "-af", "ebur128=peak=true", "-f", "null", "-"], capture_output=True,
                         text=True, check=True, timeout=60)
    summary = run.stderr[run.stderr.rindex("Summary:"):]
    return float(summary.split("I:")[1].split()[0]), float(summary.split("Peak:")[1].split()[0])


@pytest.mark.parametrize("target", [-23.0, -16.0, -5.0])
def test_loudness_is_normalized(folder, target):
    """To the target, or as far as the true peak allows; what is reported is what ffmpeg measures."""
    source, path = folder / "quiet.wav", folder / "loud.mp3"
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=8:c=pink:r=48000:a=0.05:seed=1", "-ac", "2", source)
    result = convert(source, path, "loudness=normalize", f"loudness_target={target}", "mode=cbr", "bitrate=320")
    assert result["result"] == "ok", result
    output = result["outputs"][0]
    integrated, peak = measured(path)
    # What LAME cuts off above 20 kHz is measured before it.
    assert output["integrated_lufs"] == pytest.approx(integrated, abs=0.3)
    assert output["true_peak_dbtp"] == pytest.approx(peak, abs=0.5) and output["true_peak_dbtp"] <= -0.9
    if target <= -16:
        assert output["integrated_lufs"] == pytest.approx(target, abs=0.1)
    else:
        assert output["true_peak_dbtp"] == pytest.approx(-1, abs=0.1)
    gain = mutagen.id3.ID3(path)["TXXX:REPLAYGAIN_TRACK_GAIN"].text[0]
    assert float(gain.split()[0]) == pytest.approx(-18 - output["integrated_lufs"], abs=0.01)


@pytest.mark.parametrize("options", [("mode=cbr", "bitrate=96"), ("mode=cbr", "bitrate=192"), ("mode=abr", "bitrate=128"),
                                     ("quality=7",)])
def test_the_level_stays_at_every_bitrate(folder, options):
    source, path = folder / "level.wav", folder / "x.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=997:r=48000:d=3", "-ac", "2", source)
    assert convert(source, path, *options)["result"] == "ok"
    assert measured(path)[0] == pytest.approx(measured(source)[0], abs=0.11)


def test_loudness_can_be_told_only(folder, film):
    plain, told = folder / "plain.mp3", folder / "told.mp3"
    convert(film, plain)
    result = convert(film, told, "loudness=tag")
    assert result["outputs"][0]["is_measured"] and result["outputs"][0]["gain_db"] == 0
    assert mp3_of(plain) == mp3_of(told)
    assert "TXXX:REPLAYGAIN_TRACK_PEAK" in mutagen.id3.ID3(told)


def test_silence_alone_has_no_loudness(folder):
    source = folder / "silent.wav"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=44100:cl=mono", "-t", "2", source)
    result = convert(source, folder / "x.mp3", "loudness=normalize", "trim_silence=on")
    assert result["result"] == "ok" and not result["outputs"][0]["is_measured"]
    assert samples(folder / "x.mp3") == 88200


def test_silence_at_both_ends_is_left_out(folder):
    source, part = folder / "ends.wav", folder / "x.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=440:r=48000:d=2", "-af", "adelay=1500:all=1,apad=pad_dur=1", source)
    result = convert(source, part, "trim_silence=on")
    assert result["result"] == "ok" and result["duration_s"] == pytest.approx(2, abs=0.03)
    result = convert(source, part, "trim_silence=on", "start=1", "end=3", "loudness=normalize")
    assert result["duration_s"] == pytest.approx(1.5, abs=0.03)


def picture_of(path):
    pictures = mutagen.id3.ID3(path).getall("APIC") if path.read_bytes()[:3] == b"ID3" else None
    return pictures[0] if pictures else None


def test_covers(folder, film):
    png, x = folder / "cover.png", folder / "x.mp3"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", png)
    assert convert(film, x)["result"] == "ok" and picture_of(x) is None
    assert convert(film, x, "cover=upload", f"picture={png}")["result"] == "ok"
    assert picture_of(x).data == png.read_bytes() and picture_of(x).mime == "image/png"
    for version, major in (("2.4", 4), ("2.3", 3)):
        assert convert(film, x, "cover=3.5", f"id3={version}")["result"] == "ok"
        assert picture_of(x).mime == "image/jpeg" and mutagen.id3.ID3(x).version[1] == major
    first = picture_of(x).data
    result = convert(film, x, asked({"cover": 3.5}, {"cover": "0:01"}, {"cover": "none"}))
    paths = outputs_of(x, result)
    assert picture_of(paths[0]).data == first != picture_of(paths[1]).data and picture_of(paths[2]) is None
    expect(convert(film, x, "cover=60"), "cover-not-found")


def test_a_picture_of_the_source_is_kept(folder):
    png, source, x = folder / "own.png", folder / "own.m4a", folder / "x.mp3"
    ffmpeg("-f", "lavfi", "-i", "color=blue:s=64x64", "-frames:v", "1", png)
    ffmpeg(*sound(44100, 2, 1.0), "-i", png, "-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "copy", "-disposition:v",
           "attached_pic", source)
    assert convert(source, x)["result"] == "ok" and picture_of(x).data == png.read_bytes()
    assert convert(source, x, "cover=none")["result"] == "ok" and picture_of(x) is None


def test_a_probe_tells_and_makes_nothing(folder, film):
    x = folder / "probe.mp3"
    result = convert(film, x, "probe=1")
    assert (result["result"], result["tracks"], len(result["chapters"]), result["outputs"]) == ("ok", 2, 3, [])
    assert x.stat().st_size == 0 and result["input_duration_s"] == pytest.approx(6, abs=0.1)


def test_bytes_do_not_depend_on_threads(folder, film):
    def run(threads):
        result = convert(film, folder / "t.mp3", "chapters=split", "loudness=normalize", "trim_silence=on", f"threads={threads}")
        assert result["result"] == "ok"
        return [p.read_bytes() for p in outputs_of(folder / "t.mp3", result)]

    assert run(1) == run(2) == run(8)


@pytest.fixture(scope="module")
def song(folder):
    """An MP4 whose sound is MP3 already, with a title and two chapters."""
    path, meta = folder / "song.mp4", folder / "song.txt"
    meta.write_text(";FFMETADATA1\ntitle=Lied\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\ntitle={t}\n" for a, b, t in ((0, 2000, "A"), (2000, 5000, "B"))), encoding="ascii")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:d=5", *sound(44100, 2, 5.0), "-i", meta, "-map", "0", "-map", "1", "-map_metadata", "2",
           "-map_chapters", "2", "-c:v", "mpeg4", "-c:a", "libmp3lame", "-b:a", "160k", path)
    return path


def test_mp3_is_copied_unless_it_has_to_change(folder, song):
    x = folder / "copied.mp3"

    def mode(*options):
        result = convert(song, x, *options)
        assert result["result"] == "ok", result
        return [o["mode"] for o in result["outputs"]]

    assert mode() == ["copy"] and samples(x) == samples(song) and mutagen.id3.ID3(x)["TIT2"].text == ["Lied"]
    assert mode("start=1", "end=3.5") == ["copy"] and samples(x) == 110250
    assert mode("chapters=split") == ["copy", "copy"] and samples(x) == 88200
    assert mode("tags.title=New", "id3=2.3", "cover=1") == ["copy"] and picture_of(x) is not None
    assert mode("copy=never") == ["vbr"] and mode("bitrate=128") == ["cbr"] and mode("fade_in=1") == ["vbr"]
    assert mode("trim_silence=on") == ["vbr"] and mode("loudness=normalize") == ["vbr"]
    assert mode(asked({}, {"bitrate": 96})) == ["copy", "cbr"] and samples(x) == samples(song)


def test_what_stops_being_copyable_is_encoded_from_its_start(folder):
    """A radio recording that goes on at another rate: nothing shows it at the start."""
    first, second, both, x = folder / "first.mp3", folder / "second.mp3", folder / "both.mp3", folder / "x.mp3"
    ffmpeg(*sound(44100, 2, 4.0), "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0", first)
    ffmpeg(*sound(48000, 2, 4.0), "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0", second)
    both.write_bytes(first.read_bytes() + second.read_bytes())
    result = convert(both, x, asked({}, {"end": 2}, {"bitrate": 96}))
    assert result["result"] == "ok", result
    assert [o["mode"] for o in result["outputs"]] == ["vbr", "copy", "cbr"]
    assert result["outputs"][0]["duration_s"] == pytest.approx(8, abs=0.15)
    alone = folder / "alone.mp3"
    convert(both, alone, "copy=never")
    assert mp3_of(x) == mp3_of(alone)


@pytest.mark.parametrize("options,modes", [((), ["copy", "copy"]), (("copy=never",), ["vbr", "vbr"])])
def test_a_chapter_behind_the_end_of_the_sound_is_left_out(folder, options, modes):
    """The picture goes on, and with it the chapters."""
    meta, path = folder / "late.txt", folder / "late.mkv"
    meta.write_text(";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\n" for a, b in ((0, 1000), (1000, 3000), (3000, 5000))), encoding="ascii")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:d=5", *sound(44100, 2, 2.0), "-i", meta, "-map", "0", "-map", "1", "-map_chapters",
           "2", "-c:v", "mpeg4", "-c:a", "libmp3lame", path)
    result = convert(path, folder / "x.mp3", "chapters=split", *options)
    assert result["result"] == "ok", result
    assert [(o["chapter"], o["mode"]) for o in result["outputs"]] == list(zip((1, 2), modes))


def test_the_loudness_of_what_is_copied(folder, song):
    copied, encoded = convert(song, folder / "a.mp3", "loudness=tag"), convert(song, folder / "b.mp3", "loudness=tag", "copy=never")
    assert [r["outputs"][0]["mode"] for r in (copied, encoded)] == ["copy", "vbr"]
    assert copied["outputs"][0]["is_measured"]
    assert copied["outputs"][0]["integrated_lufs"] == encoded["outputs"][0]["integrated_lufs"]
    assert "TXXX:REPLAYGAIN_TRACK_GAIN" in mutagen.id3.ID3(folder / "a.mp3")


def test_progress_never_goes_back(folder):
    """Two passes over a file whose length nobody knows."""
    source = folder / "endless.ts"
    ffmpeg(*sound(48000, 2, 90.0), "-c:a", "aac", source)
    assert convert(source, folder / "x.mp3", "loudness=normalize", "unknown_size=1")["result"] == "ok"

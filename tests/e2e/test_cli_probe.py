"""`unreel probe`: what is in a file, on this machine and without a server."""
import json
import subprocess

import requests
from harness import media
from harness.cli import client, home, server, unreel  # noqa: F401
from harness.stack import binary_folder

METADATA = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1500
title=First
[CHAPTER]
TIMEBASE=1/1000
START=1500
END=3000
title=Sec\u001b[31mond
"""


def chaptered(folder):
    """Two tracks in two languages, two chapters."""
    notes = folder / "chapters.txt"
    notes.write_text(METADATA)
    sound = "aevalsrc=0.3*sin(440*2*PI*t):s=48000:d=3"
    target = folder / "chaptered.mkv"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", sound, "-f", "lavfi", "-i", sound, "-i", notes, "-map_metadata", "2",
                    "-map", "0", "-map", "1", "-ac:a:1", "2", "-c:a", "libvorbis", "-metadata:s:a:0", "language=deu", "-metadata:s:a:1",
                    "language=eng", "-disposition:a:0", "0", "-disposition:a:1", "default", target], check=True)
    return target


def test_json_is_what_a_job_shows(client, tmp_path):
    source = chaptered(tmp_path)
    found = client.json("probe", source)
    job = client.json("upload", "--wait", source)
    assert found.pop("bytes_read") > 0 and job["input"].pop("bytes_read") > 0
    assert found == job["input"]
    assert [(track["codec"], track["language"], track["channels"], track["sample_rate"], track["default"]) for track in found["tracks"]] == [
        ("vorbis", "deu", 1, 48000, False), ("vorbis", "eng", 2, 48000, True)]
    assert [(chapter["start_s"], chapter["end_s"]) for chapter in found["chapters"]] == [(0, 1.5), (1.5, 3)]


def test_jobs_tell_a_probe(client, server, tmp_path):
    token = json.loads((tmp_path / ".config" / "unreel" / "session.json").read_text())["token"]
    answer = requests.post(server.url + "/v1/probe", params={"filename": "looked at.wav"}, data=media.clip("wav").read_bytes(), timeout=60,
                           headers={"Authorization": f"Bearer {token}", "Prefer": "wait=0"})
    job_id = answer.json()["id"]
    line, = (line for line in client.run("jobs").splitlines() if line.startswith(job_id))
    assert line.endswith("probe of looked at.wav")
    client.run("watch", job_id)
    assert client.json("jobs", job_id)["kind"] == "probe"
    client.run("download", job_id, code=4)
    client.run("jobs", "--delete", job_id)


def test_table(unreel, tmp_path):
    """Nothing in a title steers the terminal (unreel.run looks for escapes)."""
    lines = unreel.run("probe", chaptered(tmp_path)).splitlines()
    assert lines[0].split(maxsplit=1) == ["container", "matroska,webm"]
    assert lines[1].startswith("duration   00:00:03.0")
    rows = [line.split() for line in lines]
    assert ["TRACK", "CODEC", "LANGUAGE", "CHANNELS", "RATE", "DEFAULT"] in rows
    first, second = (row for row in rows if "vorbis" in row)
    assert first[1:] == ["vorbis", "deu", "1", "48000", "Hz", "no"] and second[1:] == ["vorbis", "eng", "2", "48000", "Hz", "yes"]
    assert rows[-2] == ["1", "00:00:00.000", "-", "00:00:01.500", "First"]
    assert rows[-1][:4] == ["2", "00:00:01.500", "-", "00:00:03.000"] and rows[-1][4].endswith("[31mond")
    assert not list(tmp_path.glob("*.mp3"))


def test_file_without_sound(unreel):
    assert unreel.run("probe", media.clip("silent")).splitlines()[-1] == "no sound tracks"
    assert unreel.json("probe", media.clip("silent"))["tracks"] == []


def test_pipe(unreel):
    """A pipe shows the same where its container needs no end."""
    for kind in ("mkv", "fast", "wav"):
        source = media.clip(kind)
        with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as feeder:
            piped = subprocess.run([binary_folder() / "unreel", "probe", "-"], env=unreel.env, stdin=feeder.stdout, capture_output=True,
                                   text=True, check=True, timeout=60)
            feeder.stdout.close()
        assert piped.stdout.splitlines()[3:] == unreel.run("probe", source).splitlines()[3:]
        assert piped.stderr == ""


def test_what_is_no_video(unreel, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a video\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(media.clip("tail").read_bytes()[:9000])
    assert "not a video or audio file" in unreel.run("probe", text, code=5)
    assert "empty" in unreel.run("probe", "empty.mp4", code=5)
    assert "probe: " in unreel.run("probe", "cut.mp4", code=5)
    assert "No such file" in unreel.run("probe", "missing.mp4", code=4)
    assert "not a file" in unreel.run("probe", tmp_path, code=2)
    assert "name one file" in unreel.run("probe", code=2)
    assert "name one file" in unreel.run("probe", text, text, code=2)
    assert "unknown option" in unreel.run("probe", "--mode", "vbr", text, code=2)

"""What is asked for beside one MP3 with few options: tags, covers, several outputs; and what becomes of their files."""
import json

import pytest
from harness import media
from harness.client import problem_of
from harness.wait import wait_until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4


@pytest.fixture
def waiting(make_stack):
    """A stack without converters: what is uploaded stays queued."""
    return make_stack(converters=0)


def upload(client, fields=None, cover=None, **kwargs):
    parts = [("file", ("clip.mp4", media.clip().read_bytes(), "video/mp4"))]
    if cover is not None:
        parts += [("cover", (f"{i}.png", data, "image/png")) for i, data in enumerate(cover)]
    return client.post("/upload", files=parts, data=fields or {}, **kwargs)


def test_a_request_is_shown_whole(waiting):
    user = waiting.admin()
    answer = upload(user, {"tags.title": "Ünï", "tags.artist": "", "loudness": "normalize", "loudness_target": "-14.5",
                           "trim_silence": "on", "chapters": "none", "cover": "0:01.5", "id3": "2.3",
                           "outputs": '[{"bitrate": 320}, {"preset": "voice", "cover": "none"}]'})
    assert answer.status_code == 202, answer.text
    options = user.job(answer.json()["id"])["options"]
    assert options["tags"] == {"title": "Ünï", "artist": ""}
    assert (options["loudness"], options["loudness_target"], options["trim_silence"]) == ("normalize", -14.5, True)
    assert (options["chapters"], options["cover"], options["id3"], options["copy"]) == ("none", 1.5, "2.3", "never")
    first, second = options["outputs"]
    assert (first["mode"], first["bitrate"], first["cover"], first["loudness_target"]) == ("cbr", 320, 1.5, -14.5)
    assert (second["mode"], second["bitrate"], second["channels"], second["cover"]) == ("abr", 64, 1, "none")
    assert set(first) == set(options) - {"tags", "outputs"}


def test_query_and_headers_say_the_same(waiting):
    user = waiting.admin()
    by_query = user.submit(media.clip(), **{"tags.title": "x", "outputs": '[{"bitrate":96}]', "loudness": "tag"})
    by_headers = user.post("/v1/jobs", data=media.clip().read_bytes(), headers={
        "X-Unreel-Tags-Title": "x", "X-Unreel-Outputs": '[{"bitrate":96}]', "X-Unreel-Loudness": "tag"}).json()
    assert by_headers["options"] == by_query["options"]
    assert by_query["options"]["outputs"][0]["mode"] == "cbr"


@pytest.mark.parametrize("fields, said", [
    ({"loudness": "loud"}, "loudness must be one of off|tag|normalize"),
    ({"loudness_target": "-4"}, "loudness_target must be a number with two decimals at most within -70..-5"),
    ({"cover": "front"}, "cover must be keep, none, upload, seconds, or HH:MM:SS.mmm"),
    ({"cover": "upload"}, "cover: upload needs a picture"),
    ({"outputs": '[{}, {"cover": "upload"}]'}, "cover: upload needs a picture"),
    ({"tags.title": "x" * 256}, "tags.title must be UTF-8 text of at most 255 bytes"),
    ({"tags.tempo": "x"}, "there is no tag tempo; there are title, artist"),
    ({"outputs": "[]"}, "outputs must be an array of 1 to 8 objects"),
    ({"outputs": '[{}, {"bitrate": 320, "sample_rate": 22050}]'}, "outputs[1].bitrate must be one of 8, 16"),
    ({"outputs": '[{"tags": {}}]'}, "outputs[0].tags is not possible"),
    ({"start": "5", "end": "4"}, "end must be after start"),
])
def test_what_cannot_be_made_is_refused(stack, user, fields, said):
    before = stack.engines.blob_ids("videos")
    for answer in (upload(user, fields), user.upload_raw(media.clip(), **fields)):
        assert answer.status_code == 400 and problem_of(answer) == "invalid-option"
        assert said in answer.json()["detail"]
    wait_until(lambda: stack.engines.blob_ids("videos") <= before, 10, what="the removal of a refused upload")


@pytest.mark.parametrize("cover, status, problem", [
    ([b"GIF89a" + bytes(100)], 400, "invalid-option"),
    ([b"\x89PNG"], 400, "invalid-option"),
    ([b""], 400, "invalid-option"),
    ([PNG, PNG], 400, "invalid-option"),
    ([PNG + bytes(4 << 20)], 413, "input-too-large"),
], ids=["gif", "short", "empty", "two", "large"])
def test_a_cover_that_is_none_is_refused(stack, user, cover, status, problem):
    before = stack.engines.blob_ids("videos")
    answer = upload(user, cover=cover)
    assert answer.status_code == status and problem_of(answer) == problem
    assert "cover" in answer.json()["detail"]
    wait_until(lambda: stack.engines.blob_ids("videos") <= before, 10, what="the removal of a refused upload")


@pytest.mark.parametrize("picture", [PNG, JPEG], ids=["png", "jpeg"])
def test_a_cover_lives_as_long_as_its_jobs(waiting, picture):
    user = waiting.admin()
    job = upload(user, {"cover": "none"}, [picture]).json()
    assert job["options"]["cover"] == "upload"
    videos = waiting.engines.blob_ids("videos")
    (cover,) = videos - {job["video_fid"]}
    assert waiting.engines.blob_bytes("videos", cover) == picture
    assert cover not in json.dumps(user.job(job["id"]))
    assert user.get(f"/download?fid={cover}").status_code == 404
    user.post(f"/v1/jobs/{job['id']}/cancel")
    again = user.post(f"/v1/jobs/{job['id']}/retry").json()
    assert again["options"] == job["options"]
    assert user.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert waiting.engines.blob_ids("videos") == videos
    assert user.delete(f"/v1/jobs/{again['id']}").status_code == 204
    assert waiting.engines.blob_ids("videos") == set()


def test_a_key_means_the_same_cover_and_tags(waiting):
    user = waiting.admin()
    key = {"headers": {"Idempotency-Key": "cover-1"}}
    first = upload(user, {"tags.title": "x"}, [PNG], **key).json()
    files = waiting.engines.blob_ids("videos")
    assert upload(user, {"tags.title": "x"}, [PNG], **key).json()["id"] == first["id"]
    for fields, cover in (({"tags.title": "x"}, [JPEG]), ({"tags.title": "y"}, [PNG]), ({"tags.title": "x"}, None)):
        answer = upload(user, fields, cover, **key)
        assert answer.status_code == 422 and problem_of(answer) == "idempotency-key-reused"
    wait_until(lambda: waiting.engines.blob_ids("videos") == files, 10, what="the removal of a refused upload")


def test_each_output_is_downloaded_under_its_name_and_deleted(stack, user):
    jobs = [user.wait_job(user.submit(media.clip(seconds=seconds))["id"]) for seconds in (3, 4)]
    job, other = jobs
    stranger = stack.add_user("stranger@example.com")
    assert job["outputs"] == [job["output"]] and job["output"]["url"] == job["links"]["download"]
    stack.engines.move_output(other["id"], job["id"])
    job = user.job(job["id"])
    stem = job["filename"].rsplit(".", 1)[0]
    assert [output["filename"] for output in job["outputs"]] == [stem + ".mp3", stem + "-2.mp3"]
    for output in job["outputs"]:
        answer = user.get(output["url"])
        assert answer.status_code == 200 and len(answer.content) == output["size_bytes"]
        assert f'filename="{output["filename"]}"' in answer.headers["Content-Disposition"]
        assert stranger.get(output["url"]).status_code == 404
    assert user.get(f"/download?fid={job['id']}").content == user.get(job["outputs"][0]["url"]).content
    assert user.delete(f"/v1/jobs/{job['id']}").status_code == 204
    left = stack.engines.blob_ids("mp3s")
    for output in job["outputs"]:
        assert output["file_id"] not in left
        assert user.get(output["url"]).status_code == 404

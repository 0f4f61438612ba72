"""The same upload again: answered with the MP3s that are there, which live as long as one of their jobs."""
import pytest
from harness import media
from harness.wait import wait_until


@pytest.fixture
def reusing(make_stack, mail):
    """Default settings: the other tests' stacks convert each upload."""
    return make_stack(smtp_url=mail.url, gateway={"UNREEL_REUSE": None})


def again(user, path, **options):
    """The same upload; it has ended when it is answered."""
    answer = user.upload_raw(path, filename="again.mp4", **options)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["state"] == "succeeded" and answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    return job


def test_it_has_succeeded_at_once_and_is_told(reusing, mail, receiver):
    user = reusing.admin()
    outputs = '[{"bitrate": 128}, {"preset": "voice"}]'
    first = user.convert(media.clip("m4a"), outputs=outputs, loudness="tag")
    second = again(user, media.clip("m4a"), outputs=outputs, loudness="tag", webhook_url=receiver.url, tag="mine")
    assert second["same_as"] == first["id"] and first["same_as"] is None
    assert second["id"] not in (first["id"], second["mp3_fid"]) and second["video_fid"] == second["id"]
    assert (second["attempt"], second["progress"]["percent"], second["tag"]) == (0, 100, "mine")
    assert second["input"] == first["input"] and second["options"] == first["options"]
    assert [o["file_id"] for o in second["outputs"]] == [o["file_id"] for o in first["outputs"]]
    assert [o["loudness"] for o in second["outputs"]] == [o["loudness"] for o in first["outputs"]]
    assert second["created_at"] >= first["finished_at"] and second["started_at"] is None
    for old, new in zip(first["outputs"], second["outputs"]):
        assert user.get(new["url"]).content == user.get(old["url"]).content
    own, shared = (user.get(job["links"]["download"]).headers["Content-Disposition"] for job in (second, first))
    assert 'filename="again.mp3"' in own and 'filename="again.mp3"' not in shared
    receiver.wait_event(second["id"])
    mail.wait_mail("again.mp4")
    assert reusing.gateway.metric("unreel_jobs_reused_total") == 1
    assert reusing.converter.metric("unreel_jobs_total") == 1


def test_files_live_as_long_as_one_of_their_jobs(reusing):
    user = reusing.admin()
    stranger = reusing.add_user("stranger@example.com")
    first = user.convert(media.clip("wav"))
    second = again(user, media.clip("wav"))
    third = again(user, media.clip("wav"))
    assert user.delete(f"/v1/jobs/{first['id']}").status_code == 204
    assert user.delete(f"/v1/jobs/{third['id']}").status_code == 204
    mp3 = user.get(second["links"]["download"])
    assert mp3.status_code == 200 and user.download(second["mp3_fid"]).content == mp3.content
    assert stranger.download(second["mp3_fid"]).status_code == 404
    assert reusing.engines.blob_ids("videos") == {second["video_fid"]}
    assert user.delete(f"/v1/jobs/{second['id']}").status_code == 204
    assert reusing.engines.blob_ids("mp3s") == reusing.engines.blob_ids("videos") == set()
    assert user.download(second["mp3_fid"]).status_code == 404


def test_what_is_not_the_same_is_converted(reusing):
    user = reusing.admin()
    stranger = reusing.add_user("stranger@example.com")
    first = user.convert(media.clip("wav"))
    theirs = stranger.convert(media.clip("wav"))
    other = user.convert(media.clip("wav"), bitrate=96)
    assert theirs["same_as"] is None and other["same_as"] is None
    assert len({first["mp3_fid"], theirs["mp3_fid"], other["mp3_fid"]}) == 3
    reusing.engines.remove_blob("mp3s", first["mp3_fid"])
    lost = user.convert(media.clip("wav"))
    assert lost["same_as"] is None and user.download(lost["mp3_fid"]).status_code == 200
    assert again(user, media.clip("wav"))["same_as"] == lost["id"]


def test_one_that_has_not_ended_is_not_waited_for(make_stack):
    stack = make_stack(converters=0, gateway={"UNREEL_REUSE": "true"})
    user = stack.admin()
    jobs = [user.submit(media.clip("wav")) for _ in range(2)]
    assert [job["state"] for job in jobs] == ["queued", "queued"]
    wait_until(lambda: len(stack.engines.blob_ids("videos")) == 2, 10, what="both files")


def test_a_key_is_stronger(reusing):
    """The same key gives the same job, which no new one replaces."""
    user = reusing.admin()
    body = media.clip("wav").read_bytes()
    key = {"Idempotency-Key": "reuse-1"}
    user.convert(media.clip("wav"))
    one, two = (user.post("/v1/jobs", data=body, headers=key) for _ in range(2))
    assert one.status_code == two.status_code == 200
    assert one.json()["id"] == two.json()["id"] and one.json()["same_as"]
    assert user.post("/v1/jobs", data=body + b"x", headers=key).status_code == 422

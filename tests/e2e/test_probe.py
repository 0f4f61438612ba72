"""POST /v1/probe: what is in a file, of which nothing stays; and GET of a job, which shows the same."""
import threading

import pytest
import requests
from harness import media
from harness.client import problem_of
from harness.wait import wait_until


def probe(client, body=b"", **kwargs):
    """The answer, whatever it is."""
    headers = {"Content-Type": "application/octet-stream", **kwargs.pop("headers", {})}
    return client.post("/v1/probe", data=body.read_bytes() if hasattr(body, "read_bytes") else body, params=kwargs, headers=headers)


def without_bytes_read(found):
    return {name: value for name, value in found.items() if name != "bytes_read"}


@pytest.fixture
def waiting(make_stack):
    """A stack without converters: what is uploaded stays queued."""
    return make_stack(converters=0)


NO_WAIT = {"Prefer": "wait=0"}


def accepted(answer):
    """The job of a probe that was not waited for."""
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["input"], job["links"]["download"]) == ("probe", None, None)
    return job


def test_an_answered_probe_leaves_nothing(make_stack):
    own = make_stack()
    user = own.admin()
    for kind, container, codec in (("mp4", "mov", "aac"), ("mkv", "matroska", "vorbis"), ("wav", "wav", "pcm_s16le")):
        answer = probe(user, media.clip(kind), filename="a.b")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert container in found["container"] and found["duration_s"] == pytest.approx(3, abs=0.1)
        track, = found["tracks"]
        assert (track["codec"], track["channels"], track["sample_rate"]) == (codec, 2, 48000)
        assert answer.headers["Link"].startswith("</v1/jobs/") and "Preference-Applied" not in answer.headers
    assert probe(user, media.clip("silent"), headers={"Prefer": "wait=20"}).json()["tracks"] == []
    for body, problem in ((b"not a video\n" * 100, "unsupported-format"), (media.clip("tail").read_bytes()[:9000], "corrupt-input"),
                          (b"\0", "unsupported-format")):
        answer = probe(user, body)
        assert answer.status_code == 422 and problem_of(answer) == problem, answer.text
        gone = answer.headers["Link"].split(">")[0][1:]
        assert user.get(gone).status_code == 404
    assert user.get("/v1/jobs").json()["jobs"] == []
    assert own.engines.blob_ids("videos") == set() and own.engines.blob_ids("mp3s") == set()
    assert own.gateway.metric("unreel_uploads_in_flight") == 0
    assert own.converter.metric("unreel_jobs_in_flight") == 0


def test_a_probe_of_an_uploaded_file(stack, user):
    source = user.convert(media.clip("mkv"), bitrate=96)
    before = stack.engines.blob_ids("videos"), len(user.get("/v1/jobs", params={"limit": 100}).json()["jobs"])
    for fid in (source["id"], source["video_fid"]):
        answer = probe(user, fid=fid)
        assert answer.status_code == 200, answer.text
        assert without_bytes_read(answer.json()) == without_bytes_read(source["input"])
    # Without any Content-Length, as curl -X POST sends it.
    assert user.session.request("POST", user.url + "/v1/probe", params={"fid": source["id"]}, timeout=60).status_code == 200
    assert before == (stack.engines.blob_ids("videos"), len(user.get("/v1/jobs", params={"limit": 100}).json()["jobs"]))
    assert user.download(source["mp3_fid"]).status_code == 200


def test_foreign_and_missing_files_look_alike(stack, user):
    done = user.convert(media.clip("m4a"))
    other = stack.add_user("prober@example.com")
    missing = probe(other, fid="0" * 24)
    assert missing.status_code == 404
    for fid in (done["id"], done["video_fid"], done["mp3_fid"], "x", ""):
        answer = probe(other, fid=fid)
        assert answer.status_code == 404
        assert {**answer.json(), "trace_id": ""} == {**missing.json(), "trace_id": ""}
    assert probe(user, fid=done["mp3_fid"]).status_code == 404
    assert other.get("/v1/jobs").json()["jobs"] == []


def test_a_file_that_is_gone(stack, user):
    done = user.convert(media.clip("m4a"))
    stack.engines.remove_blob("videos", done["video_fid"])
    answer = probe(user, fid=done["id"])
    assert answer.status_code == 410 and problem_of(answer) == "source-missing"


@pytest.mark.parametrize("status, problem, request_", [
    (400, "empty-upload", {}),
    (400, "bad-request", {"body": b"x" * 100, "fid": "0" * 24}),
    (400, "invalid-option", {"body": b"x" * 100, "bitrate": 128}),
    (400, "invalid-option", {"fid": "0" * 24, "tags.title": "x"}),
    (400, "invalid-option", {"body": b"x" * 100, "webhook_url": "ftp://x/"}),
    (415, "unsupported-media-type", {"body": b"a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
])
def test_what_is_refused(stack, user, status, problem, request_):
    before = stack.engines.blob_ids("videos")
    answer = probe(user, **request_)
    assert answer.status_code == status and problem_of(answer) == problem, answer.text
    assert stack.engines.blob_ids("videos") == before


def test_limits_are_those_of_uploads(make_stack):
    own = make_stack(gateway={"UNREEL_MAX_UPLOAD_BYTES": 5000, "UNREEL_MAX_WAIT_S": 0}, converters=0)
    user = own.admin()
    answer = probe(user, b"x" * 5001)
    assert answer.status_code == 413 and problem_of(answer) == "input-too-large"
    try:
        answer = user.post("/v1/probe", data=iter([b"x" * 4000] * 3))
        assert answer.status_code == 413 and problem_of(answer) == "input-too-large"
    except requests.ConnectionError:
        pass  # the rest of the body was not wanted, and the answer was not waited for
    wait_until(lambda: own.engines.blob_ids("videos") == set(), 10, what="the removal of what was too large")
    # UNREEL_MAX_WAIT_S bounds the default too.
    accepted(probe(user, b"x" * 100))


def test_a_probe_that_is_not_waited_for(stack, user, mail):
    answer = probe(user, media.clip("mp4"), filename="looked at.mp4", tag="later", headers=NO_WAIT)
    assert answer.headers["Preference-Applied"] == "wait=0"
    job = user.wait_job(accepted(answer)["id"])
    assert (job["state"], job["kind"], job["tag"], job["filename"]) == ("succeeded", "probe", "later", "looked at.mp4")
    assert [track["codec"] for track in job["input"]["tracks"]] == ["aac"]
    assert (job["output"], job["outputs"], job["mp3_fid"]) == (None, [], None)
    assert user.download(job["id"]).status_code == 404
    assert job["id"] in [listed["id"] for listed in user.get("/v1/jobs").json()["jobs"]]
    # One that failed can be retried, and stays a probe.
    failed = user.wait_job(accepted(probe(user, b"no video", filename="looked at too", headers=NO_WAIT))["id"])
    assert failed["error"]["type"].endswith(":unsupported-format")
    again = user.post(f"/v1/jobs/{failed['id']}/retry").json()
    assert again["kind"] == "probe" and user.wait_job(again["id"])["state"] == "failed"
    for job_id in (job["id"], failed["id"], again["id"]):
        assert user.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert not {job["video_fid"], failed["video_fid"]} & stack.engines.blob_ids("videos")
    # A mail about what came later is there: none about the probes is on its way.
    user.wait_job(user.upload_form(media.clip("silent"), name="after the probes.mp4").json()["id"])
    mail.wait_mail("after the probes.mp4")
    assert mail.mails_about("looked at") == []


def test_a_webhook_is_told_from_the_job(stack, user, receiver):
    answer = probe(user, media.clip("m4a"), webhook_url=receiver.url)
    assert answer.status_code == 200, answer.text
    job_id = answer.headers["Link"].split(">")[0].rsplit("/", 1)[1]
    _, event = receiver.wait_event(job_id)
    assert event["type"] == "job.succeeded" and event["data"]["kind"] == "probe"
    assert without_bytes_read(event["data"]["input"]) == without_bytes_read(answer.json())
    assert user.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert job_id not in stack.engines.blob_ids("videos")


def test_a_shared_file_goes_with_the_last_job(waiting):
    """Whichever is deleted first; and so does the picture that came with it."""
    user = waiting.admin()
    cover = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    for order in (("source", "probe"), ("probe", "source")):
        parts = [("file", ("clip.mp4", b"a video", "video/mp4")), ("cover", ("c.png", cover, "image/png"))]
        source = user.post("/upload", files=parts).json()
        job = accepted(probe(user, fid=source["id"], headers=NO_WAIT))
        assert (job["video_fid"], job["filename"], job["size_bytes"]) == (source["video_fid"], "clip.mp4", 7)
        ids = {"source": source["id"], "probe": job["id"]}
        assert len(waiting.engines.blob_ids("videos")) == 2
        assert user.delete(f"/v1/jobs/{ids[order[0]]}").status_code == 204
        assert len(waiting.engines.blob_ids("videos")) == 2
        assert user.delete(f"/v1/jobs/{ids[order[1]]}").status_code == 204
        assert waiting.engines.blob_ids("videos") == set()


def test_a_source_that_is_deleted_meanwhile(make_stack):
    """A file outlives its job as long as a probe has it; one that was answered leaves it to the others."""
    own = make_stack(start=False)
    for service in (own.auth, own.gateway, own.notifier):
        service.start()
    user = own.admin()
    source = user.submit(media.clip("m4a"))
    job = accepted(probe(user, fid=source["id"], headers=NO_WAIT))
    assert user.delete(f"/v1/jobs/{source['id']}").status_code == 204
    own.converter.start()
    found = probe(user, fid=job["video_fid"])
    assert found.status_code == 200, found.text
    wait_until(lambda: user.job(job["id"])["state"] == "succeeded", 30, what="the first probe")
    assert own.engines.blob_ids("videos") == {source["video_fid"]}
    assert user.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert own.engines.blob_ids("videos") == set()


def test_probes_and_conversions_of_one_file(make_stack):
    """Neither is answered with what the other made."""
    own = make_stack()
    user = own.admin()
    looked_at = user.wait_job(accepted(probe(user, media.clip("m4a"), headers=NO_WAIT))["id"])
    converted = user.convert(media.clip("m4a"))
    assert converted["sha256"] == looked_at["sha256"]
    assert (converted["kind"], len(converted["outputs"]), converted["same_as"]) == ("convert", 1, None)
    again = user.wait_job(accepted(probe(user, media.clip("m4a"), headers=NO_WAIT))["id"])
    assert (again["kind"], again["outputs"], again["same_as"]) == ("probe", [], None)
    for job in (looked_at, again):
        assert user.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert own.engines.blob_ids("videos") == {converted["id"]} and own.engines.blob_ids("mp3s") == {converted["mp3_fid"]}


def test_while_it_is_waited_for(make_stack):
    """It holds a place among the user's uploads, and can be cancelled as any job."""
    own = make_stack(gateway={"UNREEL_MAX_UPLOADS_PER_USER": 1}, converters=0)
    user, answers = own.admin(), []
    waiter = threading.Thread(target=lambda: answers.append(probe(own.admin(), b"a video", headers={"Prefer": "wait=40"})))
    waiter.start()
    job, = wait_until(lambda: user.get("/v1/jobs").json()["jobs"], 20, what="the probe's job")
    refused = probe(user, fid=job["id"])
    assert refused.status_code == 429 and problem_of(refused) == "too-many-requests"
    assert user.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    waiter.join(timeout=30)
    answer, = answers
    assert answer.status_code == 404 and "cancelled" in answer.json()["detail"]
    assert user.get("/v1/jobs").json()["jobs"] == [] and own.engines.blob_ids("videos") == set()

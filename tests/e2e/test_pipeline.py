"""A video in, an MP3 out: what works when nothing fails."""
import hashlib
import re
import time
from datetime import datetime

import pytest
from harness import media, webhook
from harness.client import problem_of
from harness.wait import wait_until


@pytest.mark.smoke
def test_form_upload_becomes_an_mp3(stack, user, tmp_path):
    answer = user.upload_form(media.clip("mp4"))
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["id"] == job["video_fid"] and re.fullmatch(r"[0-9a-f]{24}", job["id"])
    assert job["state"] == "queued" and job["mp3_fid"] is None and job["links"]
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    done = user.wait_job(job["id"])
    assert done["state"] == "succeeded" and done["error"] is None
    mp3 = tmp_path / "out.mp3"
    mp3.write_bytes(user.download(done["mp3_fid"]).content)
    assert media.probe(mp3)["codec"] == "mp3"
    media.assert_clean_mp3(mp3)


@pytest.mark.smoke
def test_raw_upload_becomes_an_mp3(stack, user):
    done = user.convert(media.clip("m4a"))
    assert done["filename"] == media.clip("m4a").name
    assert done["size_bytes"] == media.clip("m4a").stat().st_size == done["input"]["bytes_read"]
    assert done["sha256"] == hashlib.sha256(media.clip("m4a").read_bytes()).hexdigest()


def test_the_time_of_an_upload_is_no_wait_in_the_queue(stack, user):
    def slowly():
        whole = media.clip("m4a").read_bytes()
        yield whole[:5000]
        time.sleep(3)
        yield whole[5000:]

    waited = stack.converter.metric("unreel_job_queue_wait_seconds_sum")
    job = user.wait_job(user.upload_raw(slowly()).json()["id"])
    times = [datetime.fromisoformat(job[name].replace("Z", "+00:00")) for name in ("created_at", "queued_at")]
    assert (times[1] - times[0]).total_seconds() >= 3
    assert stack.converter.metric("unreel_job_queue_wait_seconds_sum") - waited < 1


@pytest.mark.parametrize("kind", ["mp4", "mkv", "webm", "mono", "wav", "fast"])
def test_mp3_lasts_as_long_as_the_source_to_the_sample(stack, user, tmp_path, kind):
    source = media.clip(kind)
    done = user.convert(source, bitrate=192)
    mp3 = tmp_path / "out.mp3"
    mp3.write_bytes(user.download(done["mp3_fid"]).content)
    found = media.probe(mp3)
    assert found["bit_rate"] == pytest.approx(192000 if kind != "mono" else found["bit_rate"], rel=0.05)
    assert media.decoded_samples(mp3) == media.source_samples(source, found["sample_rate"])
    media.assert_clean_mp3(mp3)


def test_options_are_obeyed(stack, user, tmp_path):
    done = user.convert(media.clip("wav"), bitrate=96, channels=1, sample_rate=32000)
    mp3 = tmp_path / "out.mp3"
    mp3.write_bytes(user.download(done["mp3_fid"]).content)
    found = media.probe(mp3)
    assert (found["channels"], found["sample_rate"]) == (1, 32000)
    assert found["bit_rate"] == pytest.approx(96000, rel=0.05)
    assert done["options"]["bitrate"] == 96 and done["output"]["bitrate"] == 96


def test_options_are_taken_from_the_form_and_from_headers(stack, user):
    """As the README says: fields of the form, the query, or X-Unreel-* headers."""
    form = user.upload_form(media.clip("m4a"), fields={"mode": "vbr", "quality": "5", "tag": "from the form"}).json()
    assert (form["options"]["mode"], form["options"]["quality"], form["tag"]) == ("vbr", 5, "from the form")
    headers = {"X-Unreel-Bitrate": "128", "X-Unreel-Sample-Rate": "32000", "X-Unreel-Filename": "named.mp4"}
    raw = user.post("/v1/jobs", data=media.clip("m4a").read_bytes(), headers=headers).json()
    assert (raw["options"]["bitrate"], raw["options"]["sample_rate"], raw["filename"]) == (128, 32000, "named.mp4")
    assert {user.wait_job(job["id"])["state"] for job in (form, raw)} == {"succeeded"}


def test_options_are_shown_as_they_took_effect(stack, user):
    done = user.convert(media.clip("wav"), preset="voice", start="0:00:00.5", end=2, fade_out=1)
    assert done["options"] == {"preset": "voice", "mode": "abr", "bitrate": 64, "quality": 6, "sample_rate": 0, "channels": 1,
                               "start": 0.5, "end": 2.0, "track": None, "fade_in": 0.0, "fade_out": 1.0, "loudness": "off",
                               "loudness_target": -16.0, "trim_silence": False, "chapters": "keep", "cover": "keep", "id3": "2.4",
                               "copy": "never", "tags": {}, "outputs": []}
    assert (done["output"]["duration_s"], done["output"]["mode"], done["output"]["channels"]) == (1.5, "abr", 1)


@pytest.mark.parametrize("options,problem", [({"track": "ita"}, "track-not-found"), ({"start": 100}, "trim-out-of-range")])
def test_options_that_the_file_cannot_meet(stack, user, options, problem):
    job = user.wait_job(user.submit(media.clip("m4a"), **options)["id"])
    assert job["state"] == "failed" and job["error"]["type"].endswith(problem) and not job["error"]["retryable"]


def test_download_is_the_blob_to_the_byte(stack, user):
    done = user.convert(media.clip("m4a"))
    blob = stack.engines.blob_bytes("mp3s", done["mp3_fid"])
    answer = user.download(done["mp3_fid"])
    assert answer.status_code == 200 and answer.content == blob
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert hashlib.sha256(blob).hexdigest() == done["output"]["sha256"]
    assert len(blob) == done["output"]["size_bytes"]
    assert user.download(done["id"]).content == blob


def test_the_stored_video_is_the_upload_to_the_byte(stack, user):
    source = media.clip("mp4")
    done = user.convert(source)
    assert stack.engines.blob_bytes("videos", done["video_fid"]) == source.read_bytes()


@pytest.mark.parametrize("asked, first, last", [("bytes=0-0", 0, 0), ("bytes=100-4999", 100, 4999), ("bytes=-50", -50, -1),
                                                ("bytes=20000-", 20000, -1)])
def test_range_gives_that_part(stack, user, one_mp3, asked, first, last):
    fid, whole = one_mp3
    answer = user.download(fid, Range=asked)
    first, last = (n if n >= 0 else len(whole) + n for n in (first, last))
    assert answer.status_code == 206
    assert answer.content == whole[first:last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"


def test_range_beyond_the_end_is_refused(stack, user, one_mp3):
    fid, whole = one_mp3
    answer = user.download(fid, Range=f"bytes={len(whole)}-")
    assert answer.status_code == 416 and problem_of(answer) == "range-not-satisfiable"
    assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"


def test_etag_saves_the_second_download(stack, user, one_mp3):
    fid, _ = one_mp3
    etag = user.download(fid).headers["ETag"]
    again = user.download(fid, **{"If-None-Match": etag})
    assert again.status_code == 304 and again.content == b""
    other = user.download(fid, Range="bytes=0-9", **{"If-Range": '"another"'})
    assert other.status_code == 200


@pytest.fixture(scope="module")
def one_mp3(stack, user):
    done = user.convert(media.clip("m4a"))
    return done["mp3_fid"], user.download(done["mp3_fid"]).content


def test_progress_is_seen(stack, user):
    job = user.submit(media.long_clip())
    seen = []

    def look():
        now = user.job(job["id"])
        seen.append({**now["progress"], "input": now["input"]})
        return now["state"] not in ("queued", "running") or 0 < now["progress"]["percent"] < 100

    wait_until(look, 60)
    assert 0 < seen[-1]["percent"] < 100, seen
    assert seen[0]["input"] is None and [track["codec"] for track in seen[-1]["input"]["tracks"]] == ["aac"]
    assert seen[-1]["duration_s"] == pytest.approx(900, rel=0.01)
    assert seen[-1]["speed"] > 0
    user.post(f"/v1/jobs/{job['id']}/cancel")


def test_prefer_wait_answers_with_the_finished_job(stack, user):
    answer = user.post("/v1/jobs", data=media.clip("m4a").read_bytes(), headers={"Prefer": "wait=30"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "succeeded"


def test_idempotency_key_makes_one_job(stack, user):
    headers = {"Idempotency-Key": '"the-same-upload"'}
    body = media.clip("m4a").read_bytes()
    # The order in which options are said makes no difference, nor does saying what is so anyway.
    queries = ("bitrate=128&fade_in=1", "fade_in=1&mode=cbr&bitrate=128&channels=0")
    first, second = (user.post("/v1/jobs?" + query, data=body, headers=headers) for query in queries)
    assert first.json()["id"] == second.json()["id"]
    for other in (user.post("/v1/jobs?" + queries[0], data=media.clip("wav").read_bytes(), headers=headers),
                  user.post("/v1/jobs", data=body, headers=headers)):
        assert other.status_code == 422 and problem_of(other) == "idempotency-key-reused"


def test_list_shows_the_newest_first_in_pages(stack):
    someone = stack.add_user("lister@example.com")
    ids = [someone.submit(media.clip("m4a"))["id"] for _ in range(3)]
    page = someone.get("/v1/jobs", params={"limit": 2}).json()
    rest = someone.get("/v1/jobs", params={"limit": 2, "after": page["next"]}).json()
    assert [job["id"] for job in page["jobs"] + rest["jobs"]] == ids[::-1]


@pytest.mark.smoke
def test_cancel_while_running(stack, user):
    job = user.submit(media.long_clip())
    user.wait_state(job["id"], ("running",))
    answer = user.post(f"/v1/jobs/{job['id']}/cancel")
    assert answer.status_code in (200, 202), answer.text
    done = user.wait_job(job["id"], 20)
    assert done["state"] == "cancelled" and done["mp3_fid"] is None
    assert user.post(f"/v1/jobs/{job['id']}/cancel").status_code == 409


def test_cancelled_job_can_be_retried(stack, user):
    job = user.submit(media.long_clip())
    user.post(f"/v1/jobs/{job['id']}/cancel")
    user.wait_job(job["id"], 20)
    again = user.post(f"/v1/jobs/{job['id']}/retry")
    assert again.status_code == 202, again.text
    assert again.json()["id"] != job["id"]
    user.wait_state(again.json()["id"], ("running",))
    user.post(f"/v1/jobs/{again.json()['id']}/cancel")


def test_delete_removes_the_job_and_its_files(stack, user):
    done = user.convert(media.clip("m4a"))
    assert user.delete(f"/v1/jobs/{done['id']}").status_code in (200, 204)
    assert user.get(f"/v1/jobs/{done['id']}").status_code == 404
    assert user.download(done["mp3_fid"]).status_code == 404
    assert done["video_fid"] not in stack.engines.blob_ids("videos")
    assert done["mp3_fid"] not in stack.engines.blob_ids("mp3s")


@pytest.mark.smoke
def test_users_see_nothing_of_each_other(stack, user):
    done = user.convert(media.clip("m4a"))
    other = stack.add_user("other@example.com")
    missing = other.get("/v1/jobs/" + "0" * 24)
    for answer in (other.get(f"/v1/jobs/{done['id']}"), other.download(done["mp3_fid"]), other.download(done["id"]),
                   other.post(f"/v1/jobs/{done['id']}/cancel"), other.post(f"/v1/jobs/{done['id']}/retry"),
                   other.delete(f"/v1/jobs/{done['id']}")):
        assert answer.status_code == 404
        assert problem_of(answer) == problem_of(missing)
    assert other.get("/v1/jobs").json()["jobs"] == []
    assert user.job(done["id"])["state"] == "succeeded"


def test_owner_gets_a_mail(stack, user, mail):
    source = media.clip("m4a")
    done = user.wait_job(user.upload_form(source, name="Mein Film ü.mp4").json()["id"])
    found = mail.wait_mail(done["mp3_fid"])
    assert "Mein Film ü.mp4" in found["subject"]
    assert "admin@example.com" in found["to"]
    link = re.search(r"https?://\S+", found.get_body(("plain",)).get_content()).group()
    assert user.get(link.removeprefix(user.url)).status_code == 200
    assert done["mp3_fid"] in found.get_body(("html",)).get_content()


def test_owner_is_told_why_a_job_failed(stack, user, mail):
    done = user.wait_job(user.upload_form(media.clip("silent"), name="nothing to hear.mp4").json()["id"])
    assert done["state"] == "failed"
    found = mail.wait_mail("nothing to hear.mp4")
    assert done["error"]["detail"] in found.get_body(("plain",)).get_content()


def test_one_mail_for_one_job(stack, user, mail):
    done = user.convert(media.clip("m4a"))
    mail.wait_mail(done["mp3_fid"])
    again = user.convert(media.clip("m4a"))
    mail.wait_mail(again["mp3_fid"])
    assert len(mail.mails_about(done["mp3_fid"])) == 1


def test_webhook_is_signed(stack, user, receiver):
    job = user.convert(media.clip("m4a"), webhook_url=receiver.url)
    event_id, event = receiver.wait_event(job["id"])
    assert event_id.startswith("evt_") and event["type"] == "job.succeeded"
    assert event["data"]["mp3_fid"] == job["mp3_fid"]


def test_readyz_says_what_the_engine_s_cell_is(stack):
    details = stack.converter.ops("/readyz").json()["details"]
    assert {"blobs", "jobs", "queue", "sandbox"} == set(details)
    abi = int(stack.converter.metric("unreel_sandbox_landlock_abi"))
    wanted = (("up", f"seccomp, Landlock ABI {abi}; no network namespace of its own") if abi else
              ("warn", "seccomp; no network namespace of its own; the kernel has no Landlock"))
    assert (details["sandbox"]["status"], details["sandbox"]["detail"]) == wanted


def test_a_job_names_the_converter_s_version(stack, user):
    done = user.convert(media.clip("m4a"))
    assert done["converter_version"] == stack.converter.ops("/version").json()["version"]
    assert f'unreel_build_info{{version="{done["converter_version"]}"}} 1' in stack.converter.ops("/metrics").text


def test_every_service_answers_its_operator(stack):
    for service in stack.services:
        assert service.ops("/livez").status_code == 200
        assert service.ops("/version").status_code == 200
        assert "# TYPE " in service.ops("/metrics").text


def test_logs_are_json_and_hold_no_secret(stack, user):
    for service in stack.services:
        text = service.log_text()
        assert service.logs() and not [line for line in text.splitlines() if not line.startswith("{")]
        for secret in (user.token, "a password of the tests", webhook.SECRET, stack.signing_key.read_text().splitlines()[1]):
            assert secret not in text


def test_openapi_and_page_are_served(stack, user):
    assert user.get("/openapi.json").json()["openapi"].startswith("3.1")
    assert "curl" in user.get("/").text

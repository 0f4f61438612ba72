"""SIGTERM, as by a scale-down, a rolling update or a node drain, costs no job an attempt and no client an upload."""
import signal
import threading
import time

import pytest
import requests
from harness import media
from harness.wait import wait_until

DELIVERY_LIMIT = 5  # QUEUE_DELIVERY_LIMIT


def holder(stack, job_id):
    """The converter that has the job in hand."""
    def found():
        return next((c for c in stack.converters if c.process and c.metric("unreel_jobs_in_flight") > 0), None)

    return wait_until(found, 20, what=f"a converter with {job_id}")


def test_a_job_may_finish(make_stack):
    stack = make_stack(converter={"UNREEL_DRAIN_TIMEOUT_S": 60})
    user = stack.admin()
    job = user.submit(media.long_clip(300))
    waiting = user.submit(media.clip("m4a"))
    user.wait_state(job["id"], ("running",))
    stack.converter.signal(signal.SIGTERM)
    assert stack.converter.wait_exit(70) == 0
    done = user.job(job["id"])
    assert done["state"] == "succeeded" and done["attempt"] == 1
    assert user.job(waiting["id"])["state"] == "queued", "a converter that drains takes no further job"
    stack.converter.start()
    assert user.wait_job(waiting["id"])["attempt"] == 1


def test_a_job_that_is_given_back_is_another_s_first_attempt(make_stack):
    stack = make_stack(converters=2, converter={"UNREEL_DRAIN_TIMEOUT_S": 1})
    user = stack.admin()
    job = user.submit(media.long_clip(600))
    first = holder(stack, job["id"])
    first.signal(signal.SIGTERM)
    began = time.monotonic()
    assert first.wait_exit(20) == 0
    assert time.monotonic() - began < 15
    given_back = user.job(job["id"])
    assert given_back["state"] in ("queued", "running") and given_back["error"] is None
    done = user.wait_job(job["id"], 120)
    stack.assert_one_mp3(done)
    assert done["attempt"] == 1 and "draining: the job is given back" in first.log_text()
    assert done["output"]["duration_s"] == pytest.approx(600.3, abs=0.1)


def test_given_back_more_often_than_a_message_is_delivered(make_stack):
    """Nothing is wrong with the job, so nobody is called to look at a dead letter."""
    stack = make_stack(converter={"UNREEL_DRAIN_TIMEOUT_S": 0})
    user = stack.admin()
    job = user.submit(media.long_clip(600))
    for _ in range(DELIVERY_LIMIT + 2):
        holder(stack, job["id"])
        assert stack.converter.restart()
    done = user.wait_job(job["id"], 120)
    stack.assert_one_mp3(done)
    assert done["attempt"] == 1
    assert stack.engines.dead_count("video") == 0


class SlowUpload:
    """An upload that stops in the middle until `go_on` is called."""

    def __init__(self, stack, user):
        self.body = media.clip("mp4").read_bytes()
        self.is_halfway, self.may_end, self.answer = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self._send, args=(user,), daemon=True)
        self.thread.start()
        assert self.is_halfway.wait(20)
        wait_until(lambda: stack.gateway.metric("unreel_uploads_in_flight") == 1, 20)

    def _parts(self):
        half = len(self.body) // 2
        yield self.body[:half]
        self.is_halfway.set()
        self.may_end.wait(60)
        yield self.body[half:]

    def _send(self, user):
        try:
            self.answer = requests.post(user.url + "/v1/jobs", data=self._parts(), timeout=60,
                                        headers={"Authorization": f"Bearer {user.token}"})
        except requests.RequestException as failure:
            self.answer = failure

    def go_on(self):
        self.may_end.set()
        self.thread.join(60)
        return self.answer


def refuses(url):
    try:
        requests.get(url, timeout=5)
        return False
    except requests.ConnectionError:
        return True


def test_an_upload_in_flight_is_taken_to_its_end(make_stack):
    stack = make_stack()
    user = stack.admin()
    upload = SlowUpload(stack, user)
    stack.gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(stack.gateway.url + "/"), 10, what="the end of new connections")
    readiness = stack.gateway.ops("/readyz")
    assert readiness.status_code == 503 and readiness.json()["status"] == "draining"
    assert stack.gateway.ops("/livez").status_code == 200
    answer = upload.go_on()
    assert answer.status_code == 202 and answer.headers["Connection"] == "close"
    assert stack.gateway.wait_exit(20) == 0
    stack.gateway.start()
    done = user.wait_job(answer.json()["id"])
    assert done["state"] == "succeeded" and done["attempt"] == 1


def test_an_upload_longer_than_the_grace_leaves_nothing(make_stack):
    stack = make_stack(gateway={"UNREEL_DRAIN_TIMEOUT_S": 1})
    user = stack.admin()
    upload = SlowUpload(stack, user)
    stack.gateway.signal(signal.SIGTERM)
    assert stack.gateway.wait_exit(20) == 0
    assert isinstance(upload.go_on(), requests.RequestException)
    assert stack.engines.blob_ids("videos") == set()
    stack.gateway.start()
    assert user.get("/v1/jobs").json()["jobs"] == []


def test_a_client_that_keeps_its_connection_is_told_to_leave(make_stack):
    """What is asked on a connection from before is answered, and the answer is the last one there."""
    stack = make_stack()
    user = stack.admin()
    upload = SlowUpload(stack, user)
    kept = requests.Session()
    kept.headers["Authorization"] = f"Bearer {user.token}"
    assert "Connection" not in kept.get(stack.gateway.url + "/v1/jobs", timeout=10).headers
    stack.gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(stack.gateway.url + "/"), 10, what="the end of new connections")
    last = kept.get(stack.gateway.url + "/v1/jobs", timeout=10)
    assert last.status_code == 200 and last.headers["Connection"] == "close"
    assert upload.go_on().status_code == 202
    assert stack.gateway.wait_exit(20) == 0
    stack.gateway.start()

"""Notices: each is sent once, and a notifier that shall end does not begin another."""
import json
import signal
import time

import pytest
from harness import media
from harness.wait import wait_until
from harness.webhook import Receiver


@pytest.fixture
def slow():
    """A receiver of the test's own, which can take its time."""
    server = Receiver()
    yield server
    server.stop()


@pytest.mark.parametrize("message", [
    pytest.param(lambda job: {"version": 1, "job_id": job["id"], "video_fid": job["video_fid"], "mp3_fid": job["mp3_fid"],
                              "username": job["owner"], "state": "succeeded"}, id="ours"),
    pytest.param(lambda job: {"video_fid": job["video_fid"], "mp3_fid": job["mp3_fid"], "username": job["owner"]}, id="tutorial"),
])
def test_event_that_is_told_again_is_sent_once(stack, user, mail, receiver, message):
    done = user.convert(media.clip("m4a"), webhook_url=receiver.url)
    mail.wait_mail(done["mp3_fid"])
    receiver.wait_event(done["id"])
    for _ in range(2):
        stack.engines.put_raw("mp3", json.dumps(message(done)).encode())
    other = user.convert(media.clip("m4a"), webhook_url=receiver.url)
    mail.wait_mail(other["mp3_fid"])
    receiver.wait_event(other["id"])
    assert len(mail.mails_about(done["mp3_fid"])) == 1
    assert receiver.ids.count(f"evt_{done['id']}_succeeded") == 1


def test_second_try_comes_when_it_is_due(stack, user, slow):
    """After 5 s and a little: not when the poller, which sleeps for half a minute, would look anyway."""
    slow.status = 500
    job = user.convert(media.clip("m4a"), webhook_url=slow.url)
    wait_until(lambda: slow.tries == 1, 20)
    slow.status = 204
    began = time.monotonic()
    slow.wait_event(job["id"], 15)
    assert time.monotonic() - began > 4
    assert slow.ids == [f"evt_{job['id']}_succeeded"] * 2


def test_sigterm_ends_a_round_of_retries(make_stack, slow):
    """Receivers that hang must not keep the service beyond its drain time: what is left is due later."""
    stack = make_stack()
    user = stack.admin()
    slow.fails_first, slow.delay_s = True, 3
    ids = [user.convert(media.clip("m4a"), webhook_url=slow.url)["id"] for _ in range(6)]
    wait_until(lambda: len(slow.events) > 0, 60)
    stack.notifier.signal(signal.SIGTERM)
    began = time.monotonic()
    assert stack.notifier.wait_exit() == 0
    assert time.monotonic() - began < 8 and len(slow.events) < 6
    slow.delay_s = 0
    stack.notifier.start()
    for job_id in ids:
        slow.wait_event(job_id, 60)
    assert sorted(event_id for event_id, _ in slow.events) == sorted(f"evt_{job_id}_succeeded" for job_id in ids)

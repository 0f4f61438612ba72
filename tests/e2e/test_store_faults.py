"""MongoDB and MySQL are killed: what needs them answers 503 in time, and all goes on by itself when they are back."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness import media
from harness.client import Client, problem_of
from harness.stack import ADMIN
from harness.wait import wait_until

pytestmark = pytest.mark.servers

# The driver looks for a server for 5 s, and reads are tried twice.
ANSWER_S = 15


def assert_is_unavailable(answer):
    assert answer.status_code == 503 and problem_of(answer) == "unavailable", answer.text
    assert int(answer.headers["Retry-After"]) > 0


def assert_unavailable(*requests_of):
    """Each is answered with 503 and when to come again, and soon enough for a client that waits; all at once."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(requests_of)) as pool:
        for answer in pool.map(lambda ask: ask(), requests_of):
            assert_is_unavailable(answer)
    took_s = time.monotonic() - began
    assert took_s < ANSWER_S, f"503 after {took_s:.1f} s"


def assert_named(service, *names):
    """/readyz names what is down, and /livez is no worse for it."""
    wait_until(lambda: service.ops("/readyz").status_code == 503, 20, what=f"{service.name} sees that {names} are down")

    def down():
        return {name for name, check in service.ops("/readyz").json()["details"].items() if check["status"] != "up"}

    wait_until(lambda: down() == set(names), 20, what=f"{service.name} names {names}")
    assert service.ops("/livez").status_code == 200


def wait_all_ready(stack, pids):
    for service in stack.services:
        service.wait_ready()
    assert [service.process.pid for service in stack.services] == pids


def pids_of(stack):
    return [service.process.pid for service in stack.services]


def test_mongodb_is_down(make_stack, own_mongodb):
    stack = make_stack(on=own_mongodb)
    user, pids = stack.admin(), pids_of(stack)
    first = user.convert(media.clip("m4a"))
    with own_mongodb.down():
        assert_unavailable(
            lambda: user.upload_raw(media.clip("m4a")),
            lambda: user.upload_form(media.clip("m4a")),
            lambda: user.get(f"/v1/jobs/{first['id']}"),
            lambda: user.get("/v1/jobs"),
            lambda: user.download(first["mp3_fid"]),
            lambda: user.delete(f"/v1/jobs/{first['id']}"))
        assert_named(stack.gateway, "blobs", "jobs")
        assert_named(stack.converter, "blobs", "jobs")
        assert_named(stack.notifier, "jobs")
        assert stack.auth.ops("/readyz").status_code == 200
        Client(stack.gateway.url, *ADMIN)
    wait_all_ready(stack, pids)
    assert [job["id"] for job in user.get("/v1/jobs").json()["jobs"]] == [first["id"]]
    assert stack.engines.blob_ids("videos") == {first["video_fid"]}
    second = user.convert(media.clip("m4a"))
    assert stack.engines.blob_ids("mp3s") == {first["mp3_fid"], second["mp3_fid"]}


def test_mongodb_is_killed_in_the_middle_of_an_upload(make_stack, own_mongodb):
    stack = make_stack(on=own_mongodb)
    user, pids = stack.admin(), pids_of(stack)
    whole = media.long_clip(900).read_bytes()
    half = len(whole) // 2
    is_stored, is_down = threading.Event(), threading.Event()

    def body():
        yield whole[:half]
        is_stored.set()
        is_down.wait(30)
        yield whole[half:]

    answers = []
    sender = threading.Thread(target=lambda: answers.append(user.post("/v1/jobs", data=body())), daemon=True)
    sender.start()
    assert is_stored.wait(30)
    wait_until(lambda: stack.engines.blob_ids("videos"), what="the first half in the store")
    with own_mongodb.down():
        is_down.set()
        sender.join(60)
        answer, = answers
        assert_is_unavailable(answer)
    wait_all_ready(stack, pids)
    assert user.get("/v1/jobs").json()["jobs"] == []
    done = user.convert(whole, timeout=120)
    stack.assert_one_mp3(done)
    assert done["output"]["duration_s"] == pytest.approx(900.3, abs=0.2)


def test_mongodb_is_killed_in_the_middle_of_a_conversion(make_stack, own_mongodb):
    stack = make_stack(on=own_mongodb)
    user, pids = stack.admin(), pids_of(stack)
    job = user.submit(media.long_clip(900))
    user.wait_state(job["id"], ("running",))
    with own_mongodb.down():
        time.sleep(3)
    wait_all_ready(stack, pids)
    done = user.wait_job(job["id"], 180)
    stack.assert_one_mp3(done)
    assert done["output"]["duration_s"] == pytest.approx(900.3, abs=0.2)


def test_mysql_is_down(make_stack, own_mysql):
    stack = make_stack(on=own_mysql)
    user, pids = stack.admin(), pids_of(stack)
    with own_mysql.down():
        assert_unavailable(
            lambda: requests.post(stack.auth.url + "/login", auth=ADMIN, timeout=60),
            lambda: requests.post(stack.gateway.url + "/login", auth=ADMIN, timeout=60))
        assert_named(stack.auth, "accounts")
        user.convert(media.clip("m4a"))
        assert stack.gateway.ops("/readyz").status_code == 200
    wait_all_ready(stack, pids)
    Client(stack.gateway.url, *ADMIN)

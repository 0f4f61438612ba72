"""Beside the well-known Python tutorial of this pipeline: its parts and ours can be swapped, and what breaks it does not
break ours."""
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
import requests
from harness import media
from harness.stack import ADMIN
from harness.ports import free_port
from harness.wait import wait_until

pytestmark = pytest.mark.servers
PROGRAMS = Path(__file__).resolve().parents[1] / "support" / "tutorial"


@pytest.fixture
def run_program(stack, tmp_path):
    """Starts one of the tutorial's programs beside the stack; its output is a file."""
    running = []

    def run(name, *arguments):
        engines = stack.engines
        env = dict(os.environ, AMQP_URL=engines.amqp_url, QUEUE_PREFIX=engines.queue_prefix, AUTH_URL=stack.auth.url,
                   MONGODB_URL=os.environ["UNREEL_TEST_MONGODB_URL"], MONGODB_PREFIX=engines.mongo_prefix)
        output = tmp_path / f"{name}.out"
        with open(output, "wb") as file:
            running.append(subprocess.Popen(["/usr/bin/python3", PROGRAMS / f"{name}.py", *map(str, arguments)], env=env,
                                            stdout=file, stderr=subprocess.STDOUT))
        return output

    yield run
    for process in running:
        process.terminate()
        process.wait()


def test_its_gateway_works_with_our_auth_and_our_converter(stack, user, run_program, mail):
    port = free_port()
    run_program("gateway", port)
    url = f"http://127.0.0.1:{port}"

    def login():
        try:
            return requests.post(url + "/login", auth=ADMIN, timeout=5)
        except requests.ConnectionError:
            return None

    token = wait_until(login, 20).text
    headers = {"Authorization": f"Bearer {token}"}
    before = {job["id"] for job in user.get("/v1/jobs").json()["jobs"]}
    with open(media.clip("mp4"), "rb") as file:
        assert requests.post(url + "/upload", headers=headers, files={"file": file}, timeout=30).text == "success!"
    job_id, = wait_until(lambda: {job["id"] for job in user.get("/v1/jobs").json()["jobs"]} - before, 20)
    done = user.wait_job(job_id)
    assert done["state"] == "succeeded" and done["owner"] == ADMIN[0]
    mp3 = requests.get(url + "/download", headers=headers, params={"fid": done["mp3_fid"]}, timeout=30).content
    assert mp3 == user.download(done["mp3_fid"]).content
    mail.wait_mail(done["mp3_fid"])


def test_its_converter_finishes_our_job(stack, user, run_program, mail):
    stack.converter.stop()
    try:
        job = user.submit(media.clip("mp4"))
        run_program("converter")
        done = user.wait_job(job["id"], 60)
        assert done["state"] == "succeeded" and done["mp3_fid"]
        assert user.download(done["mp3_fid"]).content == stack.engines.blob_bytes("mp3s", done["mp3_fid"])
        mail.wait_mail(done["mp3_fid"])
    finally:
        stack.converter.start()


def test_its_consumer_reads_our_messages(stack, user, run_program):
    stack.notifier.stop()
    try:
        output = run_program("consumer")
        done = user.convert(media.clip("m4a"))
        line = f"mail to {ADMIN[0]}: mp3 file_id: {done['mp3_fid']} is now ready!"
        wait_until(lambda: line in output.read_text(), 20, what=line)
    finally:
        stack.notifier.start()


def test_auth_validates_as_it_expects(stack, user):
    claims = requests.post(stack.auth.url + "/validate", timeout=30, headers={"Authorization": f"Bearer {user.token}"}).json()
    assert claims["username"] == ADMIN[0] and claims["admin"] is True
    assert requests.post(stack.auth.url + "/validate", timeout=30).status_code == 401


def test_gateway_can_say_its_words(make_stack):
    stack = make_stack(gateway={"UNREEL_COMPAT": "tutorial"})
    answer = stack.admin().upload_form(media.clip("m4a"))
    assert (answer.status_code, answer.text) == (200, "success!")


@pytest.fixture
def impatient(make_stack):
    """A stack whose broker hangs up after two seconds without a heartbeat."""
    def make(**options):
        stack = make_stack(start=False, **options)
        for service in stack.services:
            if "UNREEL_QUEUE_URL" in service.settings:
                service.settings["UNREEL_QUEUE_URL"] += "&heartbeat=1"
        return stack.start()

    return make


def test_idle_for_longer_than_the_heartbeat(impatient):
    stack = impatient()
    user = stack.admin()
    user.convert(media.clip("m4a"))
    time.sleep(6)
    user.convert(media.clip("m4a"))


def test_conversion_longer_than_the_heartbeat(impatient):
    stack = impatient()
    user = stack.admin()
    done = user.wait_job(user.submit(media.long_clip(600))["id"], 90)
    assert done["state"] == "succeeded" and done["attempt"] == 1


def test_poison_file_does_not_block_the_queue(stack, user):
    poison = [user.upload_raw(b"no video" * 1000).json()["id"], user.upload_raw(media.clip("silent")).json()["id"]]
    user.convert(media.clip("m4a"))
    assert [user.wait_job(job_id)["state"] for job_id in poison] == ["failed", "failed"]


def test_parallel_uploads_lose_nothing(stack, user):
    ids, lock = [], threading.Lock()

    def upload():
        job = user.submit(media.clip("m4a"))
        with lock:
            ids.append(job["id"])

    threads = [threading.Thread(target=upload) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 16
    assert {user.wait_job(job_id, 90)["state"] for job_id in ids} == {"succeeded"}


def test_missing_queue_loses_nothing(make_stack):
    stack = make_stack()
    user = stack.admin()
    stack.converter.stop()
    channel = stack.engines.channel()
    channel.queue_delete(stack.engines.queue_prefix + "video")
    channel.connection.close()
    job = user.submit(media.clip("m4a"))
    stack.converter.start()
    assert user.wait_job(job["id"], 60)["state"] == "succeeded"

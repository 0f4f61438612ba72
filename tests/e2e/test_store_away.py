"""MongoDB is away for a while: messages wait for it in hand, none is called dead for that."""
import json
import os
import subprocess
import time

import gridfs
import pytest
from harness import media
from harness.engines import join_query
from harness.stack import ADMIN
from harness.wait import wait_until

from conftest import ROOT

pytestmark = pytest.mark.servers


class Store:
    """A MongoDB-protocol server of the test's own."""

    def __init__(self, folder):
        self.folder = folder
        self.run("start")
        line, = [line for line in (folder / "env").read_text().splitlines() if "MONGODB_URL=" in line]
        self.url = join_query(line.split("=", 1)[1], "serverSelectionTimeoutMS=500")

    def run(self, verb):
        env = {name: value for name, value in os.environ.items() if not name.startswith("UNREEL_TEST_")}
        subprocess.run([ROOT / "scripts" / "servers.sh", verb, self.folder, "mongodb"], check=True, env=env)


@pytest.fixture
def store(tmp_path, monkeypatch, engines):
    own = Store(tmp_path)
    monkeypatch.setenv("UNREEL_TEST_MONGODB_URL", own.url)
    yield own
    own.run("stop")


def waiting(stack, queue):
    channel = stack.engines.channel()
    count = channel.queue_declare(stack.engines.queue_prefix + queue, passive=True).method.message_count
    channel.connection.close()
    return count


def test_messages_wait_for_the_store(store, make_stack):
    """For longer than the broker delivers a message again and again."""
    stack = make_stack()
    user = stack.admin()
    # As the tutorial's converter tells of an MP3 without a record: who loses this message loses the notice.
    video, mp3 = (gridfs.GridFS(stack.engines.blob_database(bucket)).put(b"x" * 100) for bucket in ("videos", "mp3s"))
    stack.converter.stop()
    job = user.submit(media.clip("m4a"))
    wait_until(lambda: waiting(stack, "video") == 1, 20)
    store.run("stop")
    stack.engines.put_raw("mp3", json.dumps({"video_fid": str(video), "mp3_fid": str(mp3), "username": ADMIN[0]}).encode())
    stack.converter.start(wait=False)
    time.sleep(15)
    assert stack.engines.dead_count("video") == stack.engines.dead_count("mp3") == 0
    store.run("start")
    assert user.wait_job(job["id"])["state"] == "succeeded"
    wait_until(lambda: user.get(f"/v1/jobs/{video}").status_code == 200, 30, what="the record of a foreign MP3")
    assert stack.engines.dead_count("video") == stack.engines.dead_count("mp3") == 0


def test_a_drain_does_not_wait_for_the_store(store, make_stack):
    stack = make_stack(converter={"UNREEL_DRAIN_TIMEOUT_S": 60})
    user = stack.admin()
    stack.converter.stop()
    job = user.submit(media.clip("m4a"))
    wait_until(lambda: waiting(stack, "video") == 1, 20)
    store.run("stop")
    stack.converter.start(wait=False)
    wait_until(lambda: "waits for the store" in stack.converter.log_text(), 20)
    began = time.monotonic()
    stack.converter.stop()
    assert time.monotonic() - began < 20
    store.run("start")
    stack.converter.start()
    done = user.wait_job(job["id"])
    assert done["state"] == "succeeded" and done["attempt"] == 1

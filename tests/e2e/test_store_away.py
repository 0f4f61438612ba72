"""MongoDB is away for a while: messages wait for it in hand, none is called dead for that."""
import json
import time

import gridfs
import pytest
from harness import media
from harness.stack import ADMIN
from harness.wait import wait_until

pytestmark = pytest.mark.servers


@pytest.fixture
def store(own_mongodb):
    """Looked for so briefly that a message that is given back comes again many times."""
    return own_mongodb.with_option("serverSelectionTimeoutMS=500")


def waiting(stack, queue):
    channel = stack.engines.channel()
    count = channel.queue_declare(stack.engines.queue_prefix + queue, passive=True).method.message_count
    channel.connection.close()
    return count


def test_messages_wait_for_the_store(store, make_stack):
    """For longer than the broker delivers a message again and again."""
    stack = make_stack(on=store)
    user = stack.admin()
    # As the tutorial's converter tells of an MP3 without a record: who loses this message loses the notice.
    video, mp3 = (gridfs.GridFS(stack.engines.blob_database(bucket)).put(b"x" * 100) for bucket in ("videos", "mp3s"))
    stack.converter.stop()
    job = user.submit(media.clip("m4a"))
    wait_until(lambda: waiting(stack, "video") == 1, 20)
    with store.down():
        stack.engines.put_raw("mp3", json.dumps({"video_fid": str(video), "mp3_fid": str(mp3), "username": ADMIN[0]}).encode())
        stack.converter.start(wait=False)
        time.sleep(15)
        assert stack.engines.dead_count("video") == stack.engines.dead_count("mp3") == 0
    assert user.wait_job(job["id"])["state"] == "succeeded"
    wait_until(lambda: user.get(f"/v1/jobs/{video}").status_code == 200, 30, what="the record of a foreign MP3")
    assert stack.engines.dead_count("video") == stack.engines.dead_count("mp3") == 0


def test_a_drain_does_not_wait_for_the_store(store, make_stack):
    stack = make_stack(on=store, converter={"UNREEL_DRAIN_TIMEOUT_S": 60})
    user = stack.admin()
    stack.converter.stop()
    job = user.submit(media.clip("m4a"))
    wait_until(lambda: waiting(stack, "video") == 1, 20)
    with store.down():
        stack.converter.start(wait=False)
        wait_until(lambda: "waits for the store" in stack.converter.log_text(), 20)
        began = time.monotonic()
        stack.converter.stop()
        assert time.monotonic() - began < 20
    stack.converter.start()
    done = user.wait_job(job["id"])
    assert done["state"] == "succeeded" and done["attempt"] == 1

"""The pods of RabbitMQ, MongoDB and MySQL go away in turn while jobs are under way: all of them end."""
import time

import figures
import jobs
import pytest
from conftest import ACCOUNT, SERVERS
from harness.client import Client
from harness.wait import wait_until
from load import Load


def uid(kube, pod):
    return kube.get("pod", pod)["metadata"]["uid"]


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_restarted(kube, url, client, clip, tmp_path, installation, server):
    """What was acknowledged ends as one MP3 each. Who asked meanwhile may have been told to come back."""
    pod = f"{server}-0"
    before = uid(kube, pod)
    submitted = jobs.submit_many(client, clip, 6)
    with Load(url, ACCOUNT, [clip], users=2) as load:
        begin = time.monotonic()
        kube.delete_pod(pod)
        wait_until(lambda: uid_or_none(kube, pod) not in (None, before), 120, 0.5, f"another pod of {server}")
        kube.rolled_out(f"statefulset/{server}")
        figures.note(f"seconds until {server} was back", time.monotonic() - begin)
        wait_until(lambda: logs_in(url), 120, 1, "a login")
        time.sleep(5)
    submitted += [{"id": one} for _, one, _ in load.acknowledged]
    figures.note(f"without {server}", [load.row(server)])
    figures.note(f"errors without {server}", "; ".join(sorted({what for _, what in load.errors})) or "none")
    done = jobs.wait_all(client, submitted, 300)
    for job in done:
        jobs.assert_mp3(client, job, clip, tmp_path)
    jobs.assert_one_mp3_each(kube, done)


def uid_or_none(kube, pod):
    try:
        return uid(kube, pod)
    except AssertionError:
        return None


def logs_in(url):
    try:
        return Client(url, *ACCOUNT)
    except OSError:
        return None

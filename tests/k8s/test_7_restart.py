"""The node loses its power and comes back: what was stored is there, and what was under way ends."""
import time

import figures
import jobs
from conftest import ACCOUNT, SERVERS
from harness.client import Client
from harness.wait import wait_until
from kube import APP, SERVICES


def test_the_node_is_restarted(kube, cluster, url, client, clip, long_clip, tmp_path):
    before = client.convert(clip, **jobs.unlike_others())
    under_way = [jobs.submit(client, long_clip), *jobs.submit_many(client, clip, 5)]
    wait_until(lambda: client.job(under_way[0]["id"])["state"] == "running", 60, 0.1, "the first one's start")
    cluster("down")
    begin, when = time.monotonic(), time.time()
    cluster("up")
    wait_until(lambda: all_started_since(kube, when), 240, 1, "every pod's new start")
    again = wait_until(lambda: logged_in(url), 120, 1, "a login")
    figures.note("seconds from the node's start to a login", time.monotonic() - begin)
    jobs.assert_mp3(again, again.job(before["id"]), clip, tmp_path)
    done = jobs.wait_all(again, under_way, 400)
    for job, source in zip(done, [long_clip] + [clip] * 5):
        jobs.assert_mp3(again, job, source, tmp_path)
    jobs.assert_one_mp3_each(kube, [before, *done])


def all_started_since(kube, when):
    """What the API server remembers of pods from before is not what they are."""
    pods = [pod for pod in kube.get("pods", "-l", APP)["items"] if pod["metadata"]["labels"][APP] in (*SERVICES, *SERVERS)]
    states = [pod["status"]["containerStatuses"][0] for pod in pods]
    return all(one["ready"] and jobs.instant(one["state"]["running"]["startedAt"]) >= when - 1 for one in states)


def logged_in(url):
    try:
        return Client(url, *ACCOUNT)
    except OSError:
        return None

"""A new version of everything, pod by pod, while users are at work: nobody notices."""
import time

import figures
import jobs
from conftest import ACCOUNT
from harness import media
from kube import SERVICES
from load import Load

LAST_SECONDS = 8  # of the old pods, which belong to their rollout


def test_rolling_restart_of_everything(kube, url, client, clip, tmp_path, installation):
    """No request fails that a retry with Retry-After does not cure, and no job loses an attempt."""
    rows = []
    kube.scale("converter", 2)
    with Load(url, ACCOUNT, [clip, media.long_clip(300), clip], users=4) as load:
        time.sleep(10)
        rows.append(load.row("before"))
        for name in SERVICES:
            kube.run("rollout", "restart", f"deployment/{name}")
            kube.rolled_out(f"deployment/{name}")
            time.sleep(LAST_SECONDS)
            rows.append(load.row(name))
        time.sleep(5)
        rows.append(load.row("after"))
    rows.append(load.row("the end"))
    done = jobs.wait_all(client, [{"id": one} for _, one, _ in load.acknowledged], 300)
    retaken = [job["id"] for job in done if job["attempt"] > 1]
    rows = [{**row, "attempts > 1": ""} for row in rows]
    rows.append({"phase": "all", **{name: load.counts[name] for name in ("requests", "retries", "errors", "uploads")},
                 "attempts > 1": len(retaken)})
    figures.note("rolling restart", rows)
    assert not load.errors, load.errors[:20]
    assert len(done) >= 20 and not retaken, retaken
    for job, (_, _, source) in zip(done, load.acknowledged):
        jobs.assert_mp3(client, job, source, tmp_path)
    jobs.assert_one_mp3_each(kube, done)
    kube.scale("converter", 1)

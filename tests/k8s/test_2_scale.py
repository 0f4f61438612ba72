"""Converters by hand: more of them share the work, and one that dies leaves its job to another."""
import threading
from concurrent.futures import ThreadPoolExecutor

import figures
import jobs
import pytest
from harness.wait import wait_until

JOBS = 40


class Watched:
    """with Watched(kube) as watched: ...; watched.most() is what a pod of each app took at most, sampled every two seconds."""

    def __init__(self, kube):
        self.kube, self.rows, self.is_over = kube, [], threading.Event()
        self.pool = ThreadPoolExecutor(1)

    def sample(self):
        while not self.is_over.wait(2):
            self.rows += self.kube.usage()

    def __enter__(self):
        self.sampling = self.pool.submit(self.sample)
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.pool.shutdown(wait=True)
        self.sampling.result()

    def most(self):
        apps = sorted({row["pod"].split("-")[0] for row in self.rows})
        return [{"app": app, **{name: max(row[name] for row in self.rows if row["pod"].split("-")[0] == app)
                                for name in ("working set MiB", "rss MiB", "mCPU")}} for app in apps]


@pytest.fixture
def converters(kube, installation):
    """Back to one afterwards."""
    yield
    kube.scale("converter", 1)


def test_forty_jobs_on_one_two_and_four(kube, client, clip, tmp_path, converters):
    """Each pod does some; what a second yields is a figure."""
    everything, rows = [], []
    for count in (1, 2, 4):
        pods = kube.scale("converter", count)
        before = {pod: kube.metrics(pod)["unreel_jobs_total"] for pod in pods}
        with Watched(kube) as watched:
            done = jobs.wait_all(client, jobs.submit_many(client, clip, JOBS), 300)
        did = {pod: int(kube.metrics(pod)["unreel_jobs_total"] - before[pod]) for pod in pods}
        assert {job["state"] for job in done} == {"succeeded"} and {job["attempt"] for job in done} == {1}
        assert sum(did.values()) == JOBS and min(did.values()) > 0, did
        rows.append({"converters": count, "jobs a second": round(jobs.rate(done), 2), "of each": sorted(did.values())})
        everything += done
        figures.note(f"at most, {count} converters at work", watched.most())
    figures.note(f"{JOBS} jobs of a minute", rows)
    for job in everything[::10]:
        jobs.assert_mp3(client, job, clip, tmp_path)
    jobs.assert_one_mp3_each(kube, everything)


def test_scaling_down_costs_no_attempt(kube, client, long_clip, clip, tmp_path, converters):
    """Four at work, three of them told to go: each ends its job first."""
    kube.scale("converter", 4)
    submitted = [(jobs.submit(client, one), one) for one in [long_clip] * 4 + [clip] * 4]
    pods = kube.pods("converter")
    wait_until(lambda: all(kube.metrics(pod)["unreel_jobs_in_flight"] for pod in pods), 60, 0.5, "four at work")
    running = [job for job in (client.job(one["id"]) for one, _ in submitted) if job["state"] == "running"]
    at_work = {job["id"]: job["started_at"] for job in running}
    assert len(at_work) == 4
    kube.run("scale", "deployment/converter", "--replicas=1")
    done = jobs.wait_all(client, [job for job, _ in submitted], 400)
    assert [job["attempt"] for job in done] == [1] * len(done)
    assert {job["id"]: job["started_at"] for job in done if job["id"] in at_work} == at_work, "one was given back"
    for job, (_, source) in zip(done, submitted):
        jobs.assert_mp3(client, job, source, tmp_path)
    jobs.assert_one_mp3_each(kube, done)


def test_a_converter_that_is_killed_at_work(kube, client, long_clip, tmp_path, converters):
    """The pod is gone at once, and its job comes to another: one MP3, in the second attempt."""
    kube.scale("converter", 2)
    job = jobs.submit(client, long_clip)
    wait_until(lambda: client.job(job["id"])["progress"]["percent"] > 5, 60, 0.1, "progress")
    at_work = [pod for pod in kube.pods("converter") if kube.metrics(pod)["unreel_jobs_in_flight"]]
    assert len(at_work) == 1
    kube.delete_pod(at_work[0], "--grace-period=0", "--force")
    done = jobs.wait_final(client, job["id"], 300)
    assert done["attempt"] == 2, "it was not killed at work"
    jobs.assert_mp3(client, done, long_clip, tmp_path)
    jobs.assert_one_mp3_each(kube, [done])

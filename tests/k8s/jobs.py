"""Jobs in number, and what must be true of them in the end."""
import contextlib
import functools
import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pymongo
from harness import media
from harness.client import FINAL
from harness.wait import wait_until

RUN = f"{os.getpid()}-{int(time.time())}"
numbers = itertools.count(1)
TOLERANCE_S = 0.05


def unlike_others():
    """An option that makes this conversion another one than all before: equal ones would not be converted again."""
    return {"tags.title": f"{RUN} {next(numbers)}"}


def submit(client, clip, **options):
    return client.submit(clip, **unlike_others(), **options)


def submit_many(client, clip, count, **options):
    """Four at a time; the jobs."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda _: submit(client, clip, **options), range(count)))


def wait_all(client, jobs, timeout):
    """The final records."""
    deadline = time.monotonic() + timeout
    return [wait_final(client, job["id"], deadline - time.monotonic()) for job in jobs]


def wait_final(client, job_id, timeout):
    """As a patient user does it: an answer that says when to ask again is no failure."""
    def final():
        answer = client.get(f"/v1/jobs/{job_id}")
        if answer.status_code in (429, 503) and "Retry-After" in answer.headers:
            time.sleep(int(answer.headers["Retry-After"]))
            return None
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.json()["state"] in FINAL else None

    return wait_until(final, max(timeout, 1), 0.3, f"the end of {job_id}")


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def rate(jobs):
    """Jobs a second, from the first one's start to the last one's end."""
    begin = min(instant(job["started_at"]) for job in jobs)
    end = max(instant(job["finished_at"]) for job in jobs)
    return len(jobs) / (end - begin)


@functools.lru_cache
def sound_seconds(clip):
    return media.source_samples(clip, 48000) / 48000


def assert_mp3(client, job, clip, folder):
    """The job has succeeded, and its MP3 lasts as long as the source's sound."""
    assert job["state"] == "succeeded", job
    answer = client.download(job["mp3_fid"])
    assert answer.status_code == 200, answer.text
    path = folder / f"{job['id']}.mp3"
    path.write_bytes(answer.content)
    found = media.probe(path)
    assert found["codec"] == "mp3" and abs(found["duration"] - sound_seconds(clip)) < TOLERANCE_S, (job, found)
    path.unlink()


@contextlib.contextmanager
def mongodb(kube):
    with kube.forward("pod/mongodb-0", 27017) as port:
        client = pymongo.MongoClient(f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=10000)
        try:
            yield client
        finally:
            client.close()


def stored_mp3s(base):
    """The ids of all whole files. What a killed converter left half-written is none; the gateway sweeps it in a day."""
    return {str(found["_id"]) for found in base["mp3s"]["fs.files"].find({}, {"_id": 1})}


def named_mp3s(base):
    """The ids that the records name."""
    records = base["unreel"]["jobs"]
    return {str(fid) for name in ("mp3_fid", "outputs.file_id") for fid in records.distinct(name) if fid is not None}


def assert_one_mp3_each(kube, jobs):
    """Each job's MP3 is one of its own, and the store has none that no record names."""
    fids = [job["mp3_fid"] for job in jobs]
    assert len(set(fids)) == len(fids)
    with mongodb(kube) as base:
        assert set(fids) <= stored_mp3s(base)
        wait_until(lambda: stored_mp3s(base) == named_mp3s(base), 30, 1, "the removal of what lost attempts wrote")

"""Uploads, conversions and downloads that go on while something else is done, with an end in time and number.

A user of it does what a good client does: an answer 429 or 503 with Retry-After is asked for again after that time, and
what comes as no answer at all is an error, as is every other status."""
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import jobs
import requests
from harness.client import FINAL

REQUEST_S = 60
MOST_TRIES = 30


class User:
    """One after the other: log in, upload, watch, download; all on one connection that is kept, or on one for each request."""

    def __init__(self, load, keeps_connection):
        self.load = load
        self.session = requests.Session()
        if not keeps_connection:
            self.session.headers["Connection"] = "close"

    def request(self, method, path, **kwargs):
        """The answer, or None when it failed in a way that no Retry-After cures."""
        route = f"{method} {path.split('/')[1]}"
        for _ in range(MOST_TRIES):
            self.load.count("requests")
            try:
                answer = self.session.request(method, self.load.url + path, timeout=REQUEST_S, **kwargs)
            except requests.RequestException as failure:
                self.load.fail(f"{route}: {failure!r}")
                return None
            if answer.status_code in (429, 503) and "Retry-After" in answer.headers:
                self.load.count("retries")
                time.sleep(int(answer.headers["Retry-After"]))
                continue
            if answer.status_code >= 400:
                self.load.fail(f"{route}: {answer.status_code} {answer.text[:300]}")
                return None
            return answer
        self.load.fail(f"{route}: {MOST_TRIES} tries in vain")
        return None

    def log_in(self):
        answer = self.request("POST", "/login", auth=self.load.account)
        if answer is not None:
            self.session.headers["Authorization"] = f"Bearer {answer.text.strip()}"
        return answer is not None

    def watch(self, job):
        deadline = time.monotonic() + self.load.job_timeout
        while job is not None and job["state"] not in FINAL and time.monotonic() < deadline:
            time.sleep(0.2)
            answer = self.request("GET", f"/v1/jobs/{job['id']}")
            job = answer.json() if answer is not None else job
        return job

    def convert(self, clip):
        options = jobs.unlike_others()
        answer = self.request("POST", "/v1/jobs", data=clip.read_bytes(), params={**options, "filename": clip.name},
                              headers={"Idempotency-Key": options["tags.title"].replace(" ", "-")})
        if answer is None:
            return
        self.load.acknowledge(answer.json(), clip)
        job = self.watch(answer.json())
        if job["mp3_fid"] is not None:
            self.request("GET", "/download", params={"fid": job["mp3_fid"]})

    def work(self):
        while not self.load.is_over.is_set():
            if self.log_in():
                for clip in self.load.clips:
                    self.convert(clip)
            else:
                time.sleep(1)


class Load:
    """with Load(url, account, clips, users): ...; afterwards .acknowledged, .row(name) and .errors tell how it was."""

    def __init__(self, url, account, clips, users=3, job_timeout=240):
        self.url, self.account, self.clips, self.job_timeout = url, account, clips, job_timeout
        self.users = users
        self.is_over = threading.Event()
        self.lock = threading.Lock()
        self.counts, self.marked = Counter(), Counter()
        self.errors, self.acknowledged = [], []  # [(when, what)], [(when, id, clip)]
        self.begin = time.monotonic()

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def fail(self, what):
        with self.lock:
            self.counts["errors"] += 1
            self.errors.append((round(time.monotonic() - self.begin, 1), what))

    def acknowledge(self, job, clip):
        with self.lock:
            self.counts["uploads"] += 1
            self.acknowledged.append((time.monotonic(), job["id"], clip))

    def row(self, phase):
        """What was since the last row."""
        with self.lock:
            delta = {name: self.counts[name] - self.marked[name] for name in ("requests", "retries", "errors", "uploads")}
            self.marked = self.counts.copy()
        return {"phase": phase, **delta}

    def __enter__(self):
        self.pool = ThreadPoolExecutor(self.users)
        self.futures = [self.pool.submit(User(self, number % 2 == 0).work) for number in range(self.users)]
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.pool.shutdown(wait=True)
        for future in self.futures:
            future.result()

"""The whole way, from the last uploaded byte to the finished job."""
import calendar
import http.client
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import engine
import inputs
from harness.engines import Embedded, Servers
from harness.stack import Stack
from measure import ROUNDS, WORK, report, timed

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"UNREEL_LOG_LEVEL": "warn"}


def upload(user, path):
    """Uploads as a raw body, for CBR 192; (the job's id, the wall-clock second when the last byte was handed over)."""
    parts = urlsplit(user.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)
    connection.putrequest("POST", "/v1/jobs?bitrate=192")
    connection.putheader("Authorization", f"Bearer {user.token}")
    connection.putheader("Content-Length", str(path.stat().st_size))
    connection.endheaders()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            connection.send(block)
    last_byte = time.time()
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 202, body
    job_id = answer.headers["Location"].rsplit("/", 1)[1]
    connection.close()
    return job_id, last_byte


def seconds_of(stamp):
    """A time of the API as seconds."""
    head, _, fraction = stamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(head, "%Y-%m-%dT%H:%M:%S")) + float("0." + (fraction or "0"))


def finish(user, job_id):
    job = user.wait_job(job_id, 600)
    assert job["state"] == "succeeded", job
    return job


class Running:
    """A stack for one measurement, with the settings of each kind of service."""

    def __init__(self, kind, converters=1, **converter):
        folder = WORK / f"pipeline-{time.monotonic_ns()}"
        folder.mkdir()
        engines = Embedded(folder) if kind == "embedded" else Servers()
        self.stack = Stack(engines, folder, converters=converters, auth={**QUIET, "UNREEL_TOKEN_LIFE_S": 3600}, gateway=QUIET,
                           notifier=QUIET, converter={**QUIET, **converter})

    def __enter__(self):
        self.stack.start()
        return self.stack, self.stack.admin()

    def __exit__(self, *_):
        for service in self.stack.services:
            if service.process is not None:
                service.kill()
        self.stack.engines.remove()
        shutil.rmtree(self.stack.workdir)


def latency(kind):
    clip = inputs.sound(10)
    values = []
    with Running(kind, UNREEL_ENGINE_THREADS=engine.THREADS) as (_, user):
        finish(user, upload(user, clip)[0])  # connections and caches
        for _ in range(2 * ROUNDS):
            own, _ = engine.ours(clip, WORK / "latency.mp3", engine.CBR192)
            job_id, last_byte = upload(user, clip)
            values.append(1000 * (seconds_of(finish(user, job_id)["finished_at"]) - last_byte - own))
    report(f"pipeline.latency.{kind}", values, "ms")


def queued_rate(kind, clip, jobs, converters, **settings):
    """Jobs per second of converters that find the jobs waiting."""
    with Running(kind, converters, **settings) as (stack, user):
        for converter in stack.converters:
            converter.stop()
        ids = [upload(user, clip)[0] for _ in range(jobs)]
        for converter in stack.converters:
            converter.start(wait=False)
        done = [finish(user, job_id) for job_id in ids]
        first = min(seconds_of(job["started_at"]) for job in done)
        return jobs / (max(seconds_of(job["finished_at"]) for job in done) - first)


def scale():
    clip, values = inputs.sound(60), []
    for _ in range(ROUNDS):
        # Before and after, since machines change their speed meanwhile.
        before, two, after = (queued_rate("embedded", clip, 16, count, UNREEL_ENGINE_THREADS=1, UNREEL_SLOTS=1) for count in (1, 2, 1))
        values.append(2 * two / (before + after))
    report("pipeline.scale", values, "ratio")


def jobs_rate():
    clip = inputs.sound(10)
    report("pipeline.jobs.rate", [queued_rate("servers", clip, 20, 1, UNREEL_ENGINE_THREADS=1, UNREEL_SLOTS=2) for _ in range(ROUNDS)],
           "1/s")


def renew_mongodb():
    """The stand-in slows as its file grows: an empty one for each round. A server that the caller brought is left alone."""
    folder = WORK / "servers"
    if not (folder / "mongodb").is_dir():
        return
    env = {name: value for name, value in os.environ.items() if not name.startswith("UNREEL_TEST_")}
    script = ROOT / "scripts" / "servers.sh"
    subprocess.run([script, "stop", folder, "mongodb"], check=True, env=env)
    shutil.rmtree(folder / "mongodb" / "data")
    subprocess.run([script, "start", folder, "mongodb"], check=True, env=env)


def against_ffmpeg(name, source):
    values = []
    for _ in range(ROUNDS):
        renew_mongodb()
        own, _ = timed("ffmpeg", "-v", "error", "-y", "-i", source, "-vn", "-c:a", "libmp3lame", "-b:a", "192k", WORK / "out.mp3")
        with Running("servers", UNREEL_ENGINE_THREADS=engine.THREADS) as (_, user):
            job_id, last_byte = upload(user, source)
            values.append((seconds_of(finish(user, job_id)["finished_at"]) - last_byte) / own)
    report(f"pipeline.vs_ffmpeg.{name}", values, "ratio")


def run():
    latency("embedded")
    latency("servers")
    scale()
    jobs_rate()
    against_ffmpeg("300mb", inputs.film(120, 21000))
    against_ffmpeg("20min", inputs.film(1200, 900))

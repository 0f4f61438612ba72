"""Rounds, commands and what is written about them."""
import json
import os
import resource
import statistics
import subprocess
import threading
import time
from pathlib import Path

ROUNDS = max(5, int(os.environ.get("UNREEL_BENCH_ROUNDS", "5")))
BINARIES = Path(os.environ["UNREEL_TEST_BIN"])
WORK = Path(os.environ["UNREEL_BENCH_WORK"])
BUILD = BINARIES.parents[1]
RESULTS = BUILD / "bench.json"

# What each figure should reach: at most, or at least.
REACH = {
    "engine.cbr192.20min.wall": "<= 0.52", "engine.cbr192.20min.cpu": "<= 1.00", "engine.cbr192.60s.wall": "<= 0.65",
    "engine.cbr192.10s.wall": "<= 0.85", "engine.v2.20min.wall": "<= 0.55", "engine.rss": "<= 110",
    "engine.cbr192.20min.wall.hwcaps": "<= 0.47", "engine.fetch.camera": "<= 0.12",
    "engine.copy.wall": "<= 0.8",
    "gateway.upload.wall": "<= 0.9", "gateway.download.wall": "<= 1.2", "gateway.mem": "<= 2",
    "gateway.job_get.vs_flask": ">= 8",
    "pipeline.latency.embedded": "<= 150", "pipeline.latency.servers": "<= 300", "pipeline.scale": ">= 1.9",
    "pipeline.jobs.rate": ">= 12", "pipeline.vs_ffmpeg.20min": "<= 0.65", "pipeline.vs_ffmpeg.300mb": "<= 1.6",
}


def begin(group):
    """Forgets the figures that will be measured anew."""
    kept = []
    if group is not None and RESULTS.exists():
        kept = [line for line in RESULTS.read_text().splitlines() if not json.loads(line)["name"].startswith(group + ".")]
    RESULTS.write_text("".join(line + "\n" for line in kept))
    print(f"{'':32} {'median':>9} {'min':>9} {'max':>9}  rounds  to reach", flush=True)


def report(name, values, unit):
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    rounded = {key: round(value, 3 if unit in ("ratio", "share") else 1) for key, value in figures.items()}
    with RESULTS.open("a") as file:
        file.write(json.dumps({"name": name, **rounded, "rounds": len(values), "unit": unit}) + "\n")
    reach = REACH.get(name, "")
    missed = ""
    if reach:
        sign, limit = reach.split()
        met = figures["median"] <= float(limit) if sign == "<=" else figures["median"] >= float(limit)
        missed = "" if met else "  MISSED"
    print(f"{name:32} {rounded['median']:9} {rounded['min']:9} {rounded['max']:9}  {len(values):6}  {reach} {unit}{missed}",
          flush=True)


def command(*words, **options):
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL, **options)


def timed(*words):
    """(wall seconds, CPU seconds) of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    command(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def status(pid):
    """What the kernel tells of a process, by name; nothing when it is gone."""
    try:
        return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return {}


def rss_mib(pid, field="VmRSS"):
    """Resident memory now, or with VmHWM the most there ever was; 0 when the process is gone."""
    return int(status(pid).get(field, "0").split()[0]) / 1024


class PeakMemory:
    """The most memory that a process was seen with while the block ran. find() gives its id, or None."""

    def __init__(self, find, field="VmRSS"):
        self.find, self.field, self.peak, self.over = find, field, 0.0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over.wait(0.02):
            pid = self.find()
            if pid is not None:
                self.peak = max(self.peak, rss_mib(pid, self.field))

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def is_ours(pid):
    """Whether we have started it, or what started it."""
    while pid > 1 and pid != os.getpid():
        pid = int(status(pid).get("PPid", "0"))
    return pid == os.getpid()


def process_named(name):
    """The id of a process of ours by its program's name."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == name[:15] and is_ours(int(comm.parent.name)):
                return int(comm.parent.name)
        except OSError:
            continue
    return None

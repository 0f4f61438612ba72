"""The gateway against nginx and Flask."""
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import measure
from harness import media
from harness.engines import Embedded
from harness.stack import Stack
from harness.ports import free_port
from harness.wait import wait_until
from measure import BUILD, ROUNDS, WORK, command, report, rss_mib

GIB = 1 << 30
TRANSFERS = 8
TRANSFER_BYTES = 256 << 20

NGINX = """daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log;
{modules}events {{ }}
http {{
    access_log off; sendfile on; client_max_body_size 0;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
    scgi_temp_path {dir}/s;
    server {{ listen 127.0.0.1:{port}; root {dir}/files; dav_methods PUT; }}
}}
"""


def answers(url):
    return subprocess.run(["curl", "-s", "-o", "/dev/null", url], check=False).returncode == 0


class Nginx:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        (folder / "files").mkdir(parents=True)
        owner = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(NGINX.format(dir=folder, port=self.port, modules=owner))
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "start.log")])
        wait_until(lambda: answers(self.url))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def stop(self):
        self.process.terminate()
        self.process.wait()


def big_file(path, size):
    block = hashlib.shake_256(b"unreel").digest(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)


def seconds(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def curl(*arguments):
    command("curl", "-sS", "--fail", "-o", "/dev/null", *arguments)


def upload(stack, user, source, *arguments):
    curl("-X", "POST", "-H", f"Authorization: Bearer {user.token}", "-H", "Expect:", "-T", source, *arguments,
         stack.gateway.url + "/v1/jobs")


def forget_uploads(user):
    """Removes the jobs that wait for a converter, which does not run."""
    for job in user.get("/v1/jobs", params={"state": "queued"}).json()["jobs"]:
        user.delete(f"/v1/jobs/{job['id']}")


def measure_upload(stack, user, nginx, source):
    stored = nginx.folder / "files" / "stored"

    def by_parts():
        curl("-T", source, "-H", "Expect:", nginx.url + "stored")
        command("openssl", "dgst", "-sha256", stored, stdout=subprocess.DEVNULL)
        command("sync", stored)

    values = []
    for _ in range(ROUNDS):
        parts = seconds(by_parts)
        stored.unlink()
        values.append(seconds(lambda: upload(stack, user, source)) / parts)
        forget_uploads(user)
    report("gateway.upload.wall", values, "ratio")


def grow_mp3(stack, user, source):
    """A finished job whose MP3 is as big as the source: the stored file and its description are replaced."""
    stack.converter.start()
    done = user.convert(media.clip("m4a"))
    stack.converter.stop()
    blob = Path(stack.engines.folder) / "files" / "mp3s" / done["mp3_fid"]
    command("cp", source, blob)
    described = Path(f"{blob}.json")
    description = json.loads(described.read_text())
    description["size_bytes"] = source.stat().st_size
    described.write_text(json.dumps(description))
    return f"{stack.gateway.url}/download?fid={done['mp3_fid']}"


def measure_download(user, nginx, source, address):
    served = nginx.folder / "files" / "served"
    os.link(source, served)
    values = []
    for _ in range(2 * ROUNDS):
        theirs = seconds(lambda: curl(nginx.url + "served"))
        values.append(seconds(lambda: curl("-H", f"Authorization: Bearer {user.token}", address)) / theirs)
    report("gateway.download.wall", values, "ratio")


def measure_memory(stack, user, address):
    """Half of the transfers go up, half come down, all at once and slowly enough to overlap."""
    source = WORK / "transfer"
    big_file(source, TRANSFER_BYTES)
    values = []
    for _ in range(ROUNDS):
        idle = rss_mib(stack.gateway.process.pid)
        limit = ("--limit-rate", "64M")
        actions = [lambda: upload(stack, user, source, *limit),
                   lambda: curl("-H", f"Authorization: Bearer {user.token}", "-r", f"0-{TRANSFER_BYTES - 1}", *limit, address)]
        with measure.PeakMemory(lambda: stack.gateway.process.pid) as memory, ThreadPoolExecutor(TRANSFERS) as pool:
            for done in [pool.submit(actions[i % 2]) for i in range(TRANSFERS)]:
                done.result()
        values.append(max(0.0, memory.peak - idle) / TRANSFERS)
        forget_uploads(user)
    report("gateway.mem", values, "MiB")


def hammer(port, request):
    result = subprocess.run([BUILD / "hammer", str(port), "16", "4"], input=request, capture_output=True, check=True)
    return float(result.stdout)


def measure_job_get(stack, user):
    job = user.upload_raw(media.clip("m4a")).json()
    path = f"/v1/jobs/{job['id']}"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {user.token}\r\n\r\n".encode()
    jobs_file = WORK / "flask.db"
    base = sqlite3.connect(jobs_file)
    base.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, body TEXT)")
    base.execute("INSERT INTO jobs VALUES (?, ?)", (job["id"], json.dumps(job)))
    base.commit()
    port = free_port()
    flask = subprocess.Popen([sys.executable, "-m", "gunicorn", "-w", "2", "-k", "gthread", "--threads", "8", "--keep-alive", "60",
                              "-b", f"127.0.0.1:{port}", "--chdir", str(Path(__file__).parent), "--log-level", "error",
                              "flask_app:app"],
                             env=dict(os.environ, AUTH_URL=stack.auth.url, JOBS_FILE=str(jobs_file)))
    rates, ratios = [], []
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"))
        for _ in range(ROUNDS):
            rates.append(hammer(stack.gateway.port, request))
            ratios.append(rates[-1] / hammer(port, request))
    finally:
        flask.terminate()
        flask.wait()
    report("gateway.job_get.rate", rates, "1/s")
    report("gateway.job_get.vs_flask", ratios, "ratio")


def run_group(stack):
    source = WORK / "big"
    big_file(source, GIB)
    nginx = Nginx(WORK / "nginx")
    stack.converter.stop()
    user = stack.admin()
    try:
        measure_job_get(stack, user)
        measure_upload(stack, user, nginx, source)
        address = grow_mp3(stack, user, source)
        measure_download(user, nginx, source, address)
        measure_memory(stack, user, address)
    finally:
        nginx.stop()


def run():
    folder = WORK / "gateway"
    folder.mkdir()
    stack = Stack(Embedded(folder), folder, gateway={"UNREEL_LOG_LEVEL": "warn"},
                  auth={"UNREEL_LOG_LEVEL": "warn", "UNREEL_TOKEN_LIFE_S": 3600})
    stack.start()
    try:
        run_group(stack)
    finally:
        for service in stack.services:
            if service.process is not None:
                service.kill()

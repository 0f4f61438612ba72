"""The command that people type: `unreel serve` on the embedded engines, its client, and the operator's commands."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from harness import media
from harness.engines import Embedded
from harness.service import REPORT, clean_environment
from harness.stack import binary_folder
from harness.wait import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("unreel-auth", "unreel-notifier", "unreel-converter", "unreel-gateway")


class Command:
    """Runs unreel with a home of its own."""

    def __init__(self, home):
        self.home = home
        self.env = clean_environment(home)
        self.env["HOME"] = str(home)

    def result(self, *arguments, stdin="", code=0, **settings):
        """What it did; never an escape sequence."""
        result = subprocess.run([binary_folder() / "unreel", *map(str, arguments)], input=stdin, text=True, check=False,
                                env={**self.env, **settings}, capture_output=True, timeout=120, cwd=self.home)
        assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
        assert "\x1b" not in result.stdout + result.stderr
        assert not REPORT.search(result.stderr), result.stderr
        return result

    def run(self, *arguments, code=0, **options):
        """Its output; when it is to fail with another code, its complaints."""
        result = self.result(*arguments, code=code, **options)
        return result.stdout if code == 0 else result.stderr

    def run_failing(self, *arguments, code):
        """The output of one that fails."""
        return self.result(*arguments, code=code).stdout

    def json(self, *arguments, **options):
        return json.loads(self.run(*arguments, "--json", **options))

    def on_terminal(self, *arguments, typed=b""):
        """With a terminal for everything: exit code and what was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.home)
            os.execve(binary_folder() / "unreel", ["unreel", *map(str, arguments)], self.env)
        shown = b""
        while True:
            assert select.select([terminal], [], [], 60)[0], shown
            try:
                slice_ = os.read(terminal, 4096)
            except OSError:
                break
            shown += slice_
            if typed and b"Password:" in shown:
                os.write(terminal, typed)
                typed = b""
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()

    def login(self, server):
        self.run("login", server.url, server.user, "--password-stdin", stdin=server.password + "\n")
        return self


class Server:
    """`unreel serve` as a process."""

    def __init__(self, command, data, *arguments, **settings):
        self.log = command.home / f"serve-{time.monotonic_ns()}.log"
        self.data = data
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([binary_folder() / "unreel", "serve", "--data", data, *map(str, arguments)],
                                            env={**command.env, **settings}, stdout=subprocess.PIPE, stderr=log, text=True)

    def welcome(self):
        """The first line of --json."""
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.said = json.loads(line)
        self.url, self.user = self.said["url"], self.said["user"]
        self.password = self.said.get("password")
        return self

    def children(self):
        """{name: pid} of the services that run."""
        found = {}
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and str(self.data) in Path(f"/proc/{name}/environ").read_text(errors="replace"):
                    found[Path(f"/proc/{name}/exe").resolve().name] = int(name)
            except OSError:
                pass
        return found

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        rest = self.process.communicate(timeout=60)[0]
        text = self.log.read_text()
        assert self.process.returncode == 0, text
        assert not REPORT.search(text), text
        assert self.children() == {}
        return rest


@pytest.fixture
def unreel(tmp_path):
    return Command(tmp_path)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("cli home")


@pytest.fixture(scope="module")
def server(home):
    """One for all, at its first start; its folder has a blank in its name."""
    running = Server(Command(home), home / "my data", "--port", 0, "--json").welcome()
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def client(server, unreel):
    return unreel.login(server)


# ---- serve ----

def curl_lines(text):
    """The lines to try, without indentation."""
    return [line.strip() for line in text.splitlines() if re.match(r"\s+(TOKEN=\$\()?curl ", line)]


def walk(lines, folder, address, password, video):
    """Runs them in one shell, as a person would: the id is copied from the upload's answer."""
    (folder / "video.mp4").write_bytes(video.read_bytes())
    script = ["set -e"]
    for line in lines:
        line = re.sub(r"http://127\.0\.0\.1:\d+", address, line.replace("PASSWORD", password))
        if line.split()[-1].endswith("/upload") or "-T video.mp4" in line:
            script += [f"ANSWER=$({line})", "ID=$(echo \"$ANSWER\" | jq -r .id)",
                       f"until [ $(curl -sS -H \"Authorization: Bearer $TOKEN\" {address}/v1/jobs/$ID | jq -r .state) = "
                       "succeeded ]; do sleep 0.2; done"]
        else:
            script.append(re.sub(r"\bID\b", "${ID}", line))
    result = subprocess.run(["bash", "-c", "\n".join(script)], cwd=folder, capture_output=True, text=True, timeout=60,
                            env=clean_environment(folder), check=False)
    assert result.returncode == 0, (script, result.stderr)
    media.assert_clean_mp3(folder / "audio.mp3")
    return result.stdout


def test_first_start_prints_all_that_one_needs(unreel, tmp_path):
    data = tmp_path / "data"
    port = free_port()
    server = Server(unreel, data, "--port", port)
    try:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(server.process.stdout.readline())
            assert lines[-1], server.log.read_text()
        text = "".join(lines)
        assert f"ready at http://127.0.0.1:{port}" in text and "\x1b" not in text
        assert re.search(r"user +admin@unreel\.local\n", text)
        password = re.search(r"password +(\S+) ", text).group(1)
        assert (data / "admin-password").read_text().strip() == password
        assert (data / "admin-password").stat().st_mode & 0o77 == 0 and data.stat().st_mode & 0o77 == 0
        printed = curl_lines(text)
        assert len(printed) == 3 and "PASSWORD" not in text
        walk(printed, tmp_path, f"http://127.0.0.1:{port}", password, media.clip("mp4"))
    finally:
        server.stop(signal.SIGINT)


def test_readme_is_true(server, unreel, tmp_path):
    section = re.search(r"^## Try it$(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S).group(1)
    lines = curl_lines(section)
    assert len(lines) >= 4, lines
    shown = walk(lines, tmp_path, server.url, server.password, media.clip("mp4"))
    assert '"state":"succeeded"' in shown.replace(" ", "")
    own = [line.strip().split() for line in section.splitlines() if line.startswith("    unreel ")]
    assert [words[1] for words in own] == ["login", "upload", "convert"]
    for words in own:
        words = [server.url if word.startswith("http://") else word for word in words[1:]]
        unreel.run(*words, stdin=server.password + "\n")
        if words[0] != "login":
            media.assert_clean_mp3(tmp_path / "audio.mp3")


def test_second_start_on_the_same_data(unreel, tmp_path):
    data = tmp_path / "data"
    first = Server(unreel, data, "--port", 0, "--json").welcome()
    unreel.login(first)
    job = unreel.json("upload", "--wait", media.clip("m4a"))
    complaint = unreel.run("serve", "--data", data, "--port", 0, code=1)
    assert "another unreel serve" in complaint
    assert first.stop() == ""
    second = Server(unreel, data, "--port", 0, "--json").welcome()
    assert second.password is None and second.said["password_file"] == str(data / "admin-password")
    second.password = first.password
    unreel.login(second)
    assert unreel.json("jobs", job["id"])["state"] == "succeeded"
    unreel.run("download", job["id"], "--output", "again.mp3")
    media.assert_clean_mp3(tmp_path / "again.mp3")
    second.stop()


def test_a_service_that_is_killed_comes_back(server, client, tmp_path):
    before = server.children()
    assert set(before) == set(PROGRAMS)
    for name in PROGRAMS:
        os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: set(server.children()) == set(PROGRAMS) and
               not set(server.children().values()) & set(before.values()), 30)
    for kind in ("auth", "gateway", "converter", "notifier"):
        wait_until(lambda kind=kind: is_ready(server.said[f"{kind}_ops_port"]), 30)
    assert "was ended by signal 9" in server.log.read_text()
    client.run("upload", "--output", "out.mp3", media.clip("m4a"))
    media.assert_clean_mp3(tmp_path / "out.mp3")


def is_ready(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def test_serve_without_its_supervisor_ends(unreel, tmp_path):
    server = Server(unreel, tmp_path / "data", "--port", 0, "--json").welcome()
    server.process.kill()
    server.process.wait()
    wait_until(lambda: server.children() == {}, 45)


def test_given_admin_and_settings(unreel, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("a password of my own\n")
    server = Server(unreel, tmp_path / "data", "--json", UNREEL_ADMIN_EMAIL="me@example.org", UNREEL_PORT="0",
                    UNREEL_ADMIN_PASSWORD_FILE=str(secret), UNREEL_TOKEN_LIFE_S="60", UNREEL_BIND="127.0.0.2").welcome()
    assert (server.user, server.password) == ("me@example.org", None)
    assert server.url.startswith("http://127.0.0.2:") and not (tmp_path / "data" / "admin-password").exists()
    server.password = "a password of my own"
    unreel.login(server)
    answer = requests.post(server.url + "/login", auth=(server.user, server.password), timeout=10,
                           headers={"Accept": "application/json"}).json()
    assert answer["expires_in"] == 60
    server.stop()


def test_a_given_address_gets_a_password(unreel, tmp_path):
    server = Server(unreel, tmp_path / "data", "--json", "--port", 0, UNREEL_ADMIN_EMAIL="me@example.org").welcome()
    assert server.user == "me@example.org" and server.password
    unreel.login(server)
    server.stop()


@pytest.mark.parametrize("settings, code, named", [
    ({"UNREEL_SLOTZ": "1"}, 2, "UNREEL_SLOTZ"),
    ({"UNREEL_MAX_UPLOAD_BYTES": "much"}, 2, "UNREEL_MAX_UPLOAD_BYTES"),
    ({"UNREEL_OPS_PORT": "9000"}, 2, "UNREEL_OPS_PORT"),
    ({"UNREEL_PORT": "x"}, 2, "UNREEL_PORT"),
    ({"UNREEL_ADMIN_PASSWORD": "short"}, 1, "UNREEL_ADMIN_PASSWORD"),
])
def test_bad_settings_stop_serve_at_start(unreel, tmp_path, settings, code, named):
    assert named in unreel.run("serve", "--data", tmp_path / "data", code=code, **{"UNREEL_PORT": "0", **settings})


def test_a_port_in_use_is_said(server, unreel, tmp_path):
    port = server.url.rsplit(":", 1)[1]
    assert "unreel-gateway" in unreel.run("serve", "--data", tmp_path / "data", "--port", port, code=1)


# ---- login ----

def test_login_keeps_a_token_for_its_owner_only(server, unreel, tmp_path):
    report = unreel.json("login", server.url + "/", server.user, "--password-stdin", stdin=server.password + "\n")
    assert report == {"server": server.url, "user": server.user}
    session = tmp_path / ".config" / "unreel" / "session.json"
    assert session.stat().st_mode & 0o77 == 0
    assert json.loads(session.read_text())["token"].count(".") == 2
    assert server.password not in session.read_text()


def test_login_that_fails(server, unreel):
    unreel.run("login", server.url, server.user, "--password-stdin", stdin="a wrong one\n", code=3)
    unreel.run("login", server.url, "nobody@example.org", "--password-stdin", stdin="a wrong one\n", code=3)
    unreel.run("login", server.url, server.user, "--password-stdin", stdin="", code=2)
    unreel.run("login", "127.0.0.1:1", server.user, "--password-stdin", stdin="x\n", code=2)
    unreel.run("login", f"http://127.0.0.1:{free_port()}", server.user, "--password-stdin", stdin="x\n", code=6)
    for command in (["jobs"], ["upload", media.clip("m4a")], ["download", "0" * 24], ["watch", "0" * 24]):
        assert "unreel login" in unreel.run(*command, code=3)


def test_login_asks_without_echo(server, unreel):
    code, shown = unreel.on_terminal("login", server.url, server.user, typed=server.password.encode() + b"\n")
    assert code == 0 and "Password:" in shown and "Logged in" in shown
    assert server.password not in shown


# ---- upload, jobs, watch, download ----

def test_upload_waits_and_fetches(client, tmp_path):
    job = client.json("upload", "--output", "out.mp3", "--tag", "holiday films", "--mode", "vbr", "--quality", "5",
                      "--channels", "1", "--sample-rate", "44100", media.clip("mp4"))
    assert (job["state"], job["tag"], job["path"]) == ("succeeded", "holiday films", "out.mp3")
    assert (job["options"]["mode"], job["options"]["quality"]) == ("vbr", 5)
    found = media.probe(tmp_path / "out.mp3")
    assert (found["channels"], found["sample_rate"]) == (1, 44100)
    listed = client.json("jobs", "--tag", "holiday films")["jobs"]
    assert [one["id"] for one in listed] == [job["id"]]


def test_several_files_at_once(client):
    lines = client.run("upload", "--wait", "--json", media.clip("m4a"), media.clip("wav")).splitlines()
    jobs = [json.loads(line) for line in lines]
    assert [job["state"] for job in jobs] == ["succeeded"] * 2
    assert [job["filename"] for job in jobs] == [media.clip("m4a").name, media.clip("wav").name]
    assert "one video only" in client.run("upload", "--output", "x.mp3", media.clip("m4a"), media.clip("wav"), code=2)


def test_what_cannot_be_uploaded(client, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a video\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "No such file" in client.run("upload", "missing.mp4", code=4)
    assert "folder" in client.run("upload", tmp_path, code=4)
    assert "missing.mp4" in client.run("upload", "missing.mp4", media.clip("m4a"), code=4)
    failed = json.loads(client.run_failing("upload", "--wait", "--json", text, code=5))
    assert failed["state"] == "failed" and failed["error"]["type"] == "urn:unreel:problem:unsupported-format"
    assert failed["error"]["detail"] in client.run_failing("upload", "--wait", text, code=5)
    client.run("upload", "--wait", "empty.mp4", code=5)
    assert "bitrate" in client.run("upload", "--bitrate", "1", media.clip("m4a"), code=2)
    assert "cannot be written" in client.run("upload", "--output", "no/such/out.mp3", media.clip("m4a"), code=1)
    assert not list(tmp_path.glob("out*"))


def test_a_failed_job_says_why(client):
    shown = client.run_failing("upload", "--wait", media.clip("silent"), code=5)
    assert "failed" in shown and re.search("sound|audio", shown)


def test_upload_from_a_pipe(client, tmp_path):
    with open(media.clip("m4a"), "rb") as file:
        result = subprocess.run([binary_folder() / "unreel", "upload", "--wait", "/dev/stdin"], env=client.env, stdin=file,
                                capture_output=True, check=False, timeout=60, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_jobs_list_show_cancel_retry_delete(client):
    done = client.json("upload", "--wait", media.clip("m4a"))
    assert client.json("jobs", done["id"])["id"] == done["id"]
    assert done["id"] in client.run("jobs") and media.clip("m4a").name in client.run("jobs")
    assert all(job["state"] == "succeeded" for job in client.json("jobs", "--state", "succeeded")["jobs"])
    page = client.json("jobs", "--limit", 1)
    assert len(page["jobs"]) == 1
    if page["next"]:
        assert client.json("jobs", "--limit", 1, "--after", page["next"])["jobs"][0]["id"] != page["jobs"][0]["id"]
    long = client.json("upload", media.long_clip(18000))
    assert client.json("jobs", "--cancel", long["id"])["id"] == long["id"]
    assert "cancelled" in client.run_failing("watch", long["id"], code=5)
    again = client.json("jobs", "--retry", long["id"])
    assert again["id"] != long["id"]
    client.run("jobs", "--cancel", again["id"])
    client.run("watch", again["id"], code=5)
    assert client.json("jobs", "--delete", done["id"]) == {"id": done["id"], "deleted": True}
    client.run("jobs", done["id"], code=4)
    client.run("jobs", "--state", "lost", code=2)
    client.run("jobs", "--delete", code=2)
    client.run("jobs", "--delete", "--cancel", done["id"], code=2)
    client.run("jobs", done["id"], "--state", "failed", code=2)


def test_download_names_its_file(client, tmp_path):
    job = client.json("upload", "--wait", media.clip("m4a"))
    by_job = client.json("download", job["id"])
    assert by_job["path"] == media.clip("m4a").stem + ".mp3"
    media.assert_clean_mp3(tmp_path / by_job["path"])
    assert client.run("download", job["mp3_fid"]) == job["mp3_fid"] + ".mp3\n"
    client.run("download", "0" * 24, code=4)
    client.run("download", job["id"], "--output", "/dev/full", code=1)
    assert sorted(path.name for path in tmp_path.glob("*.mp3*")) == sorted([by_job["path"], job["mp3_fid"] + ".mp3"])


def test_watch(client):
    ids = [client.json("upload", media.clip("m4a"))["id"] for _ in range(2)]
    lines = [json.loads(line) for line in client.run("watch", "--json", *ids).splitlines()]
    assert [(job["id"], job["state"]) for job in lines] == [(job_id, "succeeded") for job_id in ids]
    client.run("watch", "0" * 24, code=4)
    client.run("watch", code=2)


def test_bars_on_a_terminal(client):
    code, shown = client.on_terminal("upload", "--wait", media.long_clip(300))
    assert code == 0
    assert re.search(r"upload +\[#+\] 100\.0 %", shown) and re.search(r"convert +\[#*\.*\] +\d+\.\d %", shown)
    assert "\x1b[K" in shown
    code, shown = client.on_terminal("upload", "--wait", "missing.mp4")
    assert code == 4 and "\x1b[31m" in shown


class Gateway(ThreadingHTTPServer):
    """A gateway whose job goes on for as long as `answer` says: (status, body) of the token and the number of the question."""

    def __init__(self, answer):
        self.asked = 0
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                gateway.asked += 1
                status, body = answer(self.headers["Authorization"].split()[1], gateway.asked)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def session(self, home, token):
        """As `unreel login` leaves it."""
        path = home / ".config" / "unreel" / "session.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".fresh")
        fresh.write_text(json.dumps({"server": self.url, "user": "ann@example.org", "token": token}))
        fresh.rename(path)


JOB = {"id": "0" * 24, "state": "running"}
EXPIRED = (401, {"type": "urn:unreel:problem:token-expired", "title": "The token has expired", "status": 401})


def test_a_login_that_expires_while_waiting(unreel, tmp_path):
    gateway = Gateway(lambda token, asked: (200, JOB) if asked < 3 else EXPIRED)
    gateway.session(tmp_path, "old")
    complaint = unreel.run("watch", JOB["id"], code=3)
    assert f"unreel login {gateway.url} ann@example.org" in complaint and f"unreel watch {JOB['id']}" in complaint
    gateway.shutdown()


def test_a_login_that_is_renewed_while_waiting(unreel, tmp_path):
    def answer(token, asked):
        if token == "new":
            return 200, {**JOB, "state": "succeeded"}
        if asked == 3:
            gateway.session(tmp_path, "new")
        return (200, JOB) if asked < 3 else EXPIRED

    gateway = Gateway(answer)
    gateway.session(tmp_path, "old")
    assert unreel.json("watch", JOB["id"])["state"] == "succeeded"
    gateway.shutdown()


def test_a_server_that_is_away_for_a_moment(unreel, tmp_path):
    gateway = Gateway(lambda token, asked: (503, {}) if 2 < asked < 6 else
                      (200, {**JOB, "state": "succeeded" if asked > 6 else "running"}))
    gateway.session(tmp_path, "any")
    assert unreel.json("watch", JOB["id"])["state"] == "succeeded"
    gateway.shutdown()
    gateway = Gateway(lambda token, asked: (503, {}))
    gateway.session(tmp_path, "any")
    unreel.run("watch", JOB["id"], code=6)
    gateway.shutdown()


def test_a_server_that_answers_nonsense(unreel, tmp_path):
    gateway = Gateway(lambda token, asked: (200, ["\x1b[31m"]))
    gateway.session(tmp_path, "any")
    unreel.run("watch", JOB["id"], code=1)
    unreel.run("jobs", JOB["id"])
    gateway.shutdown()


# ---- convert ----

def test_convert_needs_no_server(unreel, tmp_path):
    report = unreel.json("convert", media.clip("mp4"), "out.mp3")
    assert report["path"] == "out.mp3" and report["size_bytes"] == (tmp_path / "out.mp3").stat().st_size
    assert media.decoded_samples(tmp_path / "out.mp3") == media.source_samples(media.clip("mp4"), 48000)
    assert "out.mp3" in unreel.run("convert", media.clip("mp4"), "out.mp3", "--mode=abr", "--bitrate=96")
    assert abs(media.probe(tmp_path / "out.mp3")["bit_rate"] - 96000) < 20000


def test_convert_leaves_the_output_alone_when_it_fails(unreel, tmp_path):
    (tmp_path / "out.mp3").write_bytes(b"what was there")
    (tmp_path / "notes.txt").write_text("not a video\n")
    for video, code in ((media.clip("silent"), 5), ("notes.txt", 5), ("missing.mp4", 4), (tmp_path, 2)):
        assert unreel.run("convert", video, "out.mp3", code=code).startswith("unreel: convert: ")
    assert (tmp_path / "out.mp3").read_bytes() == b"what was there"
    unreel.run("convert", media.clip("mp4"), "out.mp3", "--bitrate", "7", code=2)
    unreel.run("convert", media.clip("mp4"), "out.mp3", "--threads", "0", code=2)
    unreel.run("convert", media.clip("mp4"), code=2)
    unreel.run("convert", media.clip("mp4"), "no/such/folder.mp3", code=1)
    unreel.run("convert", media.clip("mp4"), "/dev/null", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "out.mp3"]


def test_convert_broken_off_leaves_nothing(unreel, tmp_path):
    with subprocess.Popen([binary_folder() / "unreel", "convert", media.long_clip(36000), "out.mp3"], cwd=tmp_path,
                          env=unreel.env) as process:
        wait_until(lambda: list(tmp_path.glob("out.mp3.*")), 20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
    assert list(tmp_path.iterdir()) == []


# ---- the operator's ----

def test_users(server, unreel):
    data = ("--data", server.data)
    made = unreel.json("user", "add", "ann@example.org", *data)
    assert made["email"] == "ann@example.org" and made["password"]
    server_ann = ("login", server.url, "ann@example.org", "--password-stdin")
    unreel.run(*server_ann, stdin=made["password"] + "\n")
    # What another service is told does not disturb.
    listed = unreel.json("user", "list", *data, UNREEL_QUEUE_URL="sqlite:x")
    assert {user["email"] for user in listed} >= {"ann@example.org", server.user}
    unreel.run("user", "password", "ann@example.org", "--password-stdin", *data, stdin="another good password\n")
    unreel.run(*server_ann, stdin=made["password"] + "\n", code=3)
    unreel.run(*server_ann, stdin="another good password\n")
    assert unreel.json("user", "disable", "ann@example.org", *data)["disabled"] is True
    unreel.run(*server_ann, stdin="another good password\n", code=3)
    unreel.run("user", "enable", "ann@example.org", *data)
    unreel.run(*server_ann, stdin="another good password\n")
    url = f"sqlite:{server.data}" + "/accounts.db"
    assert unreel.json("user", "remove", "ann@example.org", UNREEL_ACCOUNTS_URL=url)["removed"] is True
    unreel.run(*server_ann, stdin="another good password\n", code=3)
    assert "no such account" in unreel.run("user", "remove", "ann@example.org", *data, code=1)
    assert "UNREEL_ACCOUNTS_URL" in unreel.run("user", "list", code=2)
    unreel.run("user", code=2)
    unreel.run("user", "nonsense", *data, code=2)


def dead_letters(server, unreel):
    return unreel.json("dlq", "list", "--data", server.data)


def test_dead_letters(server, unreel):
    data = ("--data", server.data)
    assert dead_letters(server, unreel) == [] and "no dead letters" in unreel.run("dlq", "list", *data)
    Embedded(server.data).put_raw("video", b'{broken \x1b[31m\xff by "the" test')
    wait_until(lambda: dead_letters(server, unreel), 20)
    letter, = dead_letters(server, unreel)
    assert letter["queue"] == "video" and letter["reason"] and "broken ?[31m" in letter["body"]
    url = f"sqlite:{server.data}" + "/queue.db"
    assert "broken" in unreel.run("dlq", "list", UNREEL_QUEUE_URL=url)
    assert unreel.json("dlq", "requeue", "--queue-url", url) == {"requeue": 1}
    wait_until(lambda: dead_letters(server, unreel), 20)
    assert unreel.json("dlq", "purge", *data) == {"purge": 1}
    assert dead_letters(server, unreel) == []
    assert "UNREEL_QUEUE_URL" in unreel.run("dlq", "list", code=2)
    unreel.run("dlq", code=2)
    unreel.run("dlq", "list", "again", *data, code=2)
    unreel.run("dlq", "list", "--queue-url", f"amqp://127.0.0.1:{free_port()}/", code=6)


# ---- all ----

def test_help_and_wrong_usage(unreel):
    text = unreel.run("--help")
    commands = re.findall(r"^  (\w+)  ", text.split("Commands:")[1].split("Options:")[0], re.M)
    assert commands == ["serve", "convert", "login", "upload", "jobs", "download", "watch", "user", "dlq"]
    for code in range(7):
        assert re.search(rf"^  {code}  \w", text, re.M)
    everything = unreel.run("help", "all")
    for name in commands:
        help_ = unreel.run(name, "--help")
        assert help_ == unreel.run("help", name) and help_.startswith(f"Usage: unreel {name} ")
        assert "--json" in help_ and f"\nunreel {name} [OPTION]..." in everything
        for option in re.findall(r"^  (--\w+)", help_, re.M):
            assert option in everything
        if name != "user":
            assert "--nonsense" in unreel.run(name, "--nonsense", code=2)
    for name in ("upload", "watch", "login"):
        assert "15 minutes" in unreel.run(name, "--help")
    assert re.fullmatch(r"unreel \d+\.\d+\.\d+\n", unreel.run("--version"))
    assert unreel.run("nonsense", code=2) and unreel.run("help", "nonsense", code=2)
    with open("/dev/full", "w") as full:
        assert subprocess.run([binary_folder() / "unreel", "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False,
                              env=unreel.env).returncode == 1

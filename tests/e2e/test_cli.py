"""The command that people type: the client of a server, and `unreel convert`, which needs none."""
import json
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import media
from harness.cli import client, home, server, unreel  # noqa: F401
from harness.stack import binary_folder
from harness.ports import free_port
from harness.wait import wait_until


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
    long = client.json("upload", media.long_clip(3600))
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


def test_upload_with_tags_and_a_cover(client, tmp_path):
    (tmp_path / "me.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / 'a "quoted" ü.m4a').write_bytes(media.clip("m4a").read_bytes())
    job = client.json("upload", 'a "quoted" ü.m4a', "--cover", "me.png", "--set", "title=T = ü", "--set", "genre=",
                      "--loudness", "tag", "--trim-silence", "--id3=2.3", "--outputs", '[{"bitrate": 96}, {"cover": "none"}]')
    options = job["options"]
    assert job["filename"] == 'a "quoted" ü.m4a' and options["tags"] == {"title": "T = ü", "genre": ""}
    assert (options["cover"], options["loudness"], options["trim_silence"], options["id3"]) == ("upload", "tag", True, "2.3")
    assert [output["cover"] for output in options["outputs"]] == ["upload", "none"]
    (tmp_path / "me.png").write_bytes(b"GIF89a" + bytes(100))
    assert "JPEG or PNG" in client.run("upload", media.clip("m4a"), "--cover", "me.png", code=2)
    client.run("upload", media.clip("m4a"), "--cover", "missing.png", code=4)
    assert "NAME=VALUE" in client.run("upload", media.clip("m4a"), "--set", "title", code=2)
    assert client.json("upload", media.clip("m4a"), "--cover", "0:01")["options"]["cover"] == 1


def test_download_of_several(unreel, tmp_path):
    names = ["clip - 01 One.mp3", "../clip-2.mp3"]
    outputs = [{"file_id": str(i) * 24, "filename": name} for i, name in enumerate(names, 1)]
    gateway = Gateway(lambda token, asked: (200, {**JOB, "filename": "clip.mov", "outputs": outputs}))
    gateway.session(tmp_path, "any")
    assert unreel.run("download", JOB["id"]) == "clip - 01 One.mp3\nclip-2.mp3\n"
    assert sorted(path.name for path in tmp_path.glob("*.mp3")) == ["clip - 01 One.mp3", "clip-2.mp3"]
    assert "must be a folder" in unreel.run("download", JOB["id"], "--output", "out.mp3", code=2)
    (tmp_path / "folder").mkdir()
    report = unreel.json("download", JOB["id"], "--output", "folder")
    assert report["files"] == [{"fid": output["file_id"], "path": "folder/" + output["filename"].removeprefix("../")}
                               for output in outputs]
    assert report["path"] == report["files"][0]["path"]
    gateway.shutdown()


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
    assert "out.mp3" in unreel.run("convert", media.clip("mp4"), "out.mp3", "--mode=abr", "--bitrate=96", "--start=0:01", "--fade-in=0.5")
    assert abs(media.probe(tmp_path / "out.mp3")["bit_rate"] - 96000) < 20000


def test_convert_leaves_the_output_alone_when_it_fails(unreel, tmp_path):
    (tmp_path / "out.mp3").write_bytes(b"what was there")
    (tmp_path / "notes.txt").write_text("not a video\n")
    for video, code in ((media.clip("silent"), 5), ("notes.txt", 5), ("missing.mp4", 4), (tmp_path, 2)):
        assert unreel.run("convert", video, "out.mp3", code=code).startswith("unreel: convert: ")
    assert (tmp_path / "out.mp3").read_bytes() == b"what was there"
    unreel.run("convert", media.clip("mp4"), "out.mp3", "--bitrate", "7", code=2)
    unreel.run("convert", media.clip("mp4"), "out.mp3", "--threads", "0", code=2)
    unreel.run("convert", media.clip("mp4"), "out.mp3", "--set", "title", code=2)
    assert "outputs[0].bitrate" in unreel.run("convert", media.clip("mp4"), "out.mp3", "--outputs", '[{"bitrate": 7}]', code=2)
    assert "--cover FILE" in unreel.run("convert", media.clip("mp4"), "out.mp3", "--outputs", '[{"cover": "upload"}]', code=2)
    unreel.run("convert", media.clip("mp4"), code=2)
    unreel.run("convert", media.clip("mp4"), "no/such/folder.mp3", code=1)
    unreel.run("convert", media.clip("mp4"), "/dev/null", code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "out.mp3"]


def test_convert_broken_off_leaves_nothing(unreel, tmp_path):
    with subprocess.Popen([binary_folder() / "unreel", "convert", media.long_clip(3600), "out.mp3"], cwd=tmp_path,
                          env=unreel.env) as process:
        wait_until(lambda: list(tmp_path.glob("out.mp3.*")), 20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
    assert list(tmp_path.iterdir()) == []


# ---- all ----

def test_help_and_wrong_usage(unreel):
    text = unreel.run("--help")
    commands = re.findall(r"^  (\w+)  ", text.split("Commands:")[1].split("Options:")[0], re.M)
    assert commands == ["serve", "convert", "probe", "login", "upload", "jobs", "download", "watch", "user", "dlq"]
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
    assert re.fullmatch(r"unreel \d+\.\d+\.\d+[\w.-]*\n", unreel.run("--version"))
    assert unreel.run("nonsense", code=2) and unreel.run("help", "nonsense", code=2)
    with open("/dev/full", "w") as full:
        assert subprocess.run([binary_folder() / "unreel", "--help"], stdout=full, stderr=subprocess.DEVNULL, check=False,
                              env=unreel.env).returncode == 1

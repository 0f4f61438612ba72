"""`unreel serve` and the operator's commands beside it; the README's walk-through."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import requests
from harness import media
from harness.cli import Server, client, home, server, unreel  # noqa: F401
from harness.engines import Embedded
from harness.service import clean_environment
from harness.ports import free_port
from harness.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("unreel-auth", "unreel-notifier", "unreel-converter", "unreel-gateway")


def curl_lines(text):
    """The lines to try, without indentation."""
    return [line.strip() for line in text.splitlines() if re.match(r"\s+(TOKEN=\$\()?curl ", line)]


def walk(lines, folder, address, password, video):
    """Runs them in one shell, as a person would: the id is copied from the upload's answer."""
    (folder / "video.mp4").write_bytes(video.read_bytes())
    script = ["set -e"]
    for line in lines:
        line = re.sub(r"http://127\.0\.0\.1:\d+", address, line.replace("PASSWORD", password))
        if line.split()[-1].endswith("/upload") or "-T video.mp4" in line and "/v1/jobs" in line:
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
    assert '"state":"succeeded"' in shown.replace(" ", "") and '{"container":"mov,' in shown.replace(" ", "")
    own = [line.strip().split() for line in section.splitlines() if line.startswith("    unreel ")]
    assert [words[1] for words in own] == ["login", "upload", "convert", "probe"]
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
    assert "amqp" in unreel.run("dlq", "list", "--queue-url", "http://127.0.0.1/", code=2)
    unreel.run("dlq", "list", "--queue-url", f"amqp://127.0.0.1:{free_port()}/", code=6)

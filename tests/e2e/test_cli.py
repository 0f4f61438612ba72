"""The command that people type, against a server and without one."""
import json
import os
import signal
import subprocess

import pytest
from harness import media
from harness.service import clean_environment
from harness.stack import ADMIN, binary_folder
from harness.wait import free_port, wait_until


@pytest.fixture
def unreel(tmp_path):
    """Runs unreel with a home of its own: its exit code, output and complaints."""
    env = clean_environment(tmp_path)
    env["HOME"] = str(tmp_path)

    def run(*arguments, stdin="", **settings):
        return subprocess.run([binary_folder() / "unreel", *map(str, arguments)], input=stdin, env={**env, **settings}, text=True,
                              capture_output=True, timeout=120, cwd=tmp_path, check=False)

    run.env = env
    return run


@pytest.fixture
def logged_in(stack, unreel):
    result = unreel("login", stack.gateway.url, ADMIN[0], "--password-stdin", stdin=ADMIN[1] + "\n")
    assert result.returncode == 0, result.stderr
    return unreel


def test_convert_needs_no_server(unreel, tmp_path):
    result = unreel("convert", media.clip("mp4"), tmp_path / "out.mp3")
    assert result.returncode == 0, result.stderr
    assert media.decoded_samples(tmp_path / "out.mp3") == media.source_samples(media.clip("mp4"), 48000)
    assert "\x1b" not in result.stdout + result.stderr


def test_convert_says_why_not(unreel, tmp_path):
    result = unreel("convert", media.clip("silent"), tmp_path / "out.mp3")
    assert result.returncode == 5
    assert "sound" in result.stderr.lower() or "audio" in result.stderr.lower()
    assert not (tmp_path / "out.mp3").exists()


def test_upload_with_output_fetches_the_mp3(logged_in, tmp_path):
    result = logged_in("upload", "--output", tmp_path / "out.mp3", media.clip("mp4"))
    assert result.returncode == 0, result.stderr
    media.assert_clean_mp3(tmp_path / "out.mp3")


def test_upload_jobs_watch_and_download_as_json(logged_in, tmp_path):
    job = json.loads(logged_in("upload", "--json", media.clip("m4a")).stdout.splitlines()[-1])
    assert logged_in("watch", job["id"]).returncode == 0
    shown = json.loads(logged_in("jobs", "--json", job["id"]).stdout)
    assert "succeeded" in json.dumps(shown)
    result = logged_in("download", "--output", tmp_path / "out.mp3", job["id"])
    assert result.returncode == 0, result.stderr
    media.assert_clean_mp3(tmp_path / "out.mp3")


def test_exit_codes(stack, unreel, logged_in, tmp_path):
    assert unreel("nonsense").returncode == 2
    assert logged_in("jobs", "0" * 24).returncode == 4
    assert logged_in("upload", "--wait", media.clip("silent")).returncode == 5
    wrong = unreel("login", stack.gateway.url, ADMIN[0], "--password-stdin", stdin="wrong\n", HOME=str(tmp_path / "x"))
    assert wrong.returncode == 3
    nobody = unreel("login", f"http://127.0.0.1:{free_port()}", ADMIN[0], "--password-stdin", stdin="x\n")
    assert nobody.returncode == 6


def test_dead_letters_are_listed_and_requeued(stack, unreel):
    before = stack.engines.dead_count("video")
    stack.engines.put_raw("video", b"{broken by the test")
    wait_until(lambda: stack.engines.dead_count("video") == before + 1, 20)
    shown = unreel("dlq", "list", UNREEL_QUEUE_URL=stack.engines.queue_url)
    assert shown.returncode == 0 and "broken by the test" in shown.stdout, shown.stderr
    assert unreel("dlq", "requeue", UNREEL_QUEUE_URL=stack.engines.queue_url).returncode == 0
    wait_until(lambda: stack.engines.dead_count("video") == before + 1, 20)
    assert unreel("dlq", "purge", UNREEL_QUEUE_URL=stack.engines.queue_url).returncode == 0
    assert stack.engines.dead_count("video") == 0


def test_serve_needs_nothing_and_stops_in_order(unreel, tmp_path):
    port = free_port()
    output = tmp_path / "serve.out"
    with open(output, "wb") as file:
        process = subprocess.Popen([binary_folder() / "unreel", "serve", "--data", tmp_path / "data", "--port", str(port)],
                                   env=unreel.env, stdout=file, stderr=file)
    try:
        wait_until(lambda: "is ready at" in output.read_text() or process.poll() is not None, 40)
        assert process.poll() is None, output.read_text()
        words = output.read_text().split()
        email, password = words[words.index("user") + 1], words[words.index("password") + 1]
        assert output.read_text().count("curl") >= 3
        result = unreel("login", f"http://127.0.0.1:{port}", email, "--password-stdin", stdin=password + "\n")
        assert result.returncode == 0, result.stderr
        assert unreel("upload", "--output", tmp_path / "out.mp3", media.clip("m4a")).returncode == 0
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, output.read_text()
    assert "Sanitizer" not in output.read_text()
    running = [name for name in os.listdir("/proc") if name.isdigit() and str(tmp_path / "data") in environment_of(name)]
    assert running == []


def environment_of(pid):
    try:
        with open(f"/proc/{pid}/environ", errors="replace") as file:
            return file.read()
    except OSError:
        return ""

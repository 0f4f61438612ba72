"""shared/service as a process: its arguments, its ops port, its signals."""
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

DEMO = os.environ["DEMO_SERVICE"]


def environment(**variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith("UNREEL_")}
    env.update({f"UNREEL_{k}": v for k, v in variables.items()})
    return env


def run(*args, **variables):
    return subprocess.run([DEMO, *args], env=environment(**variables), capture_output=True, text=True, timeout=30)


class Demo:
    """A running demo service, with its log lines and its ops port."""

    def __init__(self, path, **variables):
        self.log_path = path / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([DEMO], env=environment(**variables), stderr=log)

    def lines(self):
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{")]

    def messages(self):
        return [line["msg"] for line in self.lines()]

    def wait_for(self, start, timeout=20):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for message in self.messages():
                if message.startswith(start):
                    return message
            time.sleep(0.02)
        raise AssertionError(f"no line begins with {start!r}: {self.log_path.read_text()}")

    @property
    def port(self):
        return int(re.search(r"ops port 127\.0\.0\.1:(\d+)", self.wait_for("started")).group(1))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def ready(self):
        status, _, body = self.get("/readyz")
        return status, json.loads(body)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, timeout=15):
        return self.process.wait(timeout)


@pytest.fixture
def demo(tmp_path):
    started = []

    def start(**variables):
        started.append(Demo(tmp_path, **variables))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def wait_until(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_help():
    result = run("--help")
    assert result.returncode == 0
    assert result.stdout.startswith("demo-service: does nothing, in order\n\nUsage: demo-service\n")
    for text in ("greet", "UNREEL_DEMO_FLAG", "UNREEL_LOG_LEVEL", "UNREEL_DEMO_TOKEN_FILE", "Exit codes:"):
        assert text in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_version_and_markdown():
    assert re.fullmatch(r"demo-service \d+\.\d+\.\d+[\w.-]*\n", run("--version").stdout)
    table = run("--config-markdown").stdout.splitlines()
    assert table[0] == "| name | default | meaning |"
    names = run("--config-names").stdout.splitlines()
    assert names[0] == "UNREEL_LOG_LEVEL" and "UNREEL_DEMO_TOKEN" in names
    assert "| `UNREEL_DEMO_INFO_FAILS` | `false` | whether the check that only informs fails (true or false) |" in table


def test_command_gets_its_settings():
    result = run("greet", "x", "y", BIND="::1")
    assert (result.returncode, result.stdout) == (7, "greet 3 ::1\n")


@pytest.mark.parametrize("args, variables, text", [
    (["nonsense"], {}, "unknown argument nonsense"),
    ([], {"DEMO_FLGA": "x"}, "unknown variable UNREEL_DEMO_FLGA"),
    ([], {"OPS_PORT": "65536"}, "UNREEL_OPS_PORT must be a number from 0 to 65535"),
    (["greet"], {"LOG_LEVEL": "loud"}, "UNREEL_LOG_LEVEL must be one of"),
])
def test_wrong_usage(args, variables, text):
    result = run(*args, **variables)
    assert result.returncode == 2
    assert text in result.stderr


def test_failed_start():
    result = run(DEMO_START="fail")
    assert result.returncode == 1
    assert "start: it was asked to fail" in result.stderr


def test_abort_stops_in_order():
    result = run(DEMO_START="abort")
    assert result.returncode == 1
    assert "giving up: it was asked to give up" in result.stderr
    assert "stop was called" in result.stderr


def test_port_in_use(demo):
    service = demo()
    result = run(OPS_PORT=str(service.port))
    assert result.returncode == 1
    assert "ops port:" in result.stderr


def test_ops_port(demo):
    service = demo(DEMO_TOKEN="hunter2")
    service.wait_for("ready")
    status, _, body = service.get("/livez")
    assert (status, body) == (200, "alive\n")
    assert service.ready() == (200, {"status": "up", "details": {
        "flag": {"status": "up", "detail": ""}, "extra": {"status": "up", "detail": "all of it is there"}}})
    status, headers, body = service.get("/metrics")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "\nunreel_ready 1\n" in body and "\nprocess_open_fds " in body
    status, _, body = service.get("/version")
    assert (status, json.loads(body)["service"]) == (200, "demo-service")
    assert service.get("/nothing")[0] == 404
    line = service.lines()[0]
    assert line["service"] == "demo-service" and "UNREEL_DEMO_TOKEN=***" in line["msg"]
    assert "hunter2" not in service.log_path.read_text()


def test_readiness_follows_the_check(demo, tmp_path):
    flag = tmp_path / "flag"
    service = demo(DEMO_FLAG=str(flag))
    why = f'the flag "{flag}" is not there'
    service.wait_for("not ready: flag: the flag")
    assert service.ready() == (503, {"status": "down", "details": {
        "flag": {"status": "down", "detail": why}, "extra": {"status": "up", "detail": "all of it is there"}}})
    assert service.get("/livez")[0] == 200
    flag.touch()
    wait_until(lambda: service.ready()[0] == 200, 5)
    flag.unlink()
    wait_until(lambda: service.ready()[0] == 503)
    flag.touch()
    wait_until(lambda: service.ready()[0] == 200, 5)
    changes = [m for m in service.messages() if "ready" in m.split(":")[0]]
    assert changes == [f"not ready: flag: {why}", "ready"] * 2


def test_info_checks_do_not_count(demo):
    service = demo(DEMO_INFO_FAILS="true")
    service.wait_for("ready")
    status, report = service.ready()
    assert (status, report["status"]) == (200, "up")
    assert report["details"]["extra"] == {"status": "warn", "detail": "something is missing"}
    assert service.messages().count("extra: something is missing") == 1


def test_alive_and_not_ready_while_starting(demo):
    # The port is not known before the start has ended, so this one is asked for.
    import socket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = demo(DEMO_START="slow", OPS_PORT=str(port))

    def probe(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return None

    wait_until(lambda: probe("/livez") is not None)
    assert "started" not in str(service.messages())
    assert probe("/livez")[0] == 200
    status, body = probe("/readyz")
    assert (status, json.loads(body)["status"]) == (503, "starting")
    wait_until(lambda: probe("/readyz")[0] == 200)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_in_order(demo, number):
    service = demo()
    service.wait_for("ready")
    service.signal(signal.SIGHUP)
    service.signal(signal.SIGPIPE)
    service.wait_for("SIGHUP does nothing")
    service.signal(number)
    assert service.end() == 0
    assert service.messages()[-3:] == ["draining, for 30 s at most", "stop was called", "stopped"]


def test_drain_waits_for_work_and_is_not_ready(demo):
    service = demo(DEMO_IDLE_AFTER_MS="1500")
    service.wait_for("ready")
    began = time.monotonic()
    service.signal(signal.SIGTERM)
    service.wait_for("draining")
    status, report = service.ready()
    assert (status, report["status"]) == (503, "draining")
    assert service.get("/livez")[0] == 200
    assert "\nunreel_ready 0\n" in service.get("/metrics")[2]
    assert service.end() == 0
    assert 1.4 < time.monotonic() - began < 5


def test_drain_time_is_a_limit(demo):
    service = demo(DEMO_IDLE_AFTER_MS="600000", DRAIN_TIMEOUT_S="1")
    service.wait_for("ready")
    service.signal(signal.SIGTERM)
    assert service.end() == 0
    assert "stop was called" in service.messages()
    assert "the drain time is over, and work is left" in service.messages()


def test_second_signal_ends_the_drain(demo):
    service = demo(DEMO_IDLE_AFTER_MS="600000")
    service.wait_for("ready")
    service.signal(signal.SIGINT)
    service.wait_for("draining")
    service.signal(signal.SIGTERM)  # a supervisor's, of the same Ctrl-C
    time.sleep(0.6)
    assert service.process.poll() is None
    service.signal(signal.SIGTERM)
    assert service.end(5) == 1
    assert "stop was called" in service.messages()


def test_blocked_check_delays_nothing(demo):
    service = demo(DEMO_CHECK_BLOCK_MS="60000")
    wait_until(lambda: service.ready()[1]["status"] != "starting")
    began = time.monotonic()
    status, report = service.ready()
    assert (status, report["status"]) == (503, "down")
    assert report["details"]["flag"] == {"status": "unknown", "detail": ""}
    assert service.get("/livez")[0] == 200
    assert time.monotonic() - began < 5
    service.signal(signal.SIGTERM)
    assert service.end(12) == 1
    assert "a check does not return: leaving without a stop in order" in service.messages()


def test_stuck_main_loop_is_not_alive(demo):
    service = demo(DEMO_START="stuck")
    service.wait_for("ready")
    service.signal(signal.SIGTERM)
    wait_until(lambda: service.get("/livez")[0] == 503, 13)
    assert service.end() == 0

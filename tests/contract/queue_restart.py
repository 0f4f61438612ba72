#!/usr/bin/python3
"""The queue while its broker is killed, restarted, out of memory, or closes our connections.

Starts a RabbitMQ of its own. Usage: queue_restart.py QUEUE_SHELL (the binary of queue_shell.c).
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from harness.ports import free_port  # noqa: E402
RABBITMQ = pathlib.Path("/usr/lib/rabbitmq/bin")
SHELL = os.environ.get("UNREEL_TEST_QUEUE_SHELL", "")


def make_certificate(folder):
    """A CA and a server's certificate for the name localhost."""
    commands = [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem",
    ]
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


class Broker:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.tls_port = free_port()
        make_certificate(folder)
        self.advanced = self.folder / "advanced.config"
        self.advanced.write_text(f"""
            [{{rabbit, [{{ssl_listeners, [{{"127.0.0.1", {self.tls_port}}}]}},
                       {{ssl_options, [{{certfile, "{folder}/server.pem"}}, {{keyfile, "{folder}/server.key"}}]}}]}}].
        """)
        self.servers("start")
        self.url = f"amqp://guest:guest@127.0.0.1:{self.read('port')}/?heartbeat=5"

    def read(self, name):
        return (self.folder / "amqp" / name).read_text().strip()

    def servers(self, verb):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("UNREEL_TEST_")}
        environment["RABBITMQ_ADVANCED_CONFIG_FILE"] = str(self.advanced)
        subprocess.run([ROOT / "scripts/servers.sh", verb, self.folder, "amqp"], check=True, env=environment,
                       stdin=subprocess.DEVNULL, timeout=120)

    def control(self, *command):
        home = self.folder / "amqp"
        environment = dict(os.environ, HOME=str(home), RABBITMQ_NODENAME=f"unreel{self.read('port')}@localhost",
                           ERL_EPMD_PORT=self.read("epmd_port"), RABBITMQ_CONF_ENV_FILE="/dev/null")
        subprocess.run([RABBITMQ / "rabbitmqctl", *command], check=True, env=environment, timeout=60,
                       stdout=subprocess.DEVNULL)


class Shell:
    def __init__(self, url):
        self.process = subprocess.Popen([SHELL, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        return self.process.stdout.readline().strip()

    def until(self, command, answer, timeout_s):
        """Repeats the command until it is answered so; the seconds that it took."""
        began = time.monotonic()
        got = self(command)
        while got != answer:
            assert time.monotonic() - began < timeout_s, f"{command}: {got}, not {answer}"
            time.sleep(0.1)
            got = self(command)
        return time.monotonic() - began

    def drain(self, count, timeout_s=35):
        """Takes and finishes until `count` different bodies came."""
        bodies = set()
        deadline = time.monotonic() + timeout_s
        while len(bodies) < count and time.monotonic() < deadline:
            answer = self("take 1000").split()
            if answer[0] == "ok" and self("finish done") == "ok":
                bodies.add(answer[1])
        return bodies

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0


@pytest.fixture(scope="module", name="broker")
def make_broker():
    folder = tempfile.mkdtemp(prefix="unreel-broker-")
    broker = Broker(folder)
    try:
        yield broker
    finally:
        broker.servers("stop")
        shutil.rmtree(folder)


@pytest.fixture(name="shell")
def make_shell(broker):
    shell = Shell(broker.url)
    yield shell
    shell.close()


def test_kill_and_restart(broker, shell):
    assert shell("put held") == "ok"
    assert shell("take 5000") == "ok held new"
    for i in range(100):
        assert shell(f"put m{i}") == "ok"
    broker.servers("kill")

    shell.until("extend", "conflict", 5)
    assert shell("finish done") == "conflict"
    for _ in range(3):
        began = time.monotonic()
        assert shell("put lost") == "busy"
        assert time.monotonic() - began < 6
    assert shell("event x") == "ok"
    assert shell("check") == "busy"
    began = time.monotonic()
    assert shell("take 300") == "busy"
    assert 0.29 < time.monotonic() - began < 2
    time.sleep(5)

    broker.servers("start")
    shell.until("put after", "ok", 5)
    shell.until("check", "ok", 5)
    # Every message that was confirmed is there, and the one in hand comes again.
    assert shell.drain(102) >= {"held", "after", *(f"m{i}" for i in range(100))}


@pytest.mark.parametrize("host, options, answer", [
    ("localhost", "cacertfile={folder}/ca.pem", "ok"),
    ("localhost", "", "busy"),  # the system's CAs did not sign it
    ("127.0.0.1", "cacertfile={folder}/ca.pem", "busy"),  # it is another name's
    ("localhost", "cacertfile=/nowhere.pem", "busy"),
])
def test_tls(broker, host, options, answer):
    shell = Shell(f"amqps://guest:guest@{host}:{broker.tls_port}/?{options.format(folder=broker.folder)}")
    assert shell("check") == answer
    assert shell("put secret") == answer
    if answer == "ok":
        assert shell("take 5000") == "ok secret new"
        assert shell("finish done") == "ok"
    shell.close()


def test_restart_while_idle(broker, shell):
    assert shell("put first") == "ok"
    assert shell("take 5000") == "ok first new"
    assert shell("finish done") == "ok"
    broker.servers("restart")
    # Nobody called anything meanwhile; the next call must not notice.
    time.sleep(1)
    assert shell("put second") == "ok"
    assert shell.drain(1) == {"second"}


def test_connections_that_the_broker_closes(broker, shell):
    assert shell("put one") == "ok"
    assert shell("take 5000") == "ok one new"
    broker.control("close_all_connections", "test")
    # An ack must not be reported as done on a connection that is gone.
    assert shell("finish done") == "conflict"
    assert shell("put two") == "ok"
    answers = [shell("take 5000")]
    assert shell("finish done") == "ok"
    answers.append(shell("take 5000"))
    assert shell("finish done") == "ok"
    assert sorted(answers) == ["ok one again", "ok two new"]


def test_memory_alarm(broker, shell):
    assert shell("put before") == "ok"
    assert shell("take 5000") == "ok before new"
    broker.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        began = time.monotonic()
        for _ in range(3):
            assert shell("put during") == "busy"
        assert time.monotonic() - began < 5
        for _ in range(50):
            assert shell("event x") == "ok"
        # An alarm stops those who publish; what is in hand is finished.
        assert shell("finish done") == "ok"
    finally:
        broker.control("set_vm_memory_high_watermark", "absolute", "512MB")
    shell.until("put after", "ok", 10)
    assert "after" in shell.drain(2, 5)


if __name__ == "__main__":
    if not (RABBITMQ / "rabbitmq-server").exists():
        print("SKIPPED: there is no RabbitMQ in", RABBITMQ)
        sys.exit(77)
    os.environ["UNREEL_TEST_QUEUE_SHELL"] = sys.argv[1]
    sys.exit(pytest.main(["-v", "-p", "no:cacheprovider", __file__]))

"""The program `unreel` as people run it: the command, and `unreel serve`; with fixtures for the modules that import them."""
import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .service import REPORT, clean_environment
from .stack import binary_folder


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

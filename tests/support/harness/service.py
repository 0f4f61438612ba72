"""One service of ours as a process."""
import json
import os
import re
import signal
import subprocess
import time

import requests

from .ports import free_port

# The sanitizers' own words; any of them in a log is a failure.
REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior|Memory)Sanitizer|runtime error:")
STOP_S = 45


def clean_environment(workdir):
    """Nothing of the caller's UNREEL_* reaches a service: unknown names would be errors."""
    keep = ("PATH", "HOME", "LANG", "TSAN_OPTIONS", "LSAN_OPTIONS")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env["TMPDIR"] = str(workdir)
    env["MONGOC_DISABLE_SHM"] = "1"  # as in the images
    env["ASAN_OPTIONS"] = "abort_on_error=0:detect_leaks=1:strict_string_checks=1"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return env


class Service:
    """Start, stop, kill and restart one binary with its settings; ports stay over a restart."""

    def __init__(self, binary, name, workdir, settings, has_api):
        self.binary, self.name, self.workdir = binary, name, workdir
        self.ops_port = free_port()
        self.port = free_port() if has_api else None
        self.settings = {"UNREEL_LOG_FORMAT": "json", "UNREEL_OPS_PORT": self.ops_port, **settings}
        if has_api:
            self.settings["UNREEL_PORT"] = self.port
        self.process = None
        self.log_path = workdir / f"{name}.log"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, wait=True, **changes):
        assert self.process is None, f"{self.name} runs already"
        self.settings.update(changes)
        env = clean_environment(self.workdir)
        env.update({name: str(value) for name, value in self.settings.items() if value is not None})
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.binary], env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait_ready()
        return self

    def ops(self, path):
        return requests.get(f"http://127.0.0.1:{self.ops_port}{path}", timeout=5)

    def wait_ready(self, timeout=40):
        deadline = time.monotonic() + timeout
        last = "no answer"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            try:
                answer = self.ops("/readyz")
                if answer.status_code == 200:
                    return
                last = answer.text
            except requests.RequestException:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.name} is not ready ({last}):\n{self.tail()}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=STOP_S):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            self.process = None
            raise AssertionError(f"{self.name} did not end within {timeout} s:\n{self.tail()}") from None
        self.process = None
        return code

    def stop(self):
        """SIGTERM; it must end in order."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        code = self.wait_exit()
        assert code == 0, f"{self.name} ended with {code}:\n{self.tail()}"

    def kill(self):
        """kill -9, as a machine that fails."""
        self.signal(signal.SIGKILL)
        self.wait_exit()

    def restart(self, **changes):
        self.stop()
        return self.start(**changes)

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def logs(self):
        """The log's lines, as objects."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]

    def tail(self, lines=30):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def metric(self, name):
        """The sum of a metric's values over its labels."""
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+-]+)$", self.ops("/metrics").text, re.M)
        return sum(float(value) for value in found)

    def check_log(self):
        text = self.log_text()
        found = REPORT.search(text)
        assert not found, f"{self.name}: {text[max(0, found.start() - 200):found.start() + 4000]}"

"""The installation that all tests share: they run in the order of their files, each on what those before have left."""
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

import figures  # noqa: E402
from harness import media  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.wait import wait_until  # noqa: E402
from kube import SERVICES, Kube  # noqa: E402

ACCOUNT = ("admin@unreel.local", "change-me-please")
SERVERS = ("mysql", "rabbitmq", "mongodb")
tests = []


def pytest_runtest_logreport(report):
    if report.when == "call":
        tests.append((report.duration, report.nodeid.split("::")[-1]))
    elif report.when == "setup" and report.duration > 1:
        tests.append((report.duration, f"(before {report.nodeid.split('::')[-1]})"))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("figures")
    for line in figures.write(tests):
        terminalreporter.line(line)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the cluster has to say about it."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and "kube" in item.funcargs:
        kube = item.funcargs["kube"]
        for what in (["get", "pods", "-o", "wide"], ["get", "events", "--sort-by=.lastTimestamp"]):
            try:
                report.sections.append((" ".join(what), kube.run(*what)[-6000:]))
            except (AssertionError, subprocess.TimeoutExpired) as failure:
                report.sections.append((" ".join(what), str(failure)))


def is_local():
    """On a cluster of our own, which may be broken and mended."""
    return "UNREEL_TEST_K8S_CLUSTER" in os.environ


@pytest.fixture(scope="session")
def cluster():
    """Runs the script of the local cluster."""
    if not is_local():
        pytest.skip("K8S NOT TESTED: only a cluster of our own is stopped, or gets what it does not have")
    script = os.environ["UNREEL_TEST_K8S_CLUSTER"]
    return lambda *args, timeout=600: subprocess.run([script, *args], check=True, timeout=timeout)


@pytest.fixture(scope="session")
def kube():
    return Kube(os.environ["UNREEL_TEST_K8S_KUBECTL"])


@pytest.fixture(scope="session")
def applied():
    """The folder that is applied, and when that began."""
    return {"folder": os.environ["UNREEL_TEST_K8S_FOLDER"]}


@pytest.fixture(scope="session")
def installation(kube, applied):
    """kubectl apply -k, and all that was applied is there."""
    applied["begin"] = time.monotonic()
    kube.apply(applied["folder"])
    kube.rolled_out(*(f"statefulset/{name}" for name in SERVERS), *(f"deployment/{name}" for name in SERVICES))
    # What scales by itself would take part in every test: those of scaling bring theirs.
    kube.run("delete", "hpa", "--all")
    return applied


@pytest.fixture(scope="session")
def url(kube, installation):
    """The API as users reach it: by the node's port, which stays when pods go."""
    found = os.environ.get("UNREEL_TEST_K8S_URL") or f"http://{kube.node_address()}:{kube.node_port('gateway')}"
    return found.rstrip("/")


@pytest.fixture
def client(url):
    """Logged in, and patient: the test before may have left the gateway restarting."""
    def logged_in():
        try:
            return Client(url, *ACCOUNT)
        except OSError:
            return None

    return wait_until(logged_in, 60, 1, "a login")


@pytest.fixture(scope="session")
def clip():
    """A minute with a picture: half a second of processor time."""
    return media.clip("mp4", 60)


@pytest.fixture(scope="session")
def long_clip():
    """Half an hour: long enough to be met in the middle."""
    return media.long_clip(1800)

"""Fixtures: `engines` is the parameter that every test runs twice with; `stack` is shared, `make_stack` is not."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from harness import engines as engine_sets  # noqa: E402
from harness import stack as stacks  # noqa: E402
from harness.mail import MailServer  # noqa: E402
from harness.webhook import Receiver  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--engines", choices=("embedded", "servers", "both"), default="both")


def pytest_generate_tests(metafunc):
    if "engines" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("engines")
        metafunc.parametrize("engines", ["embedded", "servers"] if chosen == "both" else [chosen], scope="session")


def pytest_collection_modifyitems(config, items):
    """Tests of what only the servers have do not exist for the embedded engines; those of neither run once."""
    def fits(item):
        engines = item.callspec.params.get("engines") if hasattr(item, "callspec") else None
        if engines is None:
            return config.getoption("engines") != "servers"
        return engines == "servers" or item.get_closest_marker("servers") is None

    dropped = [item for item in items if not fits(item)]
    items[:] = [item for item in items if fits(item)]
    config.hook.pytest_deselected(items=dropped)


@pytest.fixture(scope="session", autouse=True)
def binaries():
    if "UNREEL_TEST_BIN" not in os.environ:
        pytest.exit("UNREEL_TEST_BIN must name the folder with the binaries", 2)


def open_engines(name, folder, amqp_url=None):
    if name == "embedded":
        return engine_sets.Embedded(folder)
    missing = engine_sets.missing_servers()
    if missing:
        pytest.skip(f"SERVERS NOT TESTED: {', '.join(missing)} not set (scripts/servers.sh starts them)")
    return engine_sets.Servers(amqp_url)


@pytest.fixture(scope="session")
def mail(tmp_path_factory):
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stack(engines, mail, tmp_path_factory):
    """The stack that tests share which break nothing."""
    workdir = tmp_path_factory.mktemp(f"stack-{engines}")
    key = workdir / "signing.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True)
    shared = stacks.Stack(open_engines(engines, workdir), workdir, converters=1, smtp_url=mail.url,
                          auth={"UNREEL_LOGIN_ADDRESS_FAILURES": 10000, "UNREEL_SIGNING_KEY_FILE": key},
                          gateway={"UNREEL_MAX_UPLOAD_BYTES": 64 << 20}, converter={"UNREEL_SLOTS": 2})
    shared.signing_key = key
    shared.start()
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def user(stack):
    return stack.admin()


@pytest.fixture
def make_stack(engines, tmp_path):
    """Makes a stack of the test's own, started; it is stopped and checked when the test is over."""
    made = []

    def make(amqp_url=None, start=True, **options):
        own = stacks.Stack(open_engines(engines, tmp_path, amqp_url), tmp_path, **options)
        made.append(own)
        return own.start() if start else own

    yield make
    for own in made:
        own.stop()


class Broker:
    """A RabbitMQ of the test's own, to be stopped and started at will."""

    def __init__(self, folder):
        self.folder = folder
        self.run("start")
        for line in (folder / "env").read_text().splitlines():
            if "AMQP_URL=" in line:
                self.url = line.split("=", 1)[1]

    def run(self, verb):
        env = {name: value for name, value in os.environ.items() if not name.startswith("UNREEL_TEST_")}
        subprocess.run([ROOT / "scripts" / "servers.sh", verb, self.folder, "amqp"], check=True, env=env)


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    own = Broker(tmp_path_factory.mktemp("broker"))
    yield own
    own.run("stop")

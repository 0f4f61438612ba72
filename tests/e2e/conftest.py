"""Fixtures: `engines` is the parameter that every test runs twice with; `stack` is shared, `make_stack` is not."""
import contextlib
import copy
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


def open_engines(name, folder, own_urls=None):
    if name == "embedded":
        return engine_sets.Embedded(folder)
    missing = engine_sets.missing_servers()
    if missing:
        pytest.skip(f"SERVERS NOT TESTED: {', '.join(missing)} not set (scripts/servers.sh starts them)")
    return engine_sets.Servers(own_urls)


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
    """Makes a stack of the test's own, started; it is stopped and checked when the test is over. `on` is an OwnServer."""
    made = []

    def make(on=None, start=True, **options):
        own_urls = {on.variable: on.url} if on else None
        own = stacks.Stack(open_engines(engines, tmp_path, own_urls), tmp_path, **options)
        made.append(own)
        return own.start() if start else own

    yield make
    for own in made:
        own.stop()


class OwnServer:
    """A server of the test's own, to be killed and started at will: those that the environment names are never."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.variable = f"UNREEL_TEST_{name.upper()}_URL"
        try:
            self.run("start")
        except subprocess.CalledProcessError:
            pytest.skip(f"FAULTS NOT TESTED: {name} does not start here, and the one of {self.variable} is not ours to kill")
        for line in (folder / "env").read_text().splitlines():
            if f"{self.variable}=" in line:
                self.url = line.split("=", 1)[1]

    def with_option(self, option):
        """The same server, by a URL with one more option."""
        other = copy.copy(self)
        other.url = engine_sets.join_query(self.url, option)
        return other

    def run(self, verb):
        env = {name: value for name, value in os.environ.items() if not name.startswith("UNREEL_TEST_")}
        env["UNREEL_TEST_MONGO_HEAP"] = "512m"
        subprocess.run([ROOT / "scripts" / "servers.sh", verb, self.folder, self.name], check=True, env=env)

    @contextlib.contextmanager
    def down(self):
        """Killed as by a machine that fails, and back when the block ends, however it ends."""
        self.run("kill")
        try:
            yield
        finally:
            self.run("start")


def own_server(name):
    @pytest.fixture(scope="session", name=f"own_{name}")
    def fixture(tmp_path_factory):
        own = OwnServer(name, tmp_path_factory.mktemp(f"own-{name}"))
        yield own
        own.run("stop")

    return fixture


own_amqp, own_mongodb, own_mysql = own_server("amqp"), own_server("mongodb"), own_server("mysql")

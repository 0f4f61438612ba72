"""docs/operations.md: its commands, run as they stand there, on systems that have jobs and files."""
import base64
import json
import os
import re
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from harness import media
from harness.cli import Server
from harness.cli import unreel  # noqa: F401
from harness.client import Client
from harness.stack import ADMIN, binary_folder
from harness.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "operations.md").read_text()
TOOLS = ROOT / "tests" / "support" / "mongo" / "tools"  # last on the PATH: MongoDB's own come first


def run(name, **variables):
    """Runs the block that the document marks so, and returns its output."""
    block = re.search(rf"^<!-- run: {name} -->\n\n((?: {{4}}.*\n)+)", DOCUMENT, re.M).group(1)
    script = "".join(line[4:] + "\n" for line in block.splitlines())
    path = f"{variables.pop('first', binary_folder())}:{binary_folder()}:{os.environ['PATH']}:{TOOLS}"
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True, stdout=subprocess.PIPE, text=True,
                          env={"HOME": os.environ.get("HOME", "/"), **{k: str(v) for k, v in variables.items()}, "PATH": path}).stdout


# ---- back up and restore ----

class Past:
    """A system with something of everything: an MP3, a job that runs, one that waits."""

    def __init__(self, user):
        self.token = user.token
        self.old = user.convert(media.clip("m4a"))
        self.mp3 = user.download(self.old["mp3_fid"]).content
        self.running = user.submit(media.long_clip(600))
        user.wait_state(self.running["id"], ("running",))
        self.waiting = user.submit(media.clip("wav"))

    def assert_restored(self, url, email, password, after):
        user = Client(url, email, password)
        assert user.download(self.old["mp3_fid"]).content == self.mp3
        assert user.download(self.old["id"]).content == self.mp3
        assert {job["id"] for job in user.get("/v1/jobs").json()["jobs"]} == \
            {job["id"] for job in (self.old, self.running, self.waiting)}
        assert user.get(f"/v1/jobs/{after['id']}").status_code == 404
        ran, waited = (user.wait_job(job["id"], 120) for job in (self.running, self.waiting))
        assert (ran["state"], ran["attempt"]) == ("succeeded", 2), ran
        assert (waited["state"], waited["attempt"]) == ("succeeded", 1), waited
        assert user.download(waited["mp3_fid"]).status_code == 200
        user.convert(media.clip("m4a"))
        old_session = Client(url)
        old_session.session.headers["Authorization"] = f"Bearer {self.token}"
        assert old_session.job(self.old["id"])["mp3_fid"] == self.old["mp3_fid"], "the keys are those of before"


def test_the_embedded_engines_are_restored(unreel, tmp_path):  # noqa: F811
    data, backup = tmp_path / "my data", tmp_path / "my backup"
    settings = {"UNREEL_SLOTS": "1", "UNREEL_LEASE_S": "10", "UNREEL_REUSE": "false", "UNREEL_REPUBLISH_AFTER_S": "5"}
    before = Server(unreel, data, "--port", 0, "--json", **settings).welcome()
    user = Client(before.url, before.user, before.password)
    past = Past(user)
    run("embedded-backup", DATA=data, BACKUP=backup)
    assert user.job(past.running["id"])["state"] == "running"
    after = user.submit(media.clip("m4a"))
    before.stop()
    subprocess.run(["rm", "-rf", data], check=True)
    run("embedded-restore", DATA=data, BACKUP=backup)
    again = Server(unreel, data, "--port", 0, "--json", **settings).welcome()
    past.assert_restored(again.url, before.user, before.password, after)
    again.stop()


@pytest.mark.servers
def test_the_servers_are_restored(make_stack, tmp_path):
    stack = make_stack()
    user = stack.admin()
    past = Past(user)
    where = stack.engines.mysql
    places = {"BACKUP": tmp_path / "backup", "MONGODB_URL": os.environ["UNREEL_TEST_MONGODB_URL"],
              "PREFIX": stack.engines.mongo_prefix, "DATABASE": stack.engines.database,
              "MYSQL": f"--no-defaults --protocol=tcp -h {where.hostname} -P {where.port or 3306} -u {where.username}"
                       + (f" -p{where.password}" if where.password else "")}
    run("servers-backup", **places)
    assert user.job(past.running["id"])["state"] == "running"
    after = user.submit(media.clip("m4a"))
    for service in stack.services:
        service.stop()
    stack.engines.remove()
    run("servers-restore", **places)
    stack.gateway.settings["UNREEL_REPUBLISH_AFTER_S"] = 5
    stack.start()
    past.assert_restored(stack.gateway.url, *ADMIN, after)


# ---- keys and passwords ----

class Steady:
    """Clients that go on meanwhile, at whichever of the gateways takes connections, as behind a Service. A 503 with
    Retry-After is asked again; everything else that is not answered well is remembered."""

    def __init__(self, gateways, token):
        self.gateways, self.headers = gateways, {"Authorization": f"Bearer {token}"}
        self.failures, self.jobs, self.asked = [], [], 0
        self.has_ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _ask(self, method, path, **more):
        for gateway in self.gateways * 20:
            try:
                answer = requests.request(method, gateway.url + path, headers=self.headers, timeout=30, **more)
            except requests.ConnectionError:
                continue
            if answer.status_code != 503 or "Retry-After" not in answer.headers:
                return answer
            time.sleep(0.2)
        raise AssertionError("nobody answers")

    def _run(self):
        try:
            while not self.has_ended.is_set():
                self.asked += 1
                answer = self._ask("GET", "/v1/jobs")
                if answer.status_code != 200:
                    self.failures.append(answer.text)
                if self.asked % 10 == 1:
                    answer = self._ask("POST", "/v1/jobs", data=media.clip("m4a").read_bytes())
                    (self.jobs if answer.status_code == 202 else self.failures).append(answer.text)
                time.sleep(0.05)
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(repr(failure))

    def end(self, user):
        """Everybody was answered, and each upload is one MP3 of the first attempt."""
        wait_until(lambda: self.failures or self.asked > 20, 30)
        self.has_ended.set()
        self.thread.join(60)
        assert not self.failures
        for text in self.jobs:
            done = user.wait_job(json.loads(text)["id"], 90)
            assert (done["state"], done["attempt"]) == ("succeeded", 1), done


def second_gateway(stack):
    known = {name: value for name, value in stack.gateway.settings.items() if name not in ("UNREEL_PORT", "UNREEL_OPS_PORT")}
    return stack._make("gateway", True, 2, **known)


def key_id(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def later(engines, seconds):
    """As if so many seconds had gone by since the keys were made."""
    statement = "UPDATE {}signing_keys SET activates_at = activates_at - %d, retires_at = CASE WHEN retires_at = 0 THEN 0 " \
                "ELSE retires_at - %d END" % (seconds * 1000, seconds * 1000)
    if engines.name == "servers":
        engines._sql(statement.format(engines.database + "."))
    else:
        with sqlite3.connect(engines.folder / "accounts.db", timeout=20) as base:
            base.execute(statement.format(""))


def test_the_signing_key_is_rotated(make_stack):
    stack = make_stack()
    user = stack.admin()
    steady = Steady([stack.gateway], user.token)
    said = run("rotate-signing-key", UNREEL_ACCOUNTS_URL=stack.engines.accounts_url)
    new = re.fullmatch(r"key (\S+) signs from \S+\n", said).group(1)
    stack.auth.restart()
    published = {key["kid"] for key in requests.get(stack.auth.url + "/.well-known/jwks.json", timeout=10).json()["keys"]}
    assert published == {key_id(user.token), new} and key_id(stack.admin().token) == key_id(user.token) != new
    # Whoever fetched the set since then has both.
    other = second_gateway(stack).start()
    later(stack.engines, 11 * 60)
    stack.auth.restart()
    fresh = Client(other.url, *ADMIN)
    assert key_id(fresh.token) == new and fresh.get("/v1/jobs").status_code == 200
    still = Client(other.url)
    still.session.headers["Authorization"] = f"Bearer {user.token}"
    assert still.get("/v1/jobs").status_code == 200
    steady.end(user)
    # A day and ten minutes later nothing is left that the old key has signed, and it is published no more.
    later(stack.engines, 86400 + 600)
    stack.auth.restart()
    keys = requests.get(stack.auth.url + "/.well-known/jwks.json", timeout=10).json()["keys"]
    assert [key["kid"] for key in keys] == [new]
    other.stop()


@pytest.mark.servers
def test_passwords_of_the_servers_are_rotated(make_stack, own_amqp, tmp_path):
    stack = make_stack(on=own_amqp, start=False, converters=2, converter={"UNREEL_DRAIN_TIMEOUT_S": 60})
    control = tmp_path / "bin" / "rabbitmqctl"
    control.parent.mkdir()
    control.write_text(f"#!/bin/sh\nexec '{ROOT}/scripts/servers.sh' rabbitmqctl '{own_amqp.folder}' -q \"$@\"\n")
    control.chmod(0o755)
    where = stack.engines.mysql
    asks = (f"--no-defaults --protocol=tcp -h {where.hostname} -P {where.port or 3306} -u {where.username}"
            + (f" -p{where.password}" if where.password else ""))

    def change(name, **variables):
        run(name, first=control.parent, MYSQL=asks, DATABASE=stack.engines.database, **variables)

    def add(user):
        for server in ("mysql", "rabbitmq"):
            change(f"rotate-{server}-begin", NEW_USER=user, NEW_PASSWORD=f"of-{user}")

    def with_user(url, user):
        return urlsplit(url)._replace(netloc=f"{user}:of-{user}@{urlsplit(url).netloc.rpartition('@')[2]}").geturl()

    def use(service, user):
        for name in {"UNREEL_ACCOUNTS_URL", "UNREEL_QUEUE_URL"} & set(service.settings):
            service.settings[name] = with_user(service.settings[name], user)

    first, second = f"a{stack.engines.key}", f"b{stack.engines.key}"
    add(first)
    subprocess.run([binary_folder() / "unreel-auth", "migrate"], check=True, stdout=subprocess.DEVNULL,
                   env={"UNREEL_ACCOUNTS_URL": stack.engines.accounts_url})
    stack.auth.settings["UNREEL_MIGRATE"] = "false"
    other = second_gateway(stack)
    for service in (*stack.services, other):
        use(service, first)
    stack.start()
    other.start()
    user = stack.admin()
    steady = Steady([stack.gateway, other], user.token)
    wait_until(lambda: steady.jobs, 30)
    add(second)
    for service in (stack.auth, *stack.converters, stack.notifier, stack.gateway, other):
        service.stop()
        use(service, second)
        service.start()
    for server in ("mysql", "rabbitmq"):
        change(f"rotate-{server}-end", OLD_USER=first)
    time.sleep(1)
    steady.end(user)
    stack.admin()
    for service in (*stack.services, other):
        assert service.ops("/readyz").status_code == 200, service.ops("/readyz").text
    other.stop()
    change("rotate-mysql-end", OLD_USER=second)

"""Every metric and label in the rules and on the dashboards is one that the services, or RabbitMQ, really export."""
import contextlib
import os
import re
import subprocess
import sys
import time

import monitoring
import pytest
import requests
import support
from support import BIN, ROOT, SERVICES

sys.path.insert(0, str(ROOT / "tests" / "support"))

from harness.ports import free_port  # noqa: E402

SERIES_PER_POD = 200

# Nobody is there: a service waits for its servers, and exports all that it ever will with the value 0.
NOWHERE = {"UNREEL_BLOBS_URL": "mongodb://127.0.0.1:9/", "UNREEL_JOBS_URL": "mongodb://127.0.0.1:9/", "UNREEL_QUEUE_URL": "amqp://127.0.0.1:9/",
           "UNREEL_ACCOUNTS_URL": "mysql://u:p@127.0.0.1:9/unreel", "UNREEL_AUTH_URL": "http://127.0.0.1:9"}


@contextlib.contextmanager
def running(service, **settings):
    """The service without its servers; yields the address of its ops port."""
    port = free_port()
    given = {**NOWHERE, "UNREEL_BIND": "127.0.0.1", "UNREEL_PORT": "0", "UNREEL_OPS_PORT": str(port), "MONGOC_DISABLE_SHM": "1", **settings}
    env = {name: value for name, value in given.items() if not name.startswith("UNREEL_") or name in support.names_of(service)}
    with subprocess.Popen([BIN / f"unreel-{service}"], env={"PATH": "/usr/bin:/bin", **env}, text=True, stderr=subprocess.PIPE) as process:
        try:
            lines = []
            while not lines or ("started version" not in lines[-1] and lines[-1]):
                lines.append(process.stderr.readline())
            assert "started version" in lines[-1], "".join(lines)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def texts():
    """{service: its /metrics}"""
    found = {}
    for service in SERVICES:
        with running(service) as url:
            found[service] = requests.get(f"{url}/metrics", timeout=5).text
    return found


@pytest.fixture(scope="module")
def ours(texts):
    return merged([monitoring.parse_exposition(text) for text in texts.values()])


def merged(parts):
    found = {}
    for part in parts:
        for name, labels in part.items():
            for label, values in labels.items():
                found.setdefault(name, {}).setdefault(label, set()).update(values)
            found.setdefault(name, {})
    return found


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """What RabbitMQ exports, queue by queue, once our queues are there."""
    folder = tmp_path_factory.mktemp("amqp")
    urls = {name: os.environ.get(f"UNREEL_TEST_AMQP_{name}") for name in ("URL", "METRICS_URL")}
    is_own = None in urls.values()
    if is_own:
        env = {name: value for name, value in os.environ.items() if not name.startswith("UNREEL_TEST_")}
        subprocess.run([ROOT / "scripts" / "servers.sh", "start", folder, "amqp"], check=True, env=env)
        lines = dict(line.removeprefix("export UNREEL_TEST_AMQP_").split("=", 1) for line in (folder / "env").read_text().splitlines())
        urls = {name: lines[name] for name in urls}
    try:
        with running("gateway", UNREEL_QUEUE_URL=urls["URL"]):  # declares its queues
            yield merged([queues_at(urls["METRICS_URL"])])
    finally:
        if is_own:
            subprocess.run([ROOT / "scripts" / "servers.sh", "stop", folder], check=True, env=env)


def queues_at(url):
    """The broker counts every five seconds."""
    deadline = time.monotonic() + 30
    while True:
        found = monitoring.parse_exposition(requests.get(url, timeout=10).text)
        if {"video", "mp3", "video.dead", "mp3.dead"} <= found.get("rabbitmq_queue_messages", {}).get("queue", set()):
            return found
        assert time.monotonic() < deadline, "the broker does not tell of our queues"
        time.sleep(0.5)


def test_names_and_labels(ours, broker):
    """`job` and `instance` are Prometheus's own."""
    exported = {**broker, **ours}
    problems = [f"{where}: {problem}" for where, expression in monitoring.queries() for problem in monitoring.unknown(expression, exported)]
    assert not problems, "\n".join(problems)


def test_runbooks_name_what_there_is(ours, broker):
    settings = set().union(*(support.names_of(service) for service in SERVICES))
    known = {*ours, *broker, *monitoring.records(), *(name.removesuffix("_bucket") for name in ours)}
    for path in monitoring.RUNBOOKS.glob("*.md"):
        text = path.read_text()
        for name in re.findall(r"\b(?:unreel|rabbitmq|process)[_:][a-z0-9_:]+\b", text):
            assert name in known, (path.name, name)
        for name in re.findall(r"\bUNREEL_[A-Z0-9_]+\b", text):
            assert name in settings or name == "UNREEL_QUEUE_URL", (path.name, name)


def test_what_is_misspelt_is_found(ours):
    for expression, problem in (("sum(unreel_jobs_totl)", "nobody"), ('unreel_jobs_total{resutl="failed"}', "no label resutl"),
                                ('unreel_jobs_total{reason="no-sound"}', "no reason=no-sound"),
                                ('unreel_jobs_total{reason=~"no-audio-stream|no-sound"}', "like no-sound"),
                                ("sum by (bukcet) (rate(unreel_orphans_left[5m]))", "bukcet"),
                                ("unreel:no_such_rule > 1", "nobody")):
        found = list(monitoring.unknown(expression, ours))
        assert len(found) == 1 and problem in found[0], (expression, found)


def test_jobs_are_those_that_are_scraped():
    known = {*(f"unreel-{service}" for service in SERVICES), "unreel-rabbitmq"}
    for where, expression in monitoring.queries():
        for selector in monitoring.names_in(expression)[0]:
            for label, operator, value in selector.matchers:
                if label == "job":
                    assert any(re.fullmatch(value, job) for job in known) if operator == "=~" else value in known, where


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_exports_what_every_one_has(texts, service):
    found = monitoring.parse_exposition(texts[service])
    assert {"unreel_ready", "unreel_build_info", "process_resident_memory_bytes"} <= set(found)
    assert len(found["unreel_build_info"]["version"]) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_not_too_many_series(texts, service):
    series = [line for line in texts[service].splitlines() if line and not line.startswith("#")]
    assert len(series) == len({line.rsplit(" ", 1)[0] for line in series})
    assert len(series) <= SERIES_PER_POD, len(series)


@pytest.mark.parametrize("service", SERVICES)
def test_names_are_as_prometheus_wants_them(texts, service):
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", texts[service], re.M):
        assert re.fullmatch(r"(unreel|process)_[a-z_]+", name)
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind != "histogram" or name.endswith("_seconds"), name

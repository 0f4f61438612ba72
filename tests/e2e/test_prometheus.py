"""A real Prometheus beside a real stack: it reaches every service, and an alert comes when something is wrong."""
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from harness.ports import free_port
from harness.stack import binary_folder
from harness.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
DEED_SIZE = 32  # deed_child.h


class Prometheus:
    """With our rules, whose `for` is cut short, and a scrape each second."""

    def __init__(self, folder, targets):
        self.folder, self.port = folder, free_port()
        rules = yaml.safe_load((ROOT / "monitoring" / "rules.yml").read_text())
        for rule in [rule for group in rules["groups"] for rule in group["rules"] if "for" in rule]:
            rule["for"] = "2s"
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))
        (folder / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": job, "metrics_path": path, "static_configs": [{"targets": addresses}]}
                               for job, path, addresses in targets]}))
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [shutil.which("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], stdout=log, stderr=log)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def get(self, path, **query):
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=query, timeout=5).json()["data"]
        except (requests.RequestException, ValueError):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            return None

    def targets(self):
        """{job: how its instances are}"""
        found = {}
        for target in (self.get("targets") or {}).get("activeTargets", []):
            found.setdefault(target["labels"]["job"], set()).add(target["health"])
        return found

    def firing(self):
        alerts = [alert for alert in (self.get("alerts") or {}).get("alerts", []) if alert["state"] == "firing"]
        return {(alert["labels"]["alertname"], alert["labels"].get("job") or alert["labels"].get("cause")) for alert in alerts}


@pytest.fixture
def prometheus(make_stack, engines, tmp_path):
    """(the stack, its Prometheus); the engine does what the uploaded file's first word says."""
    if shutil.which("prometheus") is None:
        pytest.skip("ALERTS NOT TESTED: there is no prometheus (Debian's package)")
    stack = make_stack(converter={"UNREEL_ENGINE": binary_folder().parent / "tests" / "deed_child"})
    targets = [(f"unreel-{service.name.rstrip('0')}", "/metrics", [f"127.0.0.1:{service.ops_port}"]) for service in stack.services]
    broker = os.environ.get("UNREEL_TEST_AMQP_METRICS_URL")
    if engines == "servers" and broker:
        targets.append(("unreel-rabbitmq", urlsplit(broker).path, [urlsplit(broker).netloc]))
    else:  # no broker there: whatever answers stands in for it
        targets.append(("unreel-rabbitmq", "/metrics", [f"127.0.0.1:{stack.auth.ops_port}"]))
    folder = tmp_path / "prometheus"
    folder.mkdir()
    own = Prometheus(folder, targets)
    yield stack, own
    own.stop()


def test_alerts_come_and_go(prometheus):
    stack, own = prometheus
    jobs = {"unreel-auth", "unreel-gateway", "unreel-converter", "unreel-notifier", "unreel-rabbitmq"}
    wait_until(lambda: own.targets() == {job: {"up"} for job in jobs}, what="an answer of every target")
    rules = [rule for group in own.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}, [rule for rule in rules if rule["health"] == "err"]
    wait_until(lambda: own.firing() == set(), what="silence: before the first answers everything was missing")

    user = stack.admin()
    job = user.upload_raw(b"memory".ljust(DEED_SIZE, b"\0"), filename="deed.mp4").json()
    assert user.wait_job(job["id"])["state"] == "failed"
    wait_until(lambda: ("UnreelSandboxKills", "memory") in own.firing(), what="the alert of a killed engine")

    stack.notifier.stop()
    gone = {("UnreelInstanceDown", "unreel-notifier"), ("UnreelServiceMissing", "unreel-notifier")}
    wait_until(lambda: gone <= own.firing(), what="the alerts of a service that is gone")
    stack.notifier.start()
    wait_until(lambda: not gone & own.firing(), what="their end")

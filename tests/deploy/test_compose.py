"""compose.yaml: the same servers as in Kubernetes, and nothing in it that is not there."""
import re
import shutil
import socket
import subprocess

import pytest
import support
import yaml
from support import ROOT, SERVICES, pod_of

COMPOSE = support.compose()["services"]
VERSION = re.search(r"^project\(unreel VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
SERVERS = ("mysql", "rabbitmq", "mongodb")
MONITORING = ("prometheus", "grafana")


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="NO DOCKER-COMPOSE: compose.yaml is not held against its schema")
def test_docker_compose_takes_it():
    """Debian's, which refuses what is in no schema; it needs no daemon for that."""
    run = subprocess.run(["docker-compose", "--profile", "monitoring", "-f", ROOT / "compose.yaml", "config", "--quiet"],
                         check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_same_servers_as_in_kubernetes():
    objects = support.manifests("overlays/minikube")
    images = {support.name_of(found): pod_of(found)["containers"][0]["image"] for found in support.of_kind(objects, "StatefulSet")}
    assert {name: COMPOSE[name]["image"] for name in SERVERS} == images


def test_all_services_are_built_here():
    targets = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.M)
    assert set(COMPOSE) == {*SERVERS, *SERVICES, *MONITORING, "migrate"}
    for name in SERVICES + ("migrate",):
        assert COMPOSE[name]["image"] == f"unreel/{'auth' if name == 'migrate' else name}:{VERSION}"
        assert COMPOSE[name]["pull_policy"] == "never", f"{name} may be somebody else's"
    built = {name: service["build"]["target"] for name, service in COMPOSE.items() if "build" in service}
    assert sorted(built.values()) == sorted(SERVICES) and set(built.values()) <= set(targets)
    for name, target in built.items():
        assert COMPOSE[name]["image"].startswith(f"unreel/{target}:")
    assert COMPOSE["migrate"]["command"] == ["migrate"]
    assert COMPOSE["converter"]["deploy"]["replicas"] == 2


def test_an_image_says_no_more_than_is_known():
    """Nobody asks git here: without being told, an image is no release."""
    for name, service in COMPOSE.items():
        if "build" in service:
            assert service["build"]["args"] == {
                "VERSION": f"${{UNREEL_VERSION:-{VERSION}-unknown}}", "REVISION": "${UNREEL_REVISION:-unknown}",
                "CREATED": "${UNREEL_CREATED:-1970-01-01T00:00:00Z}"}, name


def test_one_image_is_built_once():
    """Two at once into one tag fail with "already exists"; who uses it without building it comes after who does."""
    for name, service in COMPOSE.items():
        builders = [other for other in COMPOSE if "build" in COMPOSE[other] and COMPOSE[other]["image"] == service["image"]]
        assert len(builders) <= 1, service["image"]
        assert builders in ([], [name]) or builders[0] in service["depends_on"], name


def test_health_and_order():
    for name in SERVERS:
        assert COMPOSE[name]["healthcheck"]["test"][0] == "CMD", name
    for name, service in COMPOSE.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in COMPOSE, name
            assert how["condition"] != "service_healthy" or "healthcheck" in COMPOSE[needed], (name, needed)
    assert COMPOSE["auth"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_health_is_asked_for_cheaply():
    """For as long as a laptop is on: no JavaScript and no Erlang, whose start alone takes a second of a core."""
    for name in SERVERS:
        check = COMPOSE[name]["healthcheck"]
        assert not re.match("rabbitmq|mongosh", check["test"][1]), name
        assert seconds(check["interval"]) >= 5 and seconds(check["interval"]) * check["retries"] >= 120, name


def test_the_replica_set_is_made_once(tmp_path):
    """The command itself, with another port and a mongosh that says no at first."""
    (tmp_path / "mongosh").write_text(f"""#!/bin/sh
echo called >>{tmp_path}/calls
[ -e {tmp_path}/is-primary ]
""")
    (tmp_path / "mongosh").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = COMPOSE["mongodb"]["healthcheck"]["test"][1:]
        assert "/tmp/" in command[-1] and "/27017" in command[-1]
        command[-1] = command[-1].replace("/tmp/", f"{tmp_path}/").replace("/27017", f"/{server.getsockname()[1]}")

        def check():
            return subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False, capture_output=True).returncode

        assert check() != 0
        (tmp_path / "is-primary").touch()
        assert [check() for _ in range(3)] == [0, 0, 0]
    assert check() != 0
    assert (tmp_path / "calls").read_text().split() == ["called", "called"]


def test_services_may_little():
    for name in SERVICES + ("migrate",):
        service = COMPOSE[name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name, service in COMPOSE.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} is open to the network"


def test_a_mail_server_may_want_a_login():
    given = COMPOSE["notifier"]["environment"]
    for name in ("UNREEL_SMTP_URL", "UNREEL_SMTP_USER", "UNREEL_SMTP_PASSWORD"):
        assert given[name] == f"${{{name}:-}}"


def seconds(text):
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def test_grace_outlasts_the_drain():
    for name in SERVICES:
        service = COMPOSE[name]
        drain = int(service["environment"].get("UNREEL_DRAIN_TIMEOUT_S", 30))
        assert seconds(service.get("stop_grace_period", "10s")) >= drain + 10, name


def test_volumes_and_files_are_there():
    named = set(support.compose()["volumes"])
    for name in SERVERS + MONITORING:
        for volume in COMPOSE[name]["volumes"]:
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in named, volume


def test_monitoring_is_asked_for():
    for name in MONITORING:
        assert COMPOSE[name]["profiles"] == ["monitoring"], name
    dashboards = yaml.safe_load((ROOT / "monitoring" / "grafana" / "dashboards.yml").read_text())["providers"][0]["options"]["path"]
    assert f"./k8s/components/monitoring/dashboards:{dashboards}:ro" in COMPOSE["grafana"]["volumes"]

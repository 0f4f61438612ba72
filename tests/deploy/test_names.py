"""Every UNREEL_* name in the manifests is known to the service that gets it, and it starts with exactly those."""
import re
import subprocess

import pytest
import support
from support import BIN, SERVICES, pod_of

OVERLAY = "overlays/minikube"


def from_kubernetes(service):
    """The variables of its container, with the values that they will have; a file's name stands for what is in it."""
    objects = support.manifests(OVERLAY)
    made = support.data_of(objects)
    found = {}
    for workload in support.workloads(objects):
        if support.pod_labels(workload)["app.kubernetes.io/name"] != service:
            continue
        container = pod_of(workload)["containers"][0]
        files = support.secret_files(workload)
        for source in container.get("envFrom", []):
            found.update(made[source["configMapRef"]["name"]])
        for entry in container.get("env", []):
            secret, key = files.get(entry["value"], (None, None))
            found[entry["name"]] = made[secret][key] if secret else entry["value"]
    return found


def from_compose(service):
    found = support.compose()["services"][service]["environment"]
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for name, value in found.items()}


STORES = ("UNREEL_BLOBS_URL", "UNREEL_JOBS_URL", "UNREEL_QUEUE_URL", "UNREEL_ACCOUNTS_URL")
SOURCES = {"k8s": from_kubernetes, "compose": from_compose}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("service", SERVICES)
def test_names_are_known(source, service):
    given = SOURCES[source](service)
    assert given
    for name in given:
        assert name in support.names_of(service) or name.removesuffix("_FILE") in support.names_of(service), name


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("service", SERVICES)
def test_it_starts_with_them(source, service, tmp_path):
    """Only the ports are others here, and no server answers: a service that took its settings waits for them."""
    env = {**SOURCES[source](service), "UNREEL_OPS_PORT": "0", "UNREEL_BIND": "127.0.0.1"}
    for name in env:
        if name.removesuffix("_FILE") in STORES:  # the same but for the place: nobody is to be asked for names of hosts
            env[name] = re.sub(r"(//|@)[a-z0-9.-]+:\d+", r"\g<1>127.0.0.1:9", env[name])
        if name.endswith("_FILE"):
            (tmp_path / name).write_text(env[name])
            env[name] = tmp_path / name
    if "UNREEL_PORT" in support.names_of(service):
        env["UNREEL_PORT"] = "0"
    with subprocess.Popen([BIN / f"unreel-{service}"], env={"PATH": "/usr/bin:/bin", **env}, text=True,
                          stderr=subprocess.PIPE) as process:
        lines = []
        while not lines or ("started version" not in lines[-1] and lines[-1]):
            lines.append(process.stderr.readline())
        process.kill()
    assert "started version" in lines[-1], "".join(lines)


def test_migrate_needs_one_url():
    for container in (from_kubernetes("migrate"), from_compose("migrate")):
        assert {name.removesuffix("_FILE") for name in container} - {"UNREEL_LOG_FORMAT"} == {"UNREEL_ACCOUNTS_URL"}

"""Every UNREEL_* name in the manifests is known to the service that gets it, and it starts with exactly those."""
import re
import subprocess

import pytest
import support
from support import BIN, SERVICES, name_of, pod_of

OVERLAY = "overlays/minikube"


def from_kubernetes(service):
    """The variables of its container, with the values that they will have."""
    objects, _ = support.manifests("base")
    made = support.literals(OVERLAY)
    found = {}
    for workload in support.workloads(objects):
        container = pod_of(workload)["containers"][0]
        if name_of(workload) != service:
            continue
        for source in container.get("envFrom", []):
            found.update(made[unhashed(source["configMapRef"]["name"])])
        for entry in container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            found[entry["name"]] = made[unhashed(reference["name"])][reference["key"]] if reference else entry["value"]
    return found


def unhashed(name):
    return re.sub(r"-[a-z0-9]{10}$", "", name)


def from_compose(service):
    found = support.compose()["services"][service]["environment"]
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for name, value in found.items()}


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
def test_it_starts_with_them(source, service):
    """Only the ports are others here, and no server answers: a service that took its settings waits for them."""
    env = {**SOURCES[source](service), "UNREEL_OPS_PORT": "0", "UNREEL_BIND": "127.0.0.1"}
    for name in ("UNREEL_BLOBS_URL", "UNREEL_JOBS_URL", "UNREEL_QUEUE_URL", "UNREEL_ACCOUNTS_URL"):
        if name in env:  # the same but for the place: nobody is to be asked for names of hosts
            env[name] = re.sub(r"(//|@)[a-z0-9.-]+:\d+", r"\g<1>127.0.0.1:9", env[name])
    if "UNREEL_PORT" in support.names_of(service):
        env["UNREEL_PORT"] = "0"
    with subprocess.Popen([BIN / f"unreel-{service}"], env={"PATH": "/usr/bin:/bin", **env}, text=True,
                          stderr=subprocess.PIPE) as process:
        lines = []
        while not lines or ("started version" not in lines[-1] and lines[-1]):
            lines.append(process.stderr.readline())
        process.kill()
    assert "started version" in lines[-1], "".join(lines)


def test_migrate_needs_one_name():
    for container in (from_kubernetes("migrate-0-1-0"), from_compose("migrate")):
        assert set(container) == {"UNREEL_ACCOUNTS_URL"}

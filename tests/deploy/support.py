"""What the tests of this folder share: where things are, and the manifests as objects."""
import base64
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("UNREEL_TEST_BUILD", ROOT / "build" / "dev"))
BIN = BUILD / "bin"
VERSION = re.search(r"^project\(unreel VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
SERVICES = ("auth", "gateway", "converter", "notifier")
K8S = ROOT / "k8s"
OVERLAYS = tuple(sorted(f"overlays/{path.parent.name}" for path in K8S.glob("overlays/*/kustomization.yaml")))
COMPONENTS = tuple(sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml")))


def components_for(overlay):
    """Those that it does not have of its own."""
    listed = yaml.safe_load((K8S / overlay / "kustomization.yaml").read_text()).get("components", [])
    return tuple(name for name in COMPONENTS if not any(path.endswith(f"/{name}") for path in listed))


def output(*command, env=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], **(env or {})})
    assert done.returncode == 0, done.stderr
    return done.stdout


def names_of(service):
    return set(output(BIN / f"unreel-{service}", "--config-names").split())


@cache
def renderer():
    """The command of scripts/kustomize.sh's kustomize; None when there is none."""
    built = ROOT / "build" / "kustomize" / "kustomize"
    program = os.environ.get("UNREEL_TEST_KUBECTL") or shutil.which("kubectl")
    if program is not None:
        found = subprocess.run([program, "version", "--client"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"^Kustomize Version: v(\d+)", found, re.M)
        if version and int(version.group(1)) >= 5:  # Debian 12's own knows no components
            return program, "kustomize"
    return (built, "build") if built.exists() else None


def rendered(folder):
    """All objects of a kustomization."""
    if renderer() is None:
        pytest.skip("MANIFESTS NOT TESTED: no kustomize 5 (scripts/kustomize.sh says why it could not be had)")
    return [found for found in yaml.safe_load_all(output(*renderer(), folder)) if found]


@cache
def manifests(overlay, components=()):
    """All objects of k8s/overlay with these components."""
    with tempfile.TemporaryDirectory() as folder:
        there = os.path.relpath(K8S, os.path.realpath(folder))
        text = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                "resources": [f"{there}/{overlay}"], "components": [f"{there}/components/{name}" for name in components]}
        if "canary" in components:
            text["images"] = [{"name": f"unreel/{name}-canary", "newName": f"unreel/{name}", "newTag": "0.2.0"}
                              for name in ("gateway", "converter")]
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(text))
        return rendered(folder)


def of_kind(objects, *kinds):
    return [found for found in objects if found["kind"] in kinds]


def name_of(found):
    return found["metadata"]["name"]


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def workloads(objects):
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def is_ours(container):
    return "unreel/" in container["image"] and "-local:" not in container["image"]


def containers(objects):
    for workload in workloads(objects):
        for container in pod_of(workload).get("initContainers", []) + pod_of(workload)["containers"]:
            yield workload, container


def is_canary(workload):
    return pod_labels(workload).get("track") == "canary"


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def data_of(objects):
    """{name: {key: text}} of the ConfigMaps and Secrets that are made here."""
    made = {name_of(found): found.get("data", {}) for found in of_kind(objects, "ConfigMap")}
    for secret in of_kind(objects, "Secret"):
        made[name_of(secret)] = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    return made


def secret_files(workload):
    """{path in its containers: (Secret, key)} of the Secrets that it mounts."""
    pod = pod_of(workload)
    volumes = {volume["name"]: volume["secret"] for volume in pod.get("volumes", []) if "secret" in volume}
    found = {}
    for mount in pod["containers"][0].get("volumeMounts", []):
        secret = volumes.get(mount["name"], {})
        for item in secret.get("items", []):
            path = mount["mountPath"] if mount.get("subPath") == item["path"] else f"{mount['mountPath']}/{item['path']}"
            found[path] = (secret["secretName"], item["key"])
    return found


def settings(workload, data):
    """(name, value) of its first container's environment, ConfigMaps and all."""
    container = pod_of(workload)["containers"][0]
    for source in container.get("envFrom", []):
        yield from data[source["configMapRef"]["name"]].items()
    yield from ((entry["name"], entry.get("value", "")) for entry in container.get("env", []))


def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())

"""What the tests of this folder share: where things are, and the manifests as objects."""
import os
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("UNREEL_TEST_BUILD", ROOT / "build" / "dev"))
BIN = BUILD / "bin"
SERVICES = ("auth", "gateway", "converter", "notifier")
OVERLAYS = ("base", "overlays/minikube")


def output(*command, env=None):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"], **(env or {})}).stdout


def names_of(service):
    return set(output(BIN / f"unreel-{service}", "--config-names").split())


def kubectl():
    """A kubectl whose kustomize is 5 or newer (Debian 12's own is older); None when there is none."""
    program = os.environ.get("UNREEL_TEST_KUBECTL") or shutil.which("kubectl")
    if program is None:
        return None
    found = subprocess.run([program, "version", "--client"], capture_output=True, text=True, check=False).stdout
    line = [line for line in found.splitlines() if line.startswith("Kustomize Version: v")]
    return program if line and int(line[0].split("v")[-1].split(".")[0]) >= 5 else None


def read_folder(folder):
    """The manifests that a kustomization names, as they stand; for what needs no kustomize."""
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    found = []
    for name in listed:
        path = (folder / name).resolve()
        found += read_folder(path) if path.is_dir() else [doc for doc in yaml.safe_load_all(path.read_text()) if doc]
    return found


def manifests(overlay):
    """All objects of k8s/overlay, rendered where that is possible: (objects, whether they are)."""
    program = kubectl()
    if program is None:
        return read_folder(ROOT / "k8s" / overlay), False
    text = output(program, "kustomize", ROOT / "k8s" / overlay)
    return [doc for doc in yaml.safe_load_all(text) if doc], True


def of_kind(objects, *kinds):
    return [found for found in objects if found["kind"] in kinds]


def name_of(found):
    return found["metadata"]["name"]


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def workloads(objects):
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def is_ours(container):
    return container["image"].startswith("unreel/")


def containers(objects):
    for workload in workloads(objects):
        for container in pod_of(workload)["containers"]:
            yield workload, container


def literals(overlay):
    """What the generators of a kustomization and of those it builds on make: {name: {key: value}}, names unhashed."""
    folder = ROOT / "k8s" / overlay
    text = yaml.safe_load((folder / "kustomization.yaml").read_text())
    made = {}
    for resource in text["resources"]:
        path = (folder / resource).resolve()
        if path.is_dir():
            made.update(literals(path.relative_to(ROOT / "k8s")))
    for generator in text.get("configMapGenerator", []) + text.get("secretGenerator", []):
        keys = dict(line.split("=", 1) for line in generator.get("literals", []))
        for name in generator.get("envs", []):
            lines = (folder / name).read_text().splitlines()
            keys.update(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        for name in generator.get("files", []):
            keys[name] = (folder / name).read_text()
        made.setdefault(generator["name"], {}).update(keys)
    return made


def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())

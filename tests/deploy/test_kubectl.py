"""The kubectl commands of README and docs: what kubectl itself would refuse, or do to less than is meant."""
import re
import shlex

import pytest
from support import COMPONENTS, ROOT, SERVICES, components_for, manifests

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = {"annotate", "apply", "delete", "describe", "drain", "edit", "exec", "get", "kustomize", "label", "logs", "patch", "port-forward",
         "rollout", "scale", "set", "wait"}
NAMED = {*SERVICES, "mysql", "rabbitmq", "mongodb", "migrate"}


def commands(text):
    """(verb, other words) of each; what follows a `--`, a pipe or a semicolon is not kubectl's."""
    code = re.findall(r"^ {4,}(.*)$", text, re.M) + re.findall(r"`(kubectl[^`]*)`", text)
    for found in re.findall(r"\bkubectl (.*)", "\n".join(code)):
        for line in found.split("kubectl "):
            words = shlex.split(re.split(r" -- |[|;]| >| <| #", line)[0].rstrip(") "))
            if words[:2] == ["-n", "unreel"]:
                words = words[2:]
            yield words[0], words[1:]


FOUND = [pytest.param(verb, rest, id=f"{path.stem}: {verb} {' '.join(rest)}") for path in PAGES for verb, rest in commands(path.read_text())]


@pytest.mark.parametrize(("verb", "rest"), FOUND)
def test_kubectl_takes_it(verb, rest):
    assert verb in VERBS
    if verb in ("get", "describe", "delete", "scale"):
        named = ["/" in word for before, word in zip(["", *rest], rest) if not word.startswith("-") and before not in ("-l", "-o")]
        assert all(named) or not any(named), "TYPE/NAME for all, or for none"
        assert not any("," in word and "/" in word for word in rest if not word.startswith("app.")), "TYPE,TYPE has no names"
    if verb == "rollout":
        assert rest[0] in ("history", "restart", "status", "undo")
    for name in re.findall(r"app\.kubernetes\.io/name=([\w-]+)", " ".join(rest)):
        assert name in NAMED


@pytest.mark.parametrize(("verb", "rest"), [found for found in FOUND if found.values[0] == "logs"])
def test_logs_are_those_of_all_pods(verb, rest):
    """Of deploy/NAME kubectl reads one pod; of a label it reads ten lines of each unless it is told more."""
    if rest[0] != "POD":
        assert rest[0] == "-l" and "--prefix" in rest and any(word.startswith("--tail=") for word in rest)


def test_a_canary_is_not_rolled_back():
    """It has one revision."""
    assert not [found.id for found in FOUND if found.values[0] == "rollout" and "undo" in found.values[1] and "-canary" in found.id]


def test_what_is_stopped_is_started():
    """A Deployment without `replicas` stays at none when it is applied again, and its autoscaler leaves it alone."""
    text = (ROOT / "docs" / "operations.md").read_text()
    stopped = text.index("scale deployment --all --replicas=0")
    assert re.search(r"scale deployment --all --replicas=[1-9]", text[stopped:])
    paused = text.index("autoscaling.keda.sh/paused-replicas=0")
    assert paused < stopped < text.index("autoscaling.keda.sh/paused-replicas-"), "KEDA starts converters when it sees messages"


def test_a_restore_in_the_cluster_replaces():
    """What is there already would be duplicate keys."""
    text = (ROOT / "docs" / "operations.md").read_text()
    restores = re.findall(r"^ {4}.*kubectl .*mongorestore.*$", text, re.M)
    assert restores and all("--drop" in line for line in restores)


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_a_component_takes_out_is_deleted_by_hand(component):
    """apply removes nothing. Names with a hash are made anew, and nobody asks for the old ones."""
    overlay = "overlays/minikube"
    assert component in components_for(overlay)
    before, after = ({(found["kind"], found["metadata"]["name"]) for found in manifests(overlay, chosen) if found["kind"] not in
                      ("ConfigMap", "Secret", "Job")} for chosen in ((), (component,)))
    deleted = {tuple(word.split("/")) for found in FOUND if found.values[0] == "delete" for word in found.values[1] if "/" in word}
    for kind, name in before - after:
        assert ({"HorizontalPodAutoscaler": "hpa"}.get(kind, kind.lower()), name) in deleted

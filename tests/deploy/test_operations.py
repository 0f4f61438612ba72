"""docs/operations.md and the runbooks name what there is: commands, options, settings, metrics, files, objects."""
import re

import pytest
import yaml
from support import BIN, ROOT, SERVICES, names_of, output

OPERATIONS = ROOT / "docs" / "operations.md"
PAGES = [OPERATIONS, *sorted((ROOT / "docs" / "runbooks").glob("*.md"))]


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def text(request):
    return request.param.read_text()


def known_metrics():
    """Every name that the sources give a metric."""
    found = {"unreel_build_info"}
    for path in ROOT.glob("*/**/*.c"):
        if path.parts[len(ROOT.parts)] in ("shared", *SERVICES):
            found |= set(re.findall(r'"(unreel_[a-z_]+)"', path.read_text()))
    return found


def test_commands_and_their_options(text):
    commands = set(re.findall(r"^  (\w+)  ", output(BIN / "unreel", "--help"), re.M))
    for name, rest in re.findall(r"^(?:kubectl .* -- )?unreel ([a-z]\w*)(.*)", "\n".join(code_of(text)), re.M):
        assert name in commands, name
        help_ = output(BIN / "unreel", name, "--help")
        for option in re.findall(r"(--[a-z][\w-]*)", rest):
            assert option in help_, (name, option)
    for service, command in re.findall(r"\bunreel-(auth|gateway|converter|notifier) ([a-z][\w-]+)", "\n".join(code_of(text))):
        assert re.search(rf"^  {command}  ", output(BIN / f"unreel-{service}", "--help"), re.M), (service, command)


def code_of(text):
    """Blocks and what stands in backticks."""
    return re.findall(r"^ {4,}(\S.*)$", text, re.M) + re.findall(r"`([^`\n]+)`", text)


def test_settings(text):
    known = set().union(*(names_of(service) for service in SERVICES)) | {"UNREEL_VERSION"}
    for name in set(re.findall(r"\bUNREEL_[A-Z0-9_]+\b", text)):
        assert name in known or name.removesuffix("_FILE") in known, name


def test_metrics(text):
    for name in set(re.findall(r"\bunreel_[a-z_]+\b", text)):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in known_metrics() or name in known_metrics(), name


def test_links_and_files(text):
    here = OPERATIONS.parent
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (here / target).exists() or (here / "runbooks" / target).exists(), target
    for path in re.findall(r"`((?:k8s|tests|scripts|docs)/[\w./-]+)`", text) + re.findall(r"-k (\S+)", "\n".join(code_of(text))):
        assert (ROOT / path.rstrip("`")).exists(), path


def test_objects_of_kubernetes(text):
    documents = [doc for path in (ROOT / "k8s").rglob("*.yaml") for doc in yaml.safe_load_all(path.read_text())]
    named = {(doc["kind"].lower(), doc["metadata"]["name"]) for doc in documents if isinstance(doc, dict) and "metadata" in doc}
    named |= {("deployment", f"{path.parent.name}-canary") for path in (ROOT / "k8s" / "components" / "canary").glob("*/kustomization.yaml")}
    for kind, name in re.findall(r"(?<![/\w])(deployment|deploy|statefulset|job)/([a-z][a-z0-9-]*)", text):
        assert ({"deploy": "deployment"}.get(kind, kind), name) in named, (kind, name)
    for pod in re.findall(r"\b([a-z]+)-0\b", "\n".join(code_of(text))):
        assert ("statefulset", pod) in named, pod


def test_every_block_that_is_marked_is_run():
    run = (ROOT / "tests" / "e2e" / "test_operations.py").read_text()
    for name in re.findall(r"<!-- run: (\S+) -->", OPERATIONS.read_text()):
        assert re.search(rf'run\("{name}"|"{name}"', run) or f"rotate-{{server}}-{name.rsplit('-', 1)[1]}" in run, name

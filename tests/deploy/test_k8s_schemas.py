"""Every overlay with every choice of components is rendered, and valid by the schemas of the releases that it is for."""
import copy
import itertools
import json
import re

import jsonschema
import pytest
import support
from support import OVERLAYS, components_for, name_of

CHOICES = [(overlay, chosen) for overlay in OVERLAYS for count in range(len(components_for(overlay)) + 1)
           for chosen in itertools.combinations(components_for(overlay), count)]
SCHEMAS = json.loads((support.ROOT / "tests" / "deploy" / "schemas.json").read_text())
SEEN = {}


def validator(found):
    kind = f"{found['apiVersion']} {found['kind']}"
    assert kind in SCHEMAS["kinds"], f"no schema of {kind}: scripts/k8s_schemas.py has the list"
    schema = SCHEMAS["definitions"][SCHEMAS["kinds"][kind]]
    return jsonschema.Draft7Validator({**schema, "definitions": SCHEMAS["definitions"]})


def problems(found):
    text = json.dumps(found, sort_keys=True)
    if text not in SEEN:
        SEEN[text] = [f"{found['kind']} {name_of(found)}: {'/'.join(map(str, one.path))}: {one.message[:300]}"
                      for one in validator(found).iter_errors(found)]
    return SEEN[text]


@pytest.mark.parametrize("overlay, chosen", CHOICES, ids=["+".join((overlay, *chosen)) for overlay, chosen in CHOICES])
def test_valid(overlay, chosen):
    objects = support.manifests(overlay, chosen)
    assert [one for found in objects for one in problems(found)] == []
    ids = [(found["apiVersion"], found["kind"], found["metadata"].get("namespace"), name_of(found)) for found in objects]
    assert len(ids) == len(set(ids)) > 30
    for found in objects:
        if found["kind"] not in ("Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"):
            assert found["metadata"].get("namespace") == "unreel", found["metadata"]


def test_labels_and_names_are_well_formed(objects):
    for found in objects:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", name_of(found))
        for value in found["metadata"].get("labels", {}).values():
            assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", value)


BROKEN = {
    "a field that is none": ("Deployment", lambda d: d["spec"]["template"]["spec"].update(securtyContext={})),
    "a number that is none": ("Deployment", lambda d: d["spec"].update(replicas="2")),
    "a text that is none": ("Deployment", lambda d: d["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "A", "value": 1})),
    "no selector": ("Deployment", lambda d: d["spec"].pop("selector")),
    "no quantity": ("StatefulSet", lambda d: d["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"].update(memory="1 GB")),
    "no base64": ("Secret", lambda d: d["data"].update(key="a b?")),
    "too large": ("Service", lambda d: d["spec"]["ports"][0].update(port=2 ** 40)),
    "of a custom resource": ("ScaledObject", lambda d: d["spec"].update(minReplicas=0)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found(what):
    kind, break_it = BROKEN[what]
    found = copy.deepcopy(support.of_kind(support.manifests("overlays/minikube", ("keda",)), kind)[0])
    assert problems(found) == []
    break_it(found)
    assert problems(found) != []

#!/usr/bin/env python3
"""Writes tests/deploy/schemas.json: the schemas that tests/deploy/test_k8s_schemas.py holds the manifests against.

They come from the Go modules of the releases named here, of which only `go mod download` is asked: no cluster, and
nothing is built. The file is committed, so that the tests need neither Go nor a network. usage: k8s_schemas.py
"""
import json
import subprocess
from pathlib import Path

import yaml

TARGET = Path(__file__).resolve().parents[1] / "tests" / "deploy" / "schemas.json"
# Where a kind is. What the manifests begin to use is added here.
KUBERNETES = "k8s.io/kubernetes@v1.34.2"
BUILT_IN = {
    "api__v1": ("ConfigMap", "Namespace", "PersistentVolumeClaim", "Secret", "Service", "ServiceAccount"),
    "apis__apps__v1": ("Deployment", "StatefulSet"),
    "apis__autoscaling__v2": ("HorizontalPodAutoscaler",),
    "apis__batch__v1": ("CronJob", "Job"),
    "apis__networking.k8s.io__v1": ("Ingress", "NetworkPolicy"),
    "apis__policy__v1": ("PodDisruptionBudget",),
    "apis__rbac.authorization.k8s.io__v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "apis__scheduling.k8s.io__v1": ("PriorityClass",),
}
CUSTOM = {
    "github.com/kedacore/keda/v2@v2.18.1": ("config/crd/bases/keda.sh_{}.yaml", ("scaledobjects", "triggerauthentications")),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml", ("podmonitors", "prometheusrules", "servicemonitors")),
}
REFERENCE = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
# What says something about validity; descriptions are most of the rest.
KEYWORDS = ("type", "enum", "pattern", "required", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
PATTERNS = {QUANTITY: r"^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$",
            "byte": r"^([A-Za-z0-9+/\s]{4,}={0,2}\s*)?$"}
RANGES = {"int32": 2 ** 31, "int64": 2 ** 63}


def folder_of(module):
    """Where Go keeps the unpacked module."""
    done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=True, cwd="/")
    return Path(json.loads(done.stdout)["Dir"])


def pruned(schema, ret_names):
    """OpenAPI's schema as JSON Schema (draft 7), without its prose and with no room for a field that it does not name;
    what it refers to goes to ret_names."""
    if len(schema.get("allOf", [])) == 1 and "$ref" in schema["allOf"][0]:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        ret_names.add(name)
        return {"$ref": f"#/definitions/{name}"}
    kept = {word: schema[word] for word in KEYWORDS if word in schema}
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        kept["type"] = ["integer", "string"]
    if schema.get("nullable"):
        kept["type"] = [schema["type"], "null"]
    if schema.get("format") in PATTERNS:
        kept["pattern"] = PATTERNS[schema["format"]]
    if schema.get("format") in RANGES:
        kept.setdefault("minimum", -RANGES[schema["format"]])
        kept.setdefault("maximum", RANGES[schema["format"]] - 1)
    if "items" in schema:
        kept["items"] = pruned(schema["items"], ret_names)
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = pruned(schema["additionalProperties"], ret_names)
    if "properties" in schema:
        kept["properties"] = {name: pruned(inner, ret_names) for name, inner in sorted(schema["properties"].items())}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            kept.setdefault("additionalProperties", False)
    return kept


def add_with_references(name, all_schemas, ret_definitions):
    left = {name}
    while left:
        name = left.pop()
        if name not in ret_definitions:
            names = set()
            ret_definitions[name] = pruned(all_schemas[name], names)
            left |= names
    if QUANTITY in ret_definitions:
        ret_definitions[QUANTITY] = {"type": ["string", "number"], "pattern": PATTERNS[QUANTITY]}


def built_in(ret_kinds, ret_definitions):
    folder = folder_of(KUBERNETES) / "api" / "openapi-spec" / "v3"
    for file, kinds in BUILT_IN.items():
        schemas = json.loads((folder / f"{file}_openapi.json").read_text())["components"]["schemas"]
        version = file.removeprefix("apis__").removeprefix("api__").replace("__", "/")
        for name, schema in schemas.items():
            for found in schema.get("x-kubernetes-group-version-kind", []):
                is_it = "/".join(filter(None, (found["group"], found["version"]))) == version
                if is_it and found["kind"] in kinds:
                    ret_kinds[f"{version} {found['kind']}"] = name
                    add_with_references(name, schemas, ret_definitions)


def custom(ret_kinds, ret_definitions):
    for module, (pattern, plurals) in CUSTOM.items():
        folder = folder_of(module)
        for plural in plurals:
            spec = yaml.safe_load((folder / pattern.format(plural)).read_text())["spec"]
            for version in spec["versions"]:
                name = f"{spec['group']}/{version['name']} {spec['names']['kind']}"
                ret_kinds[name] = name
                ret_definitions[name] = pruned(version["schema"]["openAPIV3Schema"], set())
                ret_definitions[name]["properties"]["metadata"] = {"$ref": f"#/definitions/{META}"}


def main():
    kinds, definitions = {}, {}
    built_in(kinds, definitions)
    custom(kinds, definitions)
    # A line for each definition: what a newer release changes can be read in the history.
    lines = [f"{json.dumps(name)}:{json.dumps(definitions[name], separators=(',', ':'))}" for name in sorted(definitions)]
    TARGET.write_text('{"modules":%s,\n"kinds":%s,\n"definitions":{\n%s\n}}\n' % (
        json.dumps([KUBERNETES, *CUSTOM]), json.dumps(dict(sorted(kinds.items()))), ",\n".join(lines)))
    print(f"{TARGET}: {len(kinds)} kinds, {len(definitions)} definitions, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()

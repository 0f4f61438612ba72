"""openapi.yaml against the gateway's tables, and against the JSON that the gateway serves."""
import json
import sys

import pytest
import yaml
from jsonschema import Draft202012Validator
from support import BUILD, ROOT, output

METHODS = ("get", "put", "post", "delete", "head", "patch")
API = yaml.safe_load((ROOT / "openapi.yaml").read_text())


@pytest.fixture(scope="module")
def tables():
    return json.loads(output(BUILD / "tests" / "print_tables", env={"ASAN_OPTIONS": "detect_leaks=0"}))


def operations():
    for path, item in API["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


def resolve(found):
    while "$ref" in found:
        place = API
        for step in found["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        found = place
    return found


def every(found):
    """All objects within."""
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from every(value)
    elif isinstance(found, list):
        for value in found:
            yield from every(value)


def test_routes_are_the_same_both_ways(tables):
    served = {(route["method"], route["path"]): (route["summary"], route["public"]) for route in tables["routes"]}
    # Who logs in is not yet known by a token.
    written = {(method, path): (operation["summary"], operation.get("security", API["security"]) in ([], [{"basic": []}]))
               for method, path, operation in operations()}
    assert written == served


def test_options_are_the_tables(tables):
    for option in tables["options"]:
        parameter = API["components"]["parameters"][option["name"]]
        assert (parameter["name"], parameter["in"]) == (option["name"], "query")
        schema = parameter["schema"]
        if ".." in option["values"]:
            assert f'{schema["minimum"]}..{schema["maximum"]}' == option["values"]
        elif "|" in option["values"]:
            assert "|".join(map(str, schema["enum"])) == option["values"]
        else:
            assert option["values"] in parameter["description"]
        assert str(schema.get("default", "")) == option["default"]
    for path in ("/upload", "/v1/jobs"):
        taken = {resolve(parameter)["name"] for parameter in API["paths"][path]["post"]["parameters"]}
        assert {option["name"] for option in tables["options"]} <= taken


def test_the_document_is_sound():
    assert API["openapi"].startswith("3.1.")
    for found in every(API):
        if "$ref" in found:
            resolve(found)
        if "schema" in found and "$ref" not in found["schema"]:
            Draft202012Validator.check_schema(found["schema"])
    for schema in API["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for _, path, operation in operations():
        assert operation["summary"] and operation["responses"]
        parameters = [resolve(p) for p in operation.get("parameters", []) + API["paths"][path].get("parameters", [])]
        assert {p["name"] for p in parameters if p["in"] == "path"} == {
            part[1:-1] for part in path.split("/") if part.startswith("{")}
        for status, response in operation["responses"].items():
            assert resolve(response)["description"], (path, status)


def test_what_is_needed_is_described():
    for schema in API["components"]["schemas"].values():
        assert set(schema.get("required", [])) <= set(schema.get("properties", {}))


def test_the_json_is_up_to_date():
    output(sys.executable, ROOT / "scripts" / "openapi.py", "--check")
    version = next(line for line in (ROOT / "CMakeLists.txt").read_text().splitlines() if line.startswith("project("))
    assert f'VERSION {API["info"]["version"]} ' in version

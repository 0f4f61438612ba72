"""What the tests of the monitoring share: the rules, the dashboards, and what a PromQL expression names."""
import functools
import json
import re

import yaml
from support import ROOT

COMPONENT = ROOT / "k8s" / "components" / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"

# What Prometheus itself puts on every series.
TARGET_LABELS = {"job", "instance"}
# Functions stand before a bracket and need no list.
KEYWORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?")


def rules():
    """All rules, in the order of the files."""
    return [rule for group in groups() for rule in group["rules"]]


@functools.cache
def groups():
    found = [yaml.safe_load(path.read_text()) for path in sorted((COMPONENT / "rules").glob("*.yaml"))]
    return [group for document in found for group in document["spec"]["groups"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def records():
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def dashboards():
    return {path.name: json.loads(path.read_text()) for path in sorted((COMPONENT / "dashboards").glob("*.json"))}


def queries():
    """(where, expression) of every rule, of every target of a dashboard, and of what runbooks say shows that it is over."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']}", target["expr"]
    for path in RUNBOOKS.glob("Unreel*.md"):
        for line in re.findall(r"^ {4}(.*)$", path.read_text().split("## When it is over")[1], re.M):
            yield path.name, line


class Selector:
    """A metric in an expression, with what is asked of its labels: [(label, operator, value)]."""

    def __init__(self, name, matchers):
        self.name, self.matchers = name, matchers

    def __repr__(self):
        return f"{self.name}{self.matchers}"


def names_in(expression):
    """(selectors, labels that are grouped or matched by) of an expression."""
    grouped = {label.strip() for _, labels in GROUPING.findall(expression) for label in labels.split(",") if label.strip()}
    rest = GROUPING.sub(" ", expression)
    selectors = []
    for found in SELECTOR.finditer(re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", rest)):
        name, matchers = found.group(1), found.group(2)
        before = found.string[found.start() - 1:found.start()]
        after = found.string[found.end():].lstrip()[:1]
        if (after == "(" and matchers is None) or name.lower() in KEYWORDS or before.isdigit():
            continue
        selectors.append(Selector(name, MATCHER.findall(matchers or "")))
    return selectors, grouped


def parse_exposition(text):
    """{series' name: {label: values}} of a /metrics."""
    found = {}
    for line in text.splitlines():
        matched = re.match(r"([a-zA-Z_:][\w:]*)(\{.*\})? \S+$", line)
        if matched and not line.startswith("#"):
            labels = found.setdefault(matched.group(1), {})
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', matched.group(2) or ""):
                labels.setdefault(label, set()).add(value)
    return found


def unknown(expression, exported):
    """What an expression names and `exported` does not have, as texts."""
    selectors, grouped = names_in(expression)
    known = set(TARGET_LABELS)
    for selector in selectors:
        if selector.name in records():
            inner = records()[selector.name]
            known |= names_in(inner)[1]
            continue
        if selector.name == "up":
            continue
        labels = exported.get(selector.name)
        if labels is None:
            yield f"{selector.name} is exported by nobody"
            continue
        known |= set(labels)
        yield from unmatched(selector, labels)
    for label in grouped - known:
        yield f"the label {label} is on none of {selectors}"


def unmatched(selector, labels):
    for label, operator, value in selector.matchers:
        if label in TARGET_LABELS:
            continue
        if label not in labels:
            yield f"{selector.name} has no label {label}"
        elif operator == "=" and value not in labels[label]:
            yield f"{selector.name} has no {label}={value}, but {sorted(labels[label])}"
        elif operator == "=~":
            # Each alternative has to be there: one that is not is a name misspelt.
            for part in value.split("|"):
                if not any(re.fullmatch(part, given) for given in labels[label]):
                    yield f"{selector.name} has no {label} like {part}, but {sorted(labels[label])}"

#!/usr/bin/env python3
"""Prints the rules of k8s/components/monitoring/rules as a plain Prometheus reads them: monitoring/rules.yml (a test keeps it so).

    scripts/prometheus_rules.py >monitoring/rules.yml
"""
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "k8s" / "components" / "monitoring" / "rules"
HEAD = "# Written by scripts/prometheus_rules.py from k8s/components/monitoring/rules; change those.\n"


def text():
    groups = [group for path in sorted(FOLDER.glob("*.yaml")) for group in yaml.safe_load(path.read_text())["spec"]["groups"]]
    return HEAD + yaml.safe_dump({"groups": groups}, sort_keys=False, width=200)


if __name__ == "__main__":
    print(text(), end="")

#!/usr/bin/env python3
"""Writes openapi.yaml as the JSON that the gateway embeds; with --check, says whether it is up to date."""
import json
import pathlib
import sys

import yaml

root = pathlib.Path(__file__).resolve().parent.parent
target = root / "gateway" / "web" / "openapi.json"
wanted = json.dumps(yaml.safe_load((root / "openapi.yaml").read_text()), separators=(",", ":")) + "\n"
if "--check" in sys.argv:
    if target.read_text() != wanted:
        sys.exit("gateway/web/openapi.json is not openapi.yaml: run scripts/openapi.py")
else:
    target.write_text(wanted)

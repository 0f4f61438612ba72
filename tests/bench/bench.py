"""Measures groups of figures (engine, gateway, pipeline): bench.py [--only GROUP]."""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import measure  # noqa: E402
import engine  # noqa: E402
import gateway  # noqa: E402
import pipeline  # noqa: E402

GROUPS = {"engine": engine.run, "gateway": gateway.run, "pipeline": pipeline.run}

parser = argparse.ArgumentParser()
parser.add_argument("--only", choices=GROUPS)
chosen = parser.parse_args().only
measure.begin(chosen)
for name, run in GROUPS.items():
    if chosen in (None, name):
        run()

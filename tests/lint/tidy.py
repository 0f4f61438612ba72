"""clang-tidy over all sources of ours: tidy.py BUILD_DIR (configured with the preset lint)."""
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree


def check(path):
    result = subprocess.run(["clang-tidy-14", "-p", sys.argv[1], "--quiet", str(path)],
                            capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else f"{tree.relative(path)}:\n{result.stdout}{result.stderr}"


def problems():
    compiled = {entry["file"] for entry in json.loads((Path(sys.argv[1]) / "compile_commands.json").read_text())}
    ours = [path for path in tree.files(".c", folders=tree.CODE) if str(path) in compiled]
    with ThreadPoolExecutor(2) as pool:
        yield from filter(None, pool.map(check, ours))


tree.report(problems())

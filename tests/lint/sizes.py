"""No file of 500 lines, no function of 60."""
import re

import tree

FILE_LINES = 500
FUNCTION_LINES = 60


def functions(lines):
    """(first line, name, lines) of each function: its body stands between braces in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 6):start - 1])
            names = re.findall(r"(\w+)\s*\(", head)
            yield start, names[-1] if names else "?", number - start - 1
            start = None


def problems():
    for path in tree.files(".c", ".h", ".py", ".sh"):
        lines = path.read_text().splitlines()
        if len(lines) >= FILE_LINES:
            yield f"{tree.relative(path)}: {len(lines)} lines"
        if path.suffix not in (".c", ".h"):
            continue
        for number, name, length in functions(lines):
            if length >= FUNCTION_LINES:
                yield f"{tree.relative(path)}:{number}: {name} has {length} lines"


tree.report(problems())

"""What a run measured: printed at its end, and kept as figures.json in UNREEL_TEST_K8S_RESULTS."""
import json
import os
from pathlib import Path

FOLDER = Path(os.environ["UNREEL_TEST_K8S_RESULTS"])
found = {}


def note(name, value):
    found[name] = round(value, 3) if isinstance(value, float) else value


def steps_before():
    """Seconds of what run.sh did, one "SECONDS NAME" per line."""
    path = FOLDER / "steps.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in lines]


def note_image_sizes():
    """From sizes.txt of run.sh, "BYTES NAME" per line: unpacked, with the base that they share."""
    path = FOLDER / "sizes.txt"
    if path.exists():
        lines = [line.split() for line in path.read_text().splitlines()]
        note("images", [{"image": name, "MB": round(int(size) / 1e6, 1)} for size, name in lines])


def write(tests):
    """tests: [(seconds, name)] of pytest's; the lines to print."""
    note_image_sizes()
    steps = steps_before() + [(round(seconds, 1), name) for seconds, name in tests]
    (FOLDER / "figures.json").write_text(json.dumps({"steps": dict((name, seconds) for seconds, name in steps), **found},
                                                    indent=1) + "\n")
    yield from (f"{seconds:8} s  {name}" for seconds, name in steps)
    for name, value in found.items():
        if isinstance(value, list):
            yield f"{name}:"
            yield from table(value)
        else:
            yield f"{name}: {value}"


def table(rows):
    """Rows are dicts with the same keys."""
    heads = list(rows[0])
    widths = [max(len(str(row[head])) for row in [dict(zip(heads, heads)), *rows]) for head in heads]
    for row in [dict(zip(heads, heads)), *rows]:
        yield "    " + "  ".join(str(row[head]).rjust(width) for head, width in zip(heads, widths))

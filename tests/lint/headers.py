"""Each header compiles alone, with gcc and with clang: headers.py BUILD_DIR."""
import json
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree


def flags_of(entry):
    words = shlex.split(entry["command"])
    keep = []
    for index, word in enumerate(words):
        if word == "-isystem":
            keep.append((word, words[index + 1]))
        elif word.startswith(("-I", "-D", "-std=", "-W")):
            keep.append((word,))
    return keep


def flags_by_folder(build):
    """The flags of the sources in each folder, together: what a header there may rely on."""
    commands = json.loads((Path(build) / "compile_commands.json").read_text())
    flags = {}
    for entry in commands:
        flags.setdefault(Path(entry["file"]).resolve().parent, {}).update(dict.fromkeys(flags_of(entry)))
    return {folder: [word for flag in found for word in flag] for folder, found in flags.items()}


def nearest(flags, header):
    for folder in header.parents:
        if folder in flags:
            return flags[folder]
    below = [folder for folder in flags if header.parent in folder.parents]
    return flags[below[0]] if below else None


def check(job):
    compiler, header, flags, scratch = job
    # A file for each compiler: they run side by side, and one must not read what the other is writing.
    source = Path(scratch) / f"{compiler}_{tree.relative(header).replace('/', '_')}.c"
    # Twice, for the include guard; and a declaration, since ISO C knows no empty translation unit.
    source.write_text(f'#include "{header}"\n#include "{header}"\nextern int unreel_header_check;\n')
    result = subprocess.run([compiler, "-fsyntax-only", *flags, source], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return f"{tree.relative(header)} does not compile alone with {compiler}:\n{result.stderr}"
    return None


def problems():
    flags = flags_by_folder(sys.argv[1])
    jobs = []
    with tempfile.TemporaryDirectory() as scratch:
        for header in tree.files(".h", folders=tree.CODE):
            found = nearest(flags, header)
            if found is None:
                yield f"{tree.relative(header)}: nothing is compiled in its folder"
                continue
            if header.name == "banned.h":
                continue
            jobs += [(compiler, header, found, scratch) for compiler in ("gcc", "clang-14")]
        with ThreadPoolExecutor(2) as pool:
            yield from filter(None, pool.map(check, jobs))


tree.report(problems())

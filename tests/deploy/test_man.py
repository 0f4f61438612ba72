"""Each program's man page can be made of its --help, and troff has no complaint."""
import shutil
import subprocess

import pytest
from support import BIN, BUILD, ROOT, SERVICES, output

PROGRAMS = ["unreel"] + [f"unreel-{service}" for service in SERVICES]


def sections(text):
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith(".SH "):
            name = line[4:].strip('"')
            found[name] = []
        elif name and line.strip():
            found[name].append(line)
    return found


@pytest.mark.skipif(not shutil.which("help2man"), reason="help2man is not installed")
@pytest.mark.parametrize("program", PROGRAMS)
def test_page(program):
    page = BUILD / "man-test" / f"{program}.1"
    output(ROOT / "cmake" / "man_page.sh", BIN / program, page)
    found = sections(page.read_text())
    for name in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS") + (("ENVIRONMENT",) if program != "unreel" else ()):
        assert found.get(name), f"{program} has no {name}"
    assert found["NAME"][0].startswith(f"{program} \\- ") and len(found["SYNOPSIS"]) >= 3
    if program != "unreel":
        names = output(BIN / program, "--config-names").split()
        tags = [line for before, line in zip(found["ENVIRONMENT"], found["ENVIRONMENT"][1:]) if before == ".TP"]
        assert tags[:len(names)] == names
    if shutil.which("groff"):
        run = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", page], capture_output=True, text=True, check=True)
        assert run.stderr == ""


def test_pages_of_every_command():
    text = output(BIN / "unreel", "help", "all")
    for name in ("serve", "convert", "probe", "login", "upload", "jobs", "download", "watch", "user", "dlq"):
        assert f"\nunreel {name} [OPTION]..." in text

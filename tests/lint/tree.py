"""The files that the lint scripts look at."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("auth", "gateway", "converter", "notifier", "cli")
CODE = ("shared",) + SERVICES


def files(*suffixes, folders=None):
    """Files of ours (those git knows or would add) with one of the suffixes, in the named top folders."""
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, check=False)
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
    else:  # an unpacked archive has no git
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    for name in sorted(set(names)):
        path = ROOT / name
        if not name or not path.is_file() or name.startswith("build/"):
            continue
        if folders is not None and name.split("/")[0] not in folders:
            continue
        if not suffixes or path.suffix in suffixes:
            yield path


def relative(path):
    return str(path.relative_to(ROOT))


def code_of(path):
    """The text with comments and string contents blanked, lines kept."""
    text = path.read_text()
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group()
        if found.startswith('"') and re.search(r"#\s*include\s*$", text[:match.start()].rsplit("\n", 1)[-1]):
            return found
        return re.sub(r"[^\n]", " ", found)

    return token.sub(blank, text)


def report(problems):
    """Prints the problems and leaves with the test's verdict."""
    problems = list(problems)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem(s)")
    sys.exit(1 if problems else 0)

"""The README's tables are the programs' own."""
import re
import sys

from support import BIN, ROOT, SERVICES, names_of, output

README = (ROOT / "README.md").read_text()


def test_tables():
    output(sys.executable, ROOT / "scripts" / "config_tables.py", BIN, "--check")


def test_every_variable_that_is_mentioned_exists():
    known = set().union(*(names_of(service) for service in SERVICES))
    for path in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "openapi.yaml", "docs/problems.md"):
        for name in set(re.findall(r"\bUNREEL_[A-Z0-9_]+\b", (ROOT / path).read_text())):
            if not name.endswith("_") and not name.startswith("UNREEL_TEST_"):
                assert name in known or name.removesuffix("_FILE") in known, (path, name)


def test_commands_that_are_mentioned_exist():
    known = set(re.findall(r"^  (\w+)  ", output(BIN / "unreel", "--help"), re.M))
    for name in set(re.findall(r"(?:^ {4}|`)(?:build/release/bin/)?unreel (\w+)", README, re.M)):
        assert name in known, name

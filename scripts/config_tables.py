#!/usr/bin/env python3
"""Fills the README's configuration tables from the programs themselves; with --check, says whether they are equal.

usage: config_tables.py BIN_FOLDER [--check]
"""
import pathlib
import re
import subprocess
import sys

services = ["unreel-auth", "unreel-gateway", "unreel-converter", "unreel-notifier"]
readme = pathlib.Path(__file__).resolve().parent.parent / "README.md"


def table(folder, name):
    run = subprocess.run([f"{folder}/{name}", "--config-markdown"], capture_output=True, text=True,
                         env={"PATH": "/usr/bin:/bin"}, check=True)
    return run.stdout.strip()


def filled(text, folder):
    for name in services:
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.S)
        if not pattern.search(text):
            sys.exit(f"README.md has no place for {name}'s table")
        content = table(folder, name)
        text = pattern.sub(lambda m: m.group(1) + content + m.group(2), text)
    return text


def main():
    old = readme.read_text()
    new = filled(old, sys.argv[1])
    if "--check" not in sys.argv:
        readme.write_text(new)
    elif old != new:
        sys.exit("README.md's configuration tables are not the programs' own: run scripts/config_tables.py build/dev/bin")


main()

"""Texts of ours: no machine's paths, no unfinished work, no blanks at the end of a line."""
import re
import tree

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
HOME = re.compile(r"/(?:home|Users)/(?!nonroot)[a-z]")


def problems():
    here = str(tree.ROOT) + "/"
    for path in tree.files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if "/corpus/" in tree.relative(path):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{tree.relative(path)}:{number}"
            if here in line or HOME.search(line):
                yield f"{where}: a path of one machine"
            if UNFINISHED.search(line):
                yield f"{where}: unfinished"
            if line != line.rstrip() and path.suffix != ".md":
                yield f"{where}: blanks at the end"
        if text and not text.endswith("\n"):
            yield f"{tree.relative(path)}: no newline at the end"


tree.report(problems())

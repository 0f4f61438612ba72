"""Functions that have a safer twin here are not used, tests included (core/banned.h poisons them in our code only).
And a line of the log that says why something failed has its error.code: it is log_failure's."""
import re

import tree

BANNED = ("strcpy stpcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll atof localtime gmtime "
          "ctime asctime rand srand tmpnam tempnam mktemp alloca vfork readdir_r").split()
# A test may start a command that it wrote itself.
BANNED_IN_CODE = BANNED + ["system", "popen"]
UNCODED = re.compile(r"\blog_(?:warn|error)\([^;]*\w(?:\.|->)text\b")
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def problems():
    for path in tree.files(".c", ".h"):
        banned = BANNED if tree.relative(path).startswith("tests/") else BANNED_IN_CODE
        for number, line in enumerate(tree.code_of(path).splitlines(), 1):
            for match in filter(lambda found: found.group(1) in banned, CALL.finditer(line)):
                yield f"{tree.relative(path)}:{number}: {match.group(1)} is banned"
    for path in tree.files(".c", folders=tree.CODE):
        code = tree.code_of(path)
        for match in UNCODED.finditer(code):
            yield f"{tree.relative(path)}:{code.count(chr(10), 0, match.start()) + 1}: a failure without its code: log_failure"
        includes = re.findall(r'^\s*#\s*include\s+(\S+)', path.read_text(), re.M)
        if not includes or includes[-1] != '"core/banned.h"':
            yield f'{tree.relative(path)}: "core/banned.h" is not the last include'


tree.report(problems())

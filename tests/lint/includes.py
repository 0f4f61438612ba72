"""Who may include what: services stay apart, *_impl.h stays at home, a driver's header is seen by its wrapper only."""
import re
from pathlib import PurePosixPath

import tree

# A header, and the only folders that wrap its library. Tests may include any.
DRIVERS = {
    r"mongoc|bson": ["shared/db", "shared/blobs", "shared/jobs"],
    r"sqlite3\.h": ["shared/db", "shared/jobs", "shared/queue", "auth/accounts"],
    r"amqp|rabbitmq": ["shared/queue"],
    r"mysql|mariadb|errmsg\.h": ["auth/accounts"],
    r"microhttpd\.h": ["shared/http"],
    r"jwt\.h": ["shared/token"],
    r"libav\w+/|libsw\w+/|lame|ebur128": ["converter/engine"],
    r"curl/": ["shared/http", "notifier"],
    r"seccomp\.h|linux/seccomp|linux/landlock": ["converter/engine", "shared/engine"],
    r"argon2\.h": ["auth"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def home_of(header, path):
    """The folder in our tree that an include names, None for a system header."""
    for base in (path.parent, tree.ROOT, tree.ROOT / "shared", tree.ROOT / tree.relative(path).split("/")[0]):
        if (base / header).is_file():
            return (base / header).resolve().parent
    return None


def problems_of(path, number, header):
    where = f"{tree.relative(path)}:{number}: {header}"
    top = tree.relative(path).split("/")[0]
    if top != "tests":
        for pattern, folders in DRIVERS.items():
            if re.match(pattern, header) and not any(tree.relative(path).startswith(f + "/") for f in folders):
                yield f"{where} belongs to {', '.join(folders)}"
    home = home_of(header, path)
    if home is None:
        return
    theirs = tree.relative(home).split("/")[0]
    if ".." in PurePosixPath(header).parts:
        yield f"{where} leaves its folder"
    if theirs in tree.SERVICES and top != "tests" and theirs != top:
        yield f"{where} is the header of another service"
    if top == "shared" and theirs != "shared":
        yield f"{where} is not shared"
    if header.endswith("_impl.h") and top != "tests" and home != path.resolve().parent:
        yield f"{where} is private to {tree.relative(home)}"


def problems():
    for path in tree.files(".c", ".h"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                yield from problems_of(path, number, match.group(1))


tree.report(problems())

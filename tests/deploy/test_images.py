"""Each image of the Dockerfile installs the packages that its programs are linked with: all of them, and no others."""
import os
import re
import shutil
import subprocess
from functools import cache

import pytest
from support import BIN, ROOT, SERVICES, output

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PROGRAMS = {**{service: [f"unreel-{service}"] for service in SERVICES}, "converter": ["unreel-converter", "unreel-engine"],
            "all-in-one": ["unreel", "unreel-engine"] + [f"unreel-{service}" for service in SERVICES]}
# Certificates are data: who calls https needs them.
DATA = {name: {"ca-certificates"} for name in ("auth", "gateway", "converter", "notifier", "all-in-one")}
# Of debian:bookworm-slim.
BASE = set("""libacl1 libattr1 libaudit-common libaudit1 libblkid1 libbz2-1.0 libc6 libcap-ng0 libcap2 libcom-err2 libcrypt1
libdb5.3 libdebconfclient0 libext2fs2 libffi8 libgcc-s1 libgcrypt20 libgmp10 libgnutls30 libgpg-error0 libhogweed6 libidn2-0
liblz4-1 liblzma5 libmd0 libmount1 libnettle8 libp11-kit0 libpam0g libpcre2-8-0 libseccomp2 libselinux1 libsemanage2 libsepol2
libsmartcols1 libss2 libstdc++6 libsystemd0 libtasn1-6 libtinfo6 libudev1 libunistring2 libuuid1 libxxhash0 libzstd1 zlib1g"""
           .split())
SANITIZERS = ("libasan", "libubsan", "libtsan", "libclang_rt")
# What the linker leaves out of a release but not of an instrumented program.
INSTRUMENTED = {"libcurl4"}

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="not a Debian")


def stage(target):
    return re.search(rf"^FROM \S+ AS {target}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S).group(1)


def installed(target):
    words = re.search(r"--no-install-recommends (.*?)&&", stage(target)).group(1).split()
    return [word for word in words if not word.startswith("-")]


@cache
def libraries(program):
    """{soname: path} of all that the loader loads for it."""
    lines = output("ldd", BIN / program).splitlines()
    found = {line.split()[0]: line.split()[2] for line in lines if "=> /" in line}
    return {name: path for name, path in found.items() if not name.startswith(SANITIZERS)}


@cache
def owners():
    """{path: package} of all that any program loads. dpkg knows some files by the path before /usr was merged."""
    real = {os.path.realpath(path) for program in PROGRAMS["all-in-one"] for path in libraries(program).values()}
    run = subprocess.run(["dpkg-query", "-S", *real, *(path.removeprefix("/usr") for path in real)], capture_output=True,
                         text=True, check=False)
    found = {}
    for line in run.stdout.splitlines():
        package, path = line.split(": ", 1)
        found[os.path.realpath(path)] = package.split(":")[0]
    return found


def package_of(library):
    return owners()[os.path.realpath(library)]


def direct(program):
    """Packages of what it names itself."""
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", BIN / program))
    return {package_of(libraries(program)[name]) for name in needed if name in libraries(program)}


@cache
def dependencies():
    """{package: what it depends on} of all that is installed here."""
    found = {}
    for line in output("dpkg-query", "-W", "-f", "${Package}\t${Depends}, ${Pre-Depends}\n").splitlines():
        package, names = line.split("\t")
        found[package] = {name.split()[0].split(":")[0] for name in re.split(r"[,|]", names) if name.strip()}
    return found


def closure(packages):
    found, left = set(), list(packages)
    while left:
        package = left.pop()
        if package not in found and package in dependencies():
            found.add(package)
            left += dependencies()[package]
    return found


@pytest.mark.parametrize("target", PROGRAMS)
def test_packages(target):
    listed = installed(target)
    assert len(listed) == len(set(listed))
    wanted = set().union(*map(direct, PROGRAMS[target])) - BASE | DATA.get(target, set())
    is_instrumented = any(name in output("ldd", BIN / PROGRAMS[target][0]) for name in SANITIZERS)
    assert set(listed) == wanted or (is_instrumented and set(listed) == wanted - INSTRUMENTED)
    loaded = {package_of(path) for program in PROGRAMS[target] for path in libraries(program).values()}
    assert loaded <= closure(set(listed) | wanted) | BASE


@pytest.mark.parametrize("target", PROGRAMS)
def test_programs_and_user(target):
    text = stage(target)
    copied = re.search(r"^COPY --from=build (.*) /usr/bin/$", text, re.M).group(1).split()
    assert copied == ([f"/out/usr/bin/{name}" for name in PROGRAMS[target]] if target != "all-in-one" else ["/out/usr/bin/"])
    assert "RUN ! ldd /usr/bin/unreel* | grep 'not found'\nUSER 10001:10001\n" in text
    assert f'ENTRYPOINT ["/usr/bin/{PROGRAMS[target][0]}"' in text


def test_what_builds_is_what_the_scripts_install():
    builder = {word for word in re.search(r"install -y --no-install-recommends (.*?)&&", stage("build")).group(1).split()}
    script = (ROOT / "scripts" / "install-packages.sh").read_text()
    assert builder == set(re.search(r"^build=\((.*?)\)", script, re.M | re.S).group(1).split())


def test_what_is_copied_to_build_is_there():
    for source in re.findall(r"^COPY (?!--from)(.*) \S+$", stage("build"), re.M):
        for name in source.split():
            assert (ROOT / name).exists(), name

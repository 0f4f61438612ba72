"""Each image of the Dockerfile installs the packages that its programs are linked with: all of them, and no others."""
import fnmatch
import os
import re
import shutil
import subprocess
from functools import cache

import pytest
import support
from support import BIN, ROOT, SERVICES, output

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
STAND_INS = {path.parent.name: path.read_text().replace("\\\n", " ")
             for path in (ROOT / "k8s" / "overlays" / "local" / "images").glob("*/Dockerfile")}
PROGRAMS = {**{service: [f"unreel-{service}"] for service in SERVICES}, "converter": ["unreel-converter", "unreel-engine"],
            "cli": ["unreel", "unreel-engine"],
            "all-in-one": ["unreel", "unreel-engine"] + [f"unreel-{service}" for service in SERVICES]}
# Certificates are data: who calls https needs them.
DATA = {"ca-certificates"}
# Of debian:bookworm-slim.
BASE = set("""libacl1 libattr1 libaudit-common libaudit1 libblkid1 libbz2-1.0 libc6 libcap-ng0 libcap2 libcom-err2 libcrypt1
libdb5.3 libdebconfclient0 libext2fs2 libffi8 libgcc-s1 libgcrypt20 libgmp10 libgnutls30 libgpg-error0 libhogweed6 libidn2-0
liblz4-1 liblzma5 libmd0 libmount1 libnettle8 libp11-kit0 libpam0g libpcre2-8-0 libseccomp2 libselinux1 libsemanage2 libsepol2
libsmartcols1 libss2 libstdc++6 libsystemd0 libtasn1-6 libtinfo6 libudev1 libunistring2 libuuid1 libxxhash0 libzstd1 zlib1g"""
           .split())
SANITIZERS = ("libasan", "libubsan", "libtsan", "libclang_rt")
# The engine of the images has libav in it (the preset lean); of what Debian's libav loads it needs these.
LIBAV = ("libavformat.", "libavcodec.", "libavutil.", "libswresample.", "libswscale.")
LIBAV_NEEDS = ("libdav1d.", "libz.", "libbz2.")
# What the linker leaves out of a release but not of an instrumented program.
INSTRUMENTED = {"libcurl4", "libmicrohttpd12"}

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="not a Debian")


def stage(target):
    return re.search(rf"^FROM \S+ AS {target}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S).group(1)


def installed(target):
    return re.search(r"--no-install-recommends (.*?)&&", stage(target)).group(1).split()


def copied(text):
    """Of a Dockerfile or a stage of it: what it copies out of this repository."""
    return {name for names in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M) for name in names.split()}


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
    """Packages of what it names itself in an image."""
    found = libraries(program)
    names = {name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", BIN / program)) if name in found}
    if program == "unreel-engine":
        names = {name for name in names if not name.startswith(LIBAV)} | {name for name in found if name.startswith(LIBAV_NEEDS)}
    return {package_of(found[name]) for name in names}


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
    assert not [name for name in listed if not name.startswith("lib") and name not in DATA]
    wanted = set().union(*map(direct, PROGRAMS[target])) - BASE | DATA
    is_instrumented = any(name in output("ldd", BIN / PROGRAMS[target][0]) for name in SANITIZERS)
    assert set(listed) <= wanted and wanted - set(listed) <= (INSTRUMENTED if is_instrumented else set())
    loaded = {package_of(path) for program in PROGRAMS[target] if program != "unreel-engine" for path in libraries(program).values()}
    assert loaded <= closure(set(listed) | wanted) | BASE


@pytest.mark.parametrize("target", PROGRAMS)
def test_programs_and_user(target):
    text = stage(target)
    programs = re.search(r"^COPY --from=build (.*) /usr/bin/$", text, re.M).group(1).split()
    assert programs == ([f"/out/usr/bin/{name}" for name in PROGRAMS[target]] if target != "all-in-one" else ["/out/usr/bin/"])
    assert ("COPY --from=lame /out/usr/lib/unreel/ /usr/lib/unreel/\n" in text) == ("unreel-engine" in PROGRAMS[target])
    assert "RUN ! ldd /usr/bin/unreel* | grep 'not found'\nUSER 10001:10001\n" in text
    assert text.count("USER ") == 1 and not copied(text)
    assert f'ENTRYPOINT ["/usr/bin/{PROGRAMS[target][0]}"' in text


@pytest.mark.parametrize("target", PROGRAMS)
def test_labels(target):
    """They come last, since each commit changes them, and with them all that follows."""
    before, arguments, labels = re.fullmatch(r"(.*?)((?:ARG \w+\n)+)LABEL (.*)\n+(?:#.*\n)*", stage(target), re.S).groups()
    assert "ARG " not in before
    found = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', labels))
    assert found.pop("title") == f"unreel/{target}" and found.pop("description").startswith("Unreel: ")
    assert found == {"version": "$VERSION", "revision": "$REVISION", "created": "$CREATED", "source": "$SOURCE",
                     "licenses": "MIT", "base.name": "debian:bookworm-slim"}
    assert arguments.split()[1::2] == ["VERSION", "REVISION", "CREATED", "SOURCE"]


def test_stages():
    """Only Debian comes from elsewhere; an image is its base, its packages and what it copies."""
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.M)
    assert len(froms) == DOCKERFILE.count("FROM debian") + len(re.findall("^FROM (?!debian)", DOCKERFILE, re.M))
    assert {name: source for source, name in froms} == {
        "tools": "debian:bookworm-slim", "lame": "tools", "libav": "tools", "build": "tools",
        "base": "debian:bookworm-slim", **{target: "base" for target in PROGRAMS}}


def test_the_version_is_the_projects():
    version = re.search(r"^project\(unreel VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
    assert re.search(r"^ARG VERSION=(.*)$", DOCKERFILE, re.M).group(1) == version
    assert '-DUNREEL_VERSION="$VERSION"' in stage("build")


def test_what_builds_is_what_the_scripts_install():
    script = (ROOT / "scripts" / "install-packages.sh").read_text()
    groups = {name: set(re.search(rf"^{name}=\((.*?)\)", script, re.M | re.S).group(1).split()) for name in ("build", "libav")}
    shared = {"libavformat-dev", "libavcodec-dev", "libavutil-dev", "libswresample-dev", "libswscale-dev"}
    assert shared < groups["build"]
    assert set(installed("tools")) == groups["build"] - shared | groups["libav"]


def test_what_takes_long_is_made_of_little():
    """A change of the sources builds neither LAME nor libav anew; a newer floor of libav's version does."""
    assert copied(stage("lame")) == {"scripts/lame.sh", "scripts/source-package.sh"}
    assert copied(stage("libav")) == {"scripts/libav.sh", "scripts/source-package.sh", "converter/engine/codecs.c"}
    assert stage("libav").index("ARG LIBAV_FLOOR=") < stage("libav").index("RUN scripts/libav.sh ")
    assert stage("build").index("ARG VERSION") > stage("build").index("COPY cli cli")


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    passed = [line[1:] for line in ignored[2:]]
    names = set().union(*map(copied, [DOCKERFILE, *STAND_INS.values()]))
    for name in names:
        assert (ROOT / name).exists(), name
        assert any(name == path or name.startswith(path + "/") for path in passed), name
    for path in passed:
        assert any(name == path or name.startswith(path + "/") for name in names), f"{path} is not copied by anything"


@pytest.mark.parametrize("name", ("mysql", "rabbitmq", "mongodb"))
def test_stand_ins_are_what_the_manifests_expect(name):
    text = STAND_INS[name]
    assert {source for source in re.findall(r"^FROM (\S+)", text, re.M)} == {"debian:bookworm-slim"}
    objects = support.manifests("overlays/minikube")
    pod = next(support.pod_of(found) for found in support.of_kind(objects, "StatefulSet") if support.name_of(found) == name)
    container = pod["containers"][0]
    assert re.findall(r"^USER (.*)$", text, re.M) == [f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"]
    exposed = {int(port) for port in re.search(r"^EXPOSE (.*)$", text, re.M).group(1).split()}
    assert {port["containerPort"] for port in container["ports"]} <= exposed
    data = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data")
    assert re.search(r"^VOLUME (.*)$", text, re.M).group(1) == data


def test_the_jars_are_those_that_the_tests_use():
    folder = ROOT / "k8s" / "overlays" / "local" / "images" / "mongodb"
    names = [line.split()[1] for line in (folder / "jars.sha256").read_text().splitlines()]
    pom = (ROOT / "tests" / "support" / "mongo" / "pom.xml").read_text()
    version = re.search(r"<artifactId>mongo-java-server-h2-backend</artifactId>\s*<version>(.*)</version>", pom).group(1)
    assert f"mongo-java-server-h2-backend-{version}.jar" in names
    assert fnmatch.filter(names, "h2-*.jar") and len(names) == len(set(names))

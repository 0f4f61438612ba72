"""What programs and images say their version is: what the build was told, else what git says, else the project's."""
import os
import shutil
import subprocess

import pytest
from support import BIN, ROOT, SERVICES, output

IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(folder, *words):
    return subprocess.run(["git", "-C", folder, *words], env={**os.environ, **IDENTITY}, check=True, capture_output=True,
                          text=True).stdout.strip()


def write(folder, given="", code=0):
    """The version that the script finds in `folder`."""
    out = folder / "version_text.c"
    run = subprocess.run(["cmake", f"-DSOURCE_DIR={folder}", "-DPROJECT_VERSION=0.1.0", f"-DGIVEN={given}", f"-DOUTPUT={out}",
                          "-P", ROOT / "cmake" / "version.cmake"], env={**os.environ, **IDENTITY}, check=False,
                         capture_output=True, text=True)
    assert (run.returncode != 0) == bool(code), run.stderr
    return run.stderr if code else out.read_text().split('return "')[1].split('"')[0]


def arguments(folder):
    """{name: value} of the --build-arg that scripts/images.sh gives a builder."""
    docker = folder / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    words = output("env", f"PATH={folder}:/usr/bin:/bin", "BUILDER=docker", "SOURCE_DATE_EPOCH=0", folder / "scripts" / "images.sh",
                   "auth").splitlines()
    return dict(value.split("=", 1) for before, value in zip(words, words[1:]) if before == "--build-arg")


def both(folder):
    """What a program and an image of `folder` say, which is the same."""
    found = write(folder)
    assert arguments(folder)["VERSION"] == found
    return found


def unpack(folder):
    """The two files that images.sh needs to begin."""
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "images.sh", folder / "scripts")
    (folder / "CMakeLists.txt").write_text("project(unreel VERSION 0.1.0 LANGUAGES C)\n")


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("version_text.c\ndocker\n")
    unpack(tmp_path)
    (tmp_path / "file").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_git_says_it(checkout):
    first = git(checkout, "rev-parse", "--short", "HEAD")
    assert both(checkout) == f"0.1.0-g{first}"
    (checkout / "file").write_text("2\n")
    assert both(checkout) == f"0.1.0-g{first}-dirty"
    git(checkout, "tag", "v0.2.0")
    git(checkout, "commit", "-qam", "two")
    second = git(checkout, "rev-parse", "--short", "HEAD")
    assert both(checkout) == f"0.2.0-1-g{second}"
    git(checkout, "tag", "other")
    git(checkout, "tag", "v0.3.0")
    assert both(checkout) == "0.3.0"


def test_what_is_given_wins(checkout):
    assert write(checkout, given="1.2.3-rc.1") == "1.2.3-rc.1"
    for bad in ('1" x', "-1", "x" * 64, "1+2"):
        assert "letters" in write(checkout, given=bad, code=1)


def test_without_git(checkout):
    tarball = checkout / "unpacked"
    unpack(tarball)
    assert both(tarball) == "0.1.0"
    assert arguments(tarball)["REVISION"] == "unknown" and arguments(checkout)["REVISION"] == git(checkout, "rev-parse", "HEAD")


def test_the_same_version_compiles_nothing(checkout):
    write(checkout)
    os.utime(checkout / "version_text.c", (1, 1))
    write(checkout)
    assert (checkout / "version_text.c").stat().st_mtime == 1


def test_all_programs_are_of_one_build():
    assert len({output(BIN / name, "--version").split()[1] for name in
                ["unreel"] + [f"unreel-{service}" for service in SERVICES]}) == 1

"""scripts/kustomize.sh with a `go` that does as it is told: what it says, how it exits, and when it builds."""
import os
import shutil
import subprocess

import pytest
from support import ROOT

GO = """#!/bin/sh
echo "go: $1"
[ "$1" != "$GO_FAILS" ] || exit 3
while [ $# -gt 0 ] && [ "$1" != -o ]; do shift; done
[ $# -eq 0 ] || { echo built >>"$BUILDS"; install -m 755 /dev/null "$2"; }
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "kustomize.sh", tmp_path / "scripts")
    shutil.copytree(ROOT / "tests" / "deploy" / "kustomize", tmp_path / "tests" / "deploy" / "kustomize")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").write_text(GO)
    (tmp_path / "bin" / "go").chmod(0o755)
    return tmp_path


def run(folder, fails=""):
    return subprocess.run([folder / "scripts" / "kustomize.sh"], check=False, capture_output=True, text=True, env={
        "PATH": f"{folder}/bin:/usr/bin:/bin", "UNREEL_TEST_KUBECTL": "/bin/false", "GO_FAILS": fails, "BUILDS": folder / "builds"})


@pytest.mark.parametrize(("fails", "status"), (("mod", 75), ("build", 3)))
def test_why_there_is_none(folder, fails, status):
    """75 where the modules cannot be had, which is no fault of ours; what does not compile is one."""
    done = run(folder, fails)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == f"kustomize.sh: kustomize cannot be built: go: {fails}\n"
    assert not (folder / "build" / "kustomize" / "kustomize").exists()


def test_it_is_built_again_for_other_modules(folder):
    program, modules = folder / "build" / "kustomize" / "kustomize", folder / "tests" / "deploy" / "kustomize" / "go.sum"
    os.utime(modules, (1, 1))
    for _ in range(2):
        done = run(folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{program} build\n", "")
    assert (folder / "builds").read_text().split() == ["built"]
    os.utime(modules, (2**31, 2**31))
    run(folder)
    assert (folder / "builds").read_text().split() == ["built"] * 2

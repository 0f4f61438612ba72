"""A LAME for newer processors: where it is installed the loader takes it by itself, and nothing else changes."""
import os
import re
import shutil
import subprocess

import pytest
from support import BIN, BUILD, ROOT, output

LEVEL = "x86-64-v3"
LIBRARY = f"lib/unreel/glibc-hwcaps/{LEVEL}/libmp3lame.so.0"
SCRIPT = ROOT / "scripts" / "lame.sh"
LOADER = "/lib64/ld-linux-x86-64.so.2"
NO_SOURCES = 75


def test_it_is_installed_where_the_engine_looks():
    assert re.search(r"\((?:RUNPATH|RPATH)\).*\[\$ORIGIN/\.\./lib/unreel\]", output("readelf", "-d", BIN / "unreel-engine"))
    assert re.search(r"^lame: .*\n\t@scripts/lame\.sh$", (ROOT / "Makefile").read_text(), re.M)
    rule = "install(DIRECTORY \"${PROJECT_SOURCE_DIR}/build/lame/lib/unreel\" DESTINATION lib OPTIONAL)"
    assert rule in (ROOT / "converter" / "engine" / "CMakeLists.txt").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "RUN scripts/lame.sh /out/usr " in dockerfile
    assert dockerfile.count("COPY --from=lame /out/usr/lib/unreel/ /usr/lib/unreel/\n") == 3


@pytest.fixture(scope="module")
def folder():
    """What `make lame` made, or else the same in this build's own folder, kept until the script changes."""
    if not shutil.which("dpkg") or output("dpkg", "--print-architecture").strip() != "amd64":
        pytest.skip("not Debian on amd64")
    made = ROOT / "build" / "lame"
    if not (made / LIBRARY).exists():
        made = BUILD / "lame"
    if not (made / LIBRARY).exists() or (made / LIBRARY).stat().st_mtime < SCRIPT.stat().st_mtime:
        run = subprocess.run([SCRIPT, made], capture_output=True, text=True, check=False)
        if run.returncode == NO_SOURCES:
            pytest.skip(f"LAME WAS NOT BUILT: {run.stderr.splitlines()[-1]}")
        assert run.returncode == 0, run.stderr
    return made


@pytest.fixture(scope="module")
def installed(folder, tmp_path_factory):
    """An installation that has it."""
    prefix = tmp_path_factory.mktemp("prefix")
    (prefix / "bin").mkdir()
    for program in ("unreel", "unreel-engine"):
        shutil.copy(BIN / program, prefix / "bin")
    shutil.copytree(folder / "lib", prefix / "lib")
    return prefix


def lame_of(program):
    return re.search(r"libmp3lame\.so\.0 => (\S+)", output(LOADER, "--list", program)).group(1)


def test_the_loader_takes_it_where_the_processor_can_run_it(installed):
    is_able = f"{LEVEL} (supported, searched)" in output(LOADER, "--help")
    taken = os.path.realpath(lame_of(installed / "bin" / "unreel-engine"))
    assert (taken == str((installed / LIBRARY).resolve())) == is_able
    assert not lame_of(BIN / "unreel-engine").startswith(str(BUILD))


def test_the_program_is_the_same_library(folder):
    """Every function that is called is there under the same name, and it loads nothing that libc6 does not have."""
    system = lame_of(BIN / "unreel-engine")

    def exported(path):
        return {line.split()[-1] for line in output("nm", "-D", "--defined-only", path).splitlines()}

    assert exported(folder / LIBRARY) >= {name for name in exported(system) if name.startswith("lame_")}
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", folder / LIBRARY)))
    assert needed <= {"libc.so.6", "libm.so.6", "libmvec.so.1"}


@pytest.mark.parametrize("mode", (["--bitrate", "192"], ["--mode", "vbr", "--quality", "2"]))
@pytest.mark.parametrize("rate", (44100, 48000))
def test_the_mp3_is_as_long_as_what_came_in(installed, tmp_path, rate, mode):
    """To the sample, over several joints, by as many threads as one likes."""
    samples = 20 * rate + 321
    source = tmp_path / "in.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i",
                    f"aevalsrc=0.3*sin(440*2*PI*t*(1+t/40))+0.02*random(0)|0.3*sin(660*2*PI*t):s={rate}",
                    "-af", f"atrim=end_sample={samples}", source], check=True)
    made = []
    for threads in ("1", "2"):
        target = tmp_path / f"{threads}.mp3"
        output(installed / "bin" / "unreel", "convert", *mode, "--threads", threads, source, target)
        made.append(target.read_bytes())
    assert made[0] == made[1]
    pcm = subprocess.run(["ffmpeg", "-v", "error", "-i", target, "-f", "s16le", "-"], check=True, capture_output=True).stdout
    assert len(pcm) == samples * 4

"""The static libav of `make libav`: what it is built from, and that it makes the same MP3s where it was built."""
import json
import re
import subprocess

import pytest
from support import BIN, ROOT, output

LEAN = ROOT / "build" / "lean" / "bin" / "unreel-engine"
SCRIPT = (ROOT / "scripts" / "libav.sh").read_text()
# Of the system's libraries, each by its soname's beginning.
MAY_LOAD = ("linux-vdso", "libz.", "libbz2.", "libm.", "libmp3lame.", "libseccomp.", "libebur128.", "libdav1d.",
            "libc.", "libmvec.", "libatomic.", "libgcc_s.", "/lib64/ld-linux")


def test_the_ways_to_it():
    assert re.search(r"^libav: .*\n\t@scripts/libav\.sh$", (ROOT / "Makefile").read_text(), re.M)
    presets = {preset["name"]: preset for preset in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    assert presets["lean"]["inherits"] == "release"
    assert presets["lean"]["cacheVariables"]["UNREEL_LIBAV_PREFIX"].endswith("/build/libav")
    assert "preset=lean" in (ROOT / "scripts" / "install.sh").read_text()


@pytest.mark.parametrize("function", ("codecs_formats", "codecs_decoders", "codecs_video_decoders"))
def test_the_lists_are_those_of_the_engine(function):
    """The script reads the C file: all of a list's names, and nothing else."""
    reader = re.search(r"^names\(\) \{.*?^\}$", SCRIPT, re.M | re.S).group(0)
    codecs = ROOT / "converter" / "engine" / "codecs.c"
    found = output("bash", "-c", f'codecs="$2"; {reader}\nnames "$1"', "names", function, codecs)
    body = re.search(rf"^const char \*{function}\(void\)\n{{(.*?)^}}", codecs.read_text(), re.M | re.S).group(1)
    assert found == "".join(re.findall(r'"([^"]*)"', body))
    assert re.fullmatch(r"[a-z0-9_]+(,[a-z0-9_]+)+", found)


@pytest.mark.skipif(not LEAN.exists(), reason="there is no build/lean: make libav, then scripts/build.sh lean unreel unreel-engine")
def test_it_loads_little_and_makes_the_same(tmp_path):
    loaded = [line.split()[0] for line in output("ldd", LEAN).splitlines()]
    assert [name for name in loaded if not name.startswith(MAY_LOAD)] == []
    source = tmp_path / "in.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "aevalsrc=0.3*sin(440*2*PI*t*(1+t/40))+0.02*random(0):s=48000:d=12",
                    "-c:a", "aac", source], check=True)
    made = []
    for folder in (LEAN.parent, BIN):
        target = tmp_path / f"{len(made)}.mp3"
        output(folder / "unreel", "convert", "--bitrate", "128", source, target)
        made.append(target.read_bytes())
    assert made[0] == made[1]

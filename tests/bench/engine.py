"""The engine against the ffmpeg command that people use today."""
import os
import shutil
import statistics

import measure
import inputs
from measure import BINARIES, BUILD, ROUNDS, WORK, report, timed

THREADS = 2
CHUNK_BYTES = 261120  # of GridFS

CBR192 = ("-b:a", "192k"), ("--bitrate", 192)
V2 = ("-q:a", 2), ("--quality", 2)
# ffmpeg's last -c:a is the one that counts; ours copies what is MP3 already unless told otherwise.
COPY = ("-c:a", "copy"), ()


def ffmpeg(source, target, options):
    return timed("ffmpeg", "-v", "error", "-y", "-i", source, "-vn", "-c:a", "libmp3lame", *options[0], target)


def ours(source, target, options, binaries=BINARIES):
    return timed(binaries / "unreel", "convert", *options[1], "--threads", THREADS, source, target)


def ratios(source, rounds, options=CBR192, binaries=BINARIES):
    """Wall and CPU ratios, one of each per round; the two commands take turns at being first."""
    wall, cpu = [], []
    for turn in range(rounds):
        commands = {"ffmpeg": lambda: ffmpeg(source, WORK / "out.mp3", options),
                    "ours": lambda: ours(source, WORK / "out.mp3", options, binaries)}
        pair = {name: commands[name]() for name in sorted(commands, reverse=turn % 2 == 1)}
        wall.append(pair["ours"][0] / pair["ffmpeg"][0])
        cpu.append(pair["ours"][1] / pair["ffmpeg"][1])
    return wall, cpu


def with_hwcaps(source):
    """With the LAME of `make lame`, in a folder as `make install` makes it."""
    lame = BUILD / "lame" / "lib"
    if not (lame / "unreel" / "glibc-hwcaps").is_dir():
        print("engine.cbr192.20min.wall.hwcaps: not measured, there is no build/lame", flush=True)
        return
    prefix = WORK / "hwcaps"
    (prefix / "bin").mkdir(parents=True)
    for program in ("unreel", "unreel-engine"):
        shutil.copy(BINARIES / program, prefix / "bin")
    shutil.copytree(lame, prefix / "lib")
    report("engine.cbr192.20min.wall.hwcaps", ratios(source, ROUNDS, binaries=prefix / "bin")[0], "ratio")


def fetched(source):
    """The share of the file's chunks that one conversion asks the store for; what is asked for twice counts twice."""
    log = WORK / "preads"
    with log.open("w") as file:
        measure.command("env", f"LD_PRELOAD={BUILD / 'preads.so'}", f"UNREEL_BENCH_PREADS={file.fileno()}",
                        BINARIES / "unreel", "convert", source, WORK / "out.mp3", pass_fds=[file.fileno()],
                        stdout=measure.subprocess.DEVNULL, stderr=measure.subprocess.DEVNULL)
    reads = [map(int, line.split()) for line in log.read_text().splitlines()]
    chunks = sum((offset + length - 1) // CHUNK_BYTES - offset // CHUNK_BYTES + 1 for offset, length in reads)
    return chunks / -(-source.stat().st_size // CHUNK_BYTES)


def memory(long):
    """The most that the engine ever had, by the length of the sound."""
    lengths = [("10 s", inputs.sound(10), 5), ("20 min", long, 5)]
    if os.environ.get("UNREEL_BENCH_10H"):
        lengths.append(("10 h", inputs.sound(36000), 1))
    peaks = []
    for name, source, rounds in lengths:
        own = []
        for _ in range(rounds):
            with measure.PeakMemory(lambda: measure.process_named("unreel-engine"), "VmHWM") as memory_of:
                ours(source, WORK / "out.mp3", CBR192)
            own.append(memory_of.peak)
        print(f"  {name:>7} of sound: {statistics.median(own):6.1f} MiB resident", flush=True)
        peaks = own if statistics.median(own) > statistics.median(peaks or [0]) else peaks
    report("engine.rss", peaks, "MiB")


def run():
    long = inputs.film(1200, 900)
    for name, source, rounds in (("10s", inputs.sound(10), 3 * ROUNDS), ("60s", inputs.sound(60), 2 * ROUNDS)):
        wall, _ = ratios(source, rounds)
        report(f"engine.cbr192.{name}.wall", wall, "ratio")
    wall, cpu = ratios(long, ROUNDS)
    report("engine.cbr192.20min.wall", wall, "ratio")
    report("engine.cbr192.20min.cpu", cpu, "ratio")
    report("engine.v2.20min.wall", ratios(long, ROUNDS, V2)[0], "ratio")
    with_hwcaps(long)
    report("engine.copy.wall", ratios(inputs.mp3_film(1200, 900), 4 * ROUNDS, COPY)[0], "ratio")
    report("engine.fetch.camera", [fetched(inputs.camera(60)) for _ in range(ROUNDS)], "share")
    memory(long)

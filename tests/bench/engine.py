"""The engine against the ffmpeg command that people use today."""
import measure
import inputs
from measure import BINARIES, ROUNDS, WORK, report, timed

THREADS = 2


CBR192 = ("-b:a", "192k"), ("--bitrate", 192)
V2 = ("-q:a", 2), ("--quality", 2)


def ffmpeg(source, target, options):
    return timed("ffmpeg", "-v", "error", "-y", "-i", source, "-vn", "-c:a", "libmp3lame", *options[0], target)


def ours(source, target, options):
    return timed(BINARIES / "unreel", "convert", *options[1], "--threads", THREADS, source, target)


def ratios(source, rounds, options=CBR192):
    """Wall and CPU ratios, one of each per round; the two commands take turns at being first."""
    wall, cpu = [], []
    for turn in range(rounds):
        pair = {}
        for command in (ffmpeg, ours) if turn % 2 == 0 else (ours, ffmpeg):
            pair[command] = command(source, WORK / "out.mp3", options)
        wall.append(pair[ours][0] / pair[ffmpeg][0])
        cpu.append(pair[ours][1] / pair[ffmpeg][1])
    return wall, cpu


def run():
    long = inputs.film(1200, 900)
    for name, source, rounds in (("10s", inputs.sound(10), 3 * ROUNDS), ("60s", inputs.sound(60), 2 * ROUNDS)):
        wall, _ = ratios(source, rounds)
        report(f"engine.cbr192.{name}.wall", wall, "ratio")
    wall, cpu = ratios(long, ROUNDS)
    report("engine.cbr192.20min.wall", wall, "ratio")
    report("engine.cbr192.20min.cpu", cpu, "ratio")
    report("engine.v2.20min.wall", ratios(long, ROUNDS, V2)[0], "ratio")
    peaks = []
    for source in (inputs.sound(60), long, inputs.sound(300), long, inputs.sound(60)):
        with measure.PeakMemory(lambda: measure.process_named("unreel-engine")) as memory:
            ours(source, WORK / "out.mp3", CBR192)
        peaks.append(memory.peak)
    report("engine.rss", peaks, "MiB")

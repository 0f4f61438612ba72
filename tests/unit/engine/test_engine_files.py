"""engine_run on real and on hostile files, through the program engine_file.

ctest says where ENGINE_FILE, ENGINE and PLAIN_ENGINE are. ENGINE is the child as the build made
it; PLAIN_ENGINE is the same without sanitizers, in the sandbox's real list of calls.
"""
import json
import os
import random
import re
import struct
import subprocess

import pytest

ENGINE_FILE, ENGINE, PLAIN = (os.environ.get(name, "") for name in
                              ("ENGINE_FILE", "ENGINE", "PLAIN_ENGINE"))
TONE = "0.3*sin(2*PI*t*(300+50*sin(t)))+0.02*random(0)|0.3*sin(2*PI*t*331)+0.02*random(1)"
VIDEO = ["-f", "lavfi", "-i", "testsrc=s=160x120:r=25"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast"]


def sound(rate=48000, channels=2, seconds=3.0):
    tone = {1: TONE.split("|")[0], 2: TONE}.get(channels)
    if tone is None:
        tone = "|".join(f"0.2*sin(2*PI*t*{200 + 90 * i})" for i in range(channels))
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    return ["-f", "lavfi", "-i", f"aevalsrc={tone}:s={rate}:d={seconds}:c={layout}"]


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, args)], check=True,
                   timeout=60)


def convert(source, target, *options, engine=None):
    """One run; what engine_file printed."""
    run = subprocess.run([ENGINE_FILE, engine or PLAIN, str(source), str(target), *options],
                         capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def samples(path, rate=None):
    """How many samples per channel ffmpeg decodes."""
    extra = ["-ar", str(rate)] if rate else []
    pcm = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-vn", *extra,
                          "-ac", "1", "-f", "s16le", "-"], capture_output=True, check=True,
                         timeout=60)
    return len(pcm.stdout) // 2


def mpg123_samples(path, channels):
    """The same by another decoder."""
    pcm = subprocess.run(["mpg123", "-q", "--gapless", "-e", "s16", "-s", str(path)],
                         capture_output=True, check=True, timeout=60)
    assert not pcm.stderr, pcm.stderr
    return len(pcm.stdout) // 2 // channels


def probe(path):
    run = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format",
                          str(path)], capture_output=True, text=True, check=True, timeout=60)
    assert run.stderr == ""
    return json.loads(run.stdout)


def check_mp3(path):
    """No complaint of mp3val's but that there is no ID3 tag, or that the file is short."""
    run = subprocess.run(["mp3val", str(path)], capture_output=True, text=True, check=False,
                         timeout=60)
    warnings = [line for line in run.stdout.splitlines()
                if line.startswith(("WARNING", "ERROR")) and
                not re.search("No supported tags|Too few MPEG frames", line)]
    assert not warnings, warnings


# name, ffmpeg's arguments, suffix, expected rate, expected channels
CLIPS = [
    ("aac48", [*VIDEO, *sound(), "-t", 3, *X264, "-c:a", "aac"], "mp4", 48000, 2),
    ("aac441", [*VIDEO, *sound(44100), "-t", 3, *X264, "-c:a", "aac", "-movflags", "faststart"],
     "mp4", 44100, 2),
    ("mono", [*VIDEO, *sound(48000, 1), "-t", 3, *X264, "-c:a", "aac"], "mp4", 48000, 1),
    ("surround", [*VIDEO, *sound(48000, 6), "-t", 3, *X264, "-c:a", "aac"], "mp4", 48000, 2),
    ("ac3", [*VIDEO, *sound(48000, 6), "-t", 3, *X264, "-c:a", "ac3"], "mkv", 48000, 2),
    ("opus", [*VIDEO, *sound(), "-t", 3, *X264, "-c:a", "libopus"], "mkv", 48000, 2),
    ("webm", [*VIDEO, *sound(), "-t", 3, "-c:v", "libvpx", "-deadline", "realtime", "-c:a",
              "libvorbis"], "webm", 48000, 2),
    ("mp3", [*sound(44100), "-c:a", "libmp3lame"], "mp3", 44100, 2),
    ("avi", [*VIDEO, *sound(44100), "-t", 3, "-c:v", "mpeg4", "-c:a", "libmp3lame"], "avi", 44100,
     2),
    ("fragmented", [*VIDEO, *sound(), "-t", 3, *X264, "-c:a", "aac", "-movflags",
                    "frag_keyframe+empty_moov", "-g", 25], "mp4", 48000, 2),
    ("ts", [*VIDEO, *sound(), "-t", 3, *X264, "-c:a", "aac"], "ts", 48000, 2),
    ("flv", [*VIDEO, *sound(44100), "-t", 3, *X264, "-c:a", "aac"], "flv", 44100, 2),
    ("wav8k", [*sound(8000, 1)], "wav", 8000, 1),
    ("flac96", [*sound(96000), "-sample_fmt", "s32"], "flac", 48000, 2),
    ("short", [*sound(48000, 2, 0.05)], "wav", 48000, 2),
    ("odd", [*sound(44100, 2, 1.2345)], "ogg", 44100, 2),
    ("late", ["-itsoffset", "1.5", *sound(), *VIDEO, "-map", "0:a", "-map", "1:v", "-t", 3, *X264,
              "-c:a", "aac"], "mp4", 48000, 2),
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


def make(folder, name):
    """The clip's path; made at its first use."""
    args, suffix = next((args, suffix) for n, args, suffix, _, _ in CLIPS if n == name)
    path = folder / f"{name}.{suffix}"
    if not path.exists():
        ffmpeg(*args, path)
    return path


@pytest.mark.parametrize("name,rate,channels", [(c[0], c[3], c[4]) for c in CLIPS])
def test_converts_to_the_sample(folder, name, rate, channels):
    source = make(folder, name)
    target = folder / f"{name}.out.mp3"
    result = convert(source, target)
    assert result["result"] == "ok", result
    assert (result["sample_rate_hz"], result["channels"]) == (rate, channels)
    assert result["size_bytes"] == os.path.getsize(target)
    stream = probe(target)["streams"][0]
    assert (stream["codec_name"], int(stream["sample_rate"]), stream["channels"]) == \
        ("mp3", rate, channels)
    expected = samples(source, rate if name == "flac96" else None)
    slack = 1 if name == "flac96" else 0
    assert abs(samples(target) - expected) <= slack
    assert abs(mpg123_samples(target, channels) - expected) <= slack
    assert abs(result["duration_s"] * rate - expected) <= 1 + slack
    check_mp3(target)


@pytest.mark.parametrize("name", ["aac48", "opus", "ts", "wav8k"])
def test_as_the_build_made_it(folder, name):
    """The sanitized child gives the same bytes."""
    source = make(folder, name)
    plain, built = folder / "plain.mp3", folder / "built.mp3"
    assert convert(source, plain)["result"] == "ok"
    assert convert(source, built, engine=ENGINE)["result"] == "ok"
    assert plain.read_bytes() == built.read_bytes()


def test_the_same_as_ffmpeg(folder):
    """The plainest case is what the well-known command makes of it, frame by frame; at a bitrate at which LAME leaves the
    level as it is."""
    source = make(folder, "aac48")
    ours, theirs = folder / "ours.mp3", folder / "theirs.mp3"
    convert(source, ours, "mode=cbr", "bitrate=320")
    ffmpeg("-i", source, "-vn", "-c:a", "libmp3lame", "-b:a", "320k", "-id3v2_version", 0,
           "-write_id3v1", 0, theirs)
    frame = 960
    assert ours.read_bytes()[frame:] == theirs.read_bytes()[frame:]


@pytest.mark.parametrize("options,check", [
    (["bitrate=128"], lambda r, s: int(s["bit_rate"]) == 128000 and r["bitrate_kbps"] == 128),
    (["bitrate=320", "channels=1"], lambda r, s: s["channels"] == 1),
    (["sample_rate=44100"], lambda r, s: s["sample_rate"] == "44100"),
    (["sample_rate=22050", "bitrate=64", "channels=1"],
     lambda r, s: s["sample_rate"] == "22050" and int(s["bit_rate"]) == 64000),
    (["mode=vbr", "quality=2"], lambda r, s: r["mode"] == "vbr" and 60 < r["bitrate_kbps"] < 320),
    (["mode=abr", "bitrate=120"], lambda r, s: 100 < r["bitrate_kbps"] < 140),
])
def test_options(folder, options, check):
    source, target = make(folder, "aac48"), folder / "options.mp3"
    result = convert(source, target, *options)
    assert result["result"] == "ok", result
    stream = probe(target)["streams"][0]
    assert check(result, stream), (result, stream)
    rate = int(stream["sample_rate"])
    expected = samples(source, rate)
    slack = 0 if rate == 48000 else 1
    assert abs(samples(target) - expected) <= slack
    assert abs(mpg123_samples(target, stream["channels"]) - expected) <= slack
    check_mp3(target)


def test_vbr_tag_is_a_table_to_seek_by(folder):
    target = folder / "vbr.mp3"
    source = folder / "long.wav"
    ffmpeg(*sound(44100, 2, 20), source)
    assert convert(source, target, "mode=vbr", "quality=4")["result"] == "ok"
    head = target.read_bytes()[:600]
    at = head.index(b"Xing")
    flags, frames, size = struct.unpack(">III", head[at + 4:at + 16])
    assert flags & 7 == 7
    assert size == os.path.getsize(target)
    assert frames == -(-(20 * 44100 + 576) // 1152) or frames == 20 * 44100 // 1152 + 2
    toc = head[at + 16:at + 116]
    assert list(toc) == sorted(toc) and toc[99] > 200


def test_progress_and_input(folder):
    source = folder / "long.mp4"
    ffmpeg(*VIDEO, *sound(48000, 2, 60), "-t", 60, *X264, "-c:a", "aac", source)
    result = convert(source, folder / "long.mp3")
    assert result["container"].startswith("mov,mp4") and result["tracks"] == 1
    assert abs(result["input_duration_s"] - 60) < 0.1
    assert result["progress_calls"] >= 2 and 0 < result["media_time_s"] <= 60.1
    assert result["peak_rss_bytes"] < 70 << 20
    # Nothing is read twice.
    assert result["read_bytes"] <= os.path.getsize(source) + 2 * 261120


def test_default_track_is_taken(folder):
    source = folder / "two.mkv"
    ffmpeg(*VIDEO, *sound(48000, 1), *sound(44100, 2), "-t", 2, "-map", "0:v", "-map", "1:a",
           "-map", "2:a", "-disposition:a:0", 0, "-disposition:a:1", "default", *X264, "-c:a",
           "aac", source)
    result = convert(source, folder / "two.mp3")
    assert (result["tracks"], result["sample_rate_hz"], result["channels"]) == (2, 44100, 2)


def test_size_not_known(folder):
    source = make(folder, "opus")
    assert convert(source, folder / "unknown.mp3", "unknown_size=1")["result"] == "ok"


def test_large_video_is_not_read_where_the_container_allows(folder):
    """Camera-style: sound in blocks of a second, between blocks of video of megabytes."""
    source = folder / "camera.mp4"
    camera_mp4(source, seconds=20, video_bytes_per_s=2 << 20, sound_clip=make(folder, "aac48"))
    result = convert(source, folder / "camera.mp3")
    assert result["result"] == "ok", result
    # What has sound in it, the two ends, and nothing ahead of a block that lies in two chunks.
    assert result["reads"] <= 20 + 2 + 2, result


def boxes(data):
    """name, start of its content, end."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        yield name, at + 8, at + size
        at += size


def find_box(data, *path):
    for name, start, end in boxes(data):
        if name == path[0]:
            return data[start:end] if len(path) == 1 else find_box(data[start:end], *path[1:])
    raise KeyError(path)


def box(name, *parts):
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, name) + content


def camera_mp4(path, seconds, video_bytes_per_s, sound_clip):
    """An MP4 with one sound track of AAC whose chunks lie a second apart, video bytes between."""
    m4a = sound_clip.with_suffix(".m4a")
    ffmpeg("-i", sound_clip, "-vn", "-c", "copy", "-t", 2, m4a)
    data = m4a.read_bytes()
    moov = find_box(data, b"moov")
    trak = find_box(moov, b"trak")
    stbl = find_box(trak, b"mdia", b"minf", b"stbl")
    sizes = [s for (s,) in struct.iter_unpack(">I", find_box(stbl, b"stsz")[12:])]
    offset = struct.unpack(">I", find_box(stbl, b"stco")[8:12])[0]
    packets = []
    for size in sizes[:47]:
        packets.append(data[offset:offset + size])
        offset += size
    offsets, mdat = [], bytearray()
    base = len(box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")) + 8
    for _ in range(seconds):
        mdat += b"\0" * video_bytes_per_s
        offsets.append(base + len(mdat))
        mdat += b"".join(packets)
    count = seconds * len(packets)
    all_sizes = [len(p) for p in packets] * seconds
    table = box(
        b"stbl", box(b"stsd", find_box(stbl, b"stsd")),
        box(b"stts", struct.pack(">IIII", 0, 1, count, 1024)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, len(packets), 1)),
        box(b"stsz", struct.pack(">III", 0, 0, count), struct.pack(f">{count}I", *all_sizes)),
        box(b"stco", struct.pack(">II", 0, seconds), struct.pack(f">{seconds}I", *offsets)))
    minf = find_box(trak, b"mdia", b"minf")
    mdhd = struct.pack(">IIIIIHH", 0, 0, 0, 48000, count * 1024, 0x55c4, 0)
    new_trak = box(b"trak", box(b"tkhd", find_box(trak, b"tkhd")), box(
        b"mdia", box(b"mdhd", mdhd), box(b"hdlr", find_box(trak, b"mdia", b"hdlr")),
        box(b"minf", box(b"smhd", find_box(minf, b"smhd")), box(b"dinf", find_box(minf, b"dinf")),
            table)))
    path.write_bytes(box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + box(b"mdat", bytes(mdat)) + box(
        b"moov", box(b"mvhd", find_box(moov, b"mvhd")), new_trak))


# --- bad and hostile input -----------------------------------------------------------------------

def gab2_avi():
    """An AVI whose subtitle is an HLS playlist (CVE-2017-9993's family)."""
    playlist = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    sub = b"GAB2\0\2\0\0\0\0\0\4\0" + struct.pack("<I", len(playlist)) + playlist

    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)
    strh = struct.pack("<4s4sIHHIIIIIIIIhhhh", b"txts", b"\0\0\0\0", 0, 0, 0, 0, 1, 25, 0, 100, 0,
                       0, 0, 0, 0, 0, 0)
    avih = struct.pack("<14I", 40000, 0, 0, 0, 100, 0, 1, 0, 64, 64, 0, 0, 0, 0)
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", b""))
    hdrl = chunk(b"LIST", b"hdrl" + chunk(b"avih", avih) + strl)
    movi = chunk(b"LIST", b"movi" + chunk(b"00tx", sub))
    return chunk(b"RIFF", b"AVI " + hdrl + movi)


FORMAT, NO_AUDIO, CORRUPT = "unsupported-format", "no-audio-stream", "corrupt-input"
NASTY = [
    ("empty", b"", FORMAT),
    ("text", b"This is no video.\n" * 1000, FORMAT),
    ("hls", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
     FORMAT),
    ("hls_http", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n", FORMAT),
    ("hls_subfile", b"#EXTM3U\n#EXTINF:1,\nsubfile,,start,0,end,99,,:/etc/passwd\n#EXT-X-ENDLIST\n", FORMAT),
    ("hls_data", b"#EXTM3U\n#EXTINF:1,\ndata:audio/mpeg;base64,//uQxAAA\n#EXT-X-ENDLIST\n", FORMAT),
    ("hls_key", b"#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/passwd\"\n#EXTINF:1,\nx.ts\n", FORMAT),
    ("concat", b"ffconcat version 1.0\nfile /etc/passwd\n", FORMAT),
    ("concat_url", b"concat:/etc/passwd|/etc/hosts\n", FORMAT),
    ("subfile", b"subfile,,start,0,end,99,,:/etc/passwd\n", FORMAT),
    ("data", b"data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEA\n", FORMAT),
    ("crypto", b"crypto+file:///etc/passwd\n", FORMAT),
    ("monkey", b"MAC \x96\x0f\0\0\x34\0\0\0\x18\0\0\0" + b"\0" * 500, FORMAT),
    ("sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
     b"m=audio 9 RTP/AVP 0\n", FORMAT),
    ("dash", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', FORMAT),
    ("noise", random.Random(1).randbytes(300000), FORMAT),
    ("zeros", b"\0" * 300000, FORMAT),
    ("avi_hls", gab2_avi(), NO_AUDIO),
]


def expect(result, *problems):
    assert result["problem"] in [f"urn:unreel:problem:{p}" for p in problems], result
    assert result["detail"] and result["kill"] in ("", "output")


@pytest.mark.parametrize("name,content,problem", NASTY, ids=[n[0] for n in NASTY])
def test_nasty_file(folder, name, content, problem):
    source = folder / f"nasty_{name}.mp4"
    source.write_bytes(content)
    result = convert(source, folder / "nasty.mp3")
    expect(result, problem)
    assert result["result"] == ("corrupt" if problem == CORRUPT else "invalid")
    expect(convert(source, folder / "nasty.mp3", engine=ENGINE), problem)


def test_no_sound(folder):
    source = folder / "silent.mp4"
    ffmpeg(*VIDEO, "-t", 1, *X264, source)
    result = convert(source, folder / "silent.mp3")
    expect(result, NO_AUDIO)
    assert result["detail"] == "The video has no sound."


def test_encrypted(folder):
    source = folder / "encrypted.mp4"
    ffmpeg("-i", make(folder, "aac48"), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr",
           "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid",
           "a7e61c373e219033c21091fa607bf3b8", source)
    expect(convert(source, folder / "encrypted.mp3"), "encrypted-input")


def test_unknown_codec(folder):
    data = make(folder, "aac48").read_bytes()
    source = folder / "codec.mp4"
    source.write_bytes(data.replace(b"mp4a", b"zzzz").replace(b"esds", b"free"))
    expect(convert(source, folder / "codec.mp3"), "unsupported-codec")


@pytest.mark.parametrize("name,keep", [
    ("aac48", 0.0005), ("aac48", 0.3), ("aac48", 0.9), ("aac441", 0.1), ("aac441", 0.5),
    ("aac441", 0.9), ("opus", 0.5), ("flac96", 0.6)])
def test_cut_off(folder, name, keep):
    """The moov atom last (aac48) and first (aac441), and other containers."""
    data = make(folder, name).read_bytes()
    source = folder / "cut.bin"
    source.write_bytes(data[:int(len(data) * keep)])
    result = convert(source, folder / "cut.mp3")
    expect(result, CORRUPT, FORMAT)
    if keep >= 0.1:
        expect(result, CORRUPT)


def test_nearly_whole(folder):
    """97 % of what was promised is converted."""
    data = make(folder, "aac441").read_bytes()
    source = folder / "nearly.mp4"
    source.write_bytes(data[:-int(len(data) * 0.02)])
    assert convert(source, folder / "nearly.mp3")["result"] == "ok"


def test_empty_track(folder):
    source = folder / "empty_track.mp4"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=d=0.001", "-af", "atrim=end=0", "-c:a", "aac", source)
    expect(convert(source, folder / "empty_track.mp3"), NO_AUDIO, CORRUPT)


def test_many_tracks(folder):
    source = folder / "many.mkv"
    tracks = [arg for _ in range(100) for arg in ("-map", "0:a")]
    ffmpeg(*sound(8000, 1, 0.2), *tracks, "-c:a", "pcm_s16le", source)
    expect(convert(source, folder / "many.mp3"), "resource-limit")


def test_long_silence(folder):
    source = folder / "silence.flac"
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=600", source)
    result = convert(source, folder / "silence.mp3", "max_duration_s=60")
    expect(result, "duration-exceeded")
    result = convert(source, folder / "silence.mp3", "max_output_bytes=100000")
    expect(result, "resource-limit")
    assert os.path.getsize(folder / "silence.mp3") <= 100000


def test_little_memory(folder):
    """Refused for good: the next attempt would need as much."""
    for mebibytes in range(90, 215, 15):
        result = convert(make(folder, "aac48"), folder / "memory.mp3", f"memory_bytes={mebibytes << 20}")
        if result["result"] != "ok":
            assert result["problem"] == "urn:unreel:problem:resource-limit", (mebibytes, result)
            assert result["detail"] == "The conversion needs too much memory.", result
    assert result["result"] == "ok", result


@pytest.mark.parametrize("name,form,problem", [
    ("nan", "nan", None), ("infinite", "inf", None), ("huge", "1e30", None)])
def test_wild_floats(folder, name, form, problem):
    source = folder / f"{name}.wav"
    pcm = struct.pack("<f", float(form)) * 48000 + struct.pack("<f", 0.1) * 48000
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 3, 1,
                       48000, 192000, 4, 32, b"data", len(pcm))
    source.write_bytes(head + pcm)
    target = folder / f"{name}.mp3"
    result = convert(source, target)
    assert result["result"] == "ok" and problem is None, result
    assert samples(target) == 96000


@pytest.mark.parametrize("rate,channels", [(768000, 1), (4000, 1), (48000, 255)])
def test_absurd_wav(folder, rate, channels):
    source = folder / "absurd.wav"
    pcm = b"\1\0" * channels * 20000
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1,
                       channels, rate, rate * channels * 2, channels * 2, 16, b"data", len(pcm))
    source.write_bytes(head + pcm)
    expect(convert(source, folder / "absurd.mp3"), "unsupported-codec", CORRUPT)


def test_sandbox_check():
    run = subprocess.run([PLAIN, "--sandbox-check"], capture_output=True, text=True, check=True,
                         timeout=20)
    answer = json.loads(run.stdout)
    assert answer["seccomp"] is True and isinstance(answer["landlock_abi"], int)


"""Containers written byte by byte, for files that no muxer would make."""
import struct


def element(name, *parts):
    """One of Matroska's; its name in hexadecimal."""
    content = b"".join(parts)
    return bytes.fromhex(name) + b"\x01" + len(content).to_bytes(7, "big") + content


def number(name, value):
    return element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def floating(name, value):
    return element(name, struct.pack(">d", value))


def matroska(blocks, *, codec=b"A_PCM/INT/LIT", rate=8000, channels=1, private=b"", duration_ms=0, tracks=1):
    """(milliseconds, bytes) are the packets of the first track; each in a cluster of its own."""
    head = element("1A45DFA3", number("4286", 1), number("42F7", 1), number("42F2", 4), number("42F3", 8), element("4282", b"matroska"),
                   number("4287", 4), number("4285", 2))
    info = element("1549A966", number("2AD7B1", 1000000), floating("4489", duration_ms) if duration_ms else b"")
    audio = element("E1", floating("B5", rate), number("9F", channels), number("6264", 16))
    entries = [element("AE", number("D7", n), number("73C5", n), number("83", 2), element("86", codec),
                       element("63A2", private) if private else b"", audio) for n in range(1, tracks + 1)]
    clusters = (element("1F43B675", number("E7", ms), element("A3", b"\x81\0\0\x80" + data)) for ms, data in blocks)
    return head + element("18538067", info, element("1654AE6B", *entries), *clusters)


def chunk(name, content):
    """One of RIFF's."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def avi(packets, *, streams=1):
    """16-bit PCM at 8 kHz, in the first stream."""
    strh = struct.pack("<4s4sIHHIIIIIIIIhhhh", b"auds", b"\0\0\0\0", 0, 0, 0, 0, 1, 16000, 0, sum(map(len, packets)), 0, 0, 2, 0, 0, 0, 0)
    strf = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    avih = struct.pack("<14I", 40000, 0, 0, 0, 100, 0, streams, 0, 64, 64, 0, 0, 0, 0)
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf))
    return chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"hdrl" + chunk(b"avih", avih) + strl * streams) +
                 chunk(b"LIST", b"movi" + b"".join(chunk(b"00wb", packet) for packet in packets)))


def crc(data, start):
    """The one that Ogg (from 0) and MPEG (from all ones) share."""
    value = start
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04c11db7 if value & 0x80000000 else value << 1) & 0xffffffff
    return value


def ogg_page(serial, sequence, flags, position, packet):
    """A page with one packet of less than 255 bytes."""
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qII", position, serial, sequence)
    tail = bytes([1, len(packet)]) + packet
    return head + struct.pack("<I", crc(head + b"\0\0\0\0" + tail, 0)) + tail


def ts_table(pid, table, number_of_it, body, counter=0):
    """A transport stream's packet with one table."""
    content = struct.pack(">BHHBBB", table, 0xb000 | (len(body) + 9), number_of_it, 0xc1, 0, 0) + body
    content += struct.pack(">I", crc(content, 0xffffffff))
    return (struct.pack(">BHB", 0x47, 0x4000 | pid, 0x10 | counter & 15) + b"\0" + content).ljust(188, b"\xff")


def box(name, *parts):
    """One of MP4's."""
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, name) + content


def find_box(data, *path):
    """The content of the first box at the path."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == path[0]:
            content = data[at + 8:at + size]
            return content if len(path) == 1 else find_box(content, *path[1:])
        at += size
    raise KeyError(path)


def wav(values, rate, channels=1):
    """Of floats."""
    pcm = struct.pack(f"<{len(values)}f", *values)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 3, channels, rate, rate * channels * 4,
                       channels * 4, 32, b"data", len(pcm)) + pcm

"""Ports for servers. Below the range that outgoing connections take theirs from: one of those could sit on the port of a
server that is being started, or that is away for a restart."""
import random
import socket
from pathlib import Path

LOWEST = 10000


def free_port():
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    for _ in range(1000):
        port = random.randint(LOWEST, max(highest, LOWEST + 10000))
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


if __name__ == "__main__":
    print(free_port())

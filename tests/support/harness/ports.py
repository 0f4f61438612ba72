"""Ports for servers. Below the range that outgoing connections take theirs from: one of those could sit on the port of a
server that is being started, or that is away for a restart.

Each is claimed until the process ends, by a name in the abstract namespace: several runs choose at the same time, and a
server that is away for a restart finds its port again."""
import random
import socket
from pathlib import Path

LOWEST = 10000

_claims = []


def _claim(port):
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0unreel-test-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def free_port():
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    for _ in range(1000):
        port = random.randint(LOWEST, max(highest, LOWEST + 10000))
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            if _claim(port):
                return port
    raise AssertionError("no port is free")


if __name__ == "__main__":
    print(free_port())

"""Free ports that stay free while their server is down."""

import random
import socket
from pathlib import Path

from localkube.errors import LocalKubeError

_LOWEST = 20000
_TRIES = 200


def free_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    """Ports below those that the kernel gives to outgoing connections: nobody gets them by chance later."""
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    found: list[int] = []
    chosen = random.SystemRandom()
    for _ in range(_TRIES):
        port = chosen.randint(_LOWEST, max(highest, _LOWEST + 10000))
        if port not in found and _free(address, port):
            found.append(port)
        if len(found) == count:
            return found
    raise LocalKubeError(f"no {count} free ports on {address}")


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True

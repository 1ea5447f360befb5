"""A HAProxy outside of the cluster: a machine of its own on the nodes' network, configured as docs/ha.md says."""

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

from harness.e2e.site import FIRST, SECOND, Site
from harness.waiting import until
from localkube import packages, processes
from localkube.build import Say
from localkube.commands import run, tried, which

_PAGE = Path(__file__).parents[3] / "docs" / "ha.md"
_BLOCK = re.compile(r"<!-- haproxy.cfg -->\s*```\n(.*?)```\s*<!-- end -->", re.DOTALL)
_NODES = {"192.0.2.11": FIRST, "192.0.2.12": SECOND}
"""The page's addresses, and whose they are."""


class Balancer:
    """It runs. `address` is where clients come, ports 80 and 443."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self._log = log

    @property
    def door(self) -> str:
        return f"{self.address}:80"

    @property
    def secure(self) -> str:
        return f"{self.address}:443"

    def said(self) -> list[str]:
        """Its log: that servers go down and come back, and why."""
        return self._log.read_text().splitlines()

    def wait(self, server: str, word: str, since: int, seconds: float = 60.0) -> float:
        """Until it has said so (`http/n2`, `DOWN`) after line `since`; the moment, by time.monotonic()."""
        wanted = f"Server {server} is {word}"
        until(lambda: any(wanted in line for line in self.said()[since:]), wanted, seconds=seconds, every=0.02)
        return time.monotonic()


def configuration() -> str:
    """As docs/ha.md has it."""
    [found] = _BLOCK.findall(_PAGE.read_text())
    return str(found)


def value(word: str) -> float:
    """A number of the page's checks: `inter` in seconds, `fall`, `rise`, `tcp-ut`."""
    [found] = set(re.findall(rf"\b{word} (\d+)s?\b", configuration()))
    return float(found)


@contextlib.contextmanager
def balancer(site: Site, folder: Path, say: Say) -> Iterator[Balancer]:
    """Started with all servers up; its network goes with it, or with the cluster's."""
    if which("haproxy") is None:
        packages.install_missing(say, ["haproxy"])
    network = site.network
    name, link = f"{network.bridge}-nlb", f"{network.bridge}-vlb"
    address = f"{network.machine.rpartition('.')[0]}.5"
    text = configuration()
    for written, node in _NODES.items():
        text = text.replace(written, network.node(node))
    config, log = folder / "haproxy.cfg", folder / "haproxy.log"
    config.write_text(text)
    tried("ip", "netns", "delete", name)
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", link, "master", network.bridge, "up")
        for device in ("lo", "eth0"):
            run("ip", "-n", name, "link", "set", device, "up")
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        command = ["nsenter", f"--net=/run/netns/{name}", which("haproxy") or "haproxy", "-db", "-f", str(config)]
        started = processes.start(command, record=folder / "haproxy.json", log=log)
        try:
            yield Balancer(address, log)
        finally:
            started.stop()
    finally:
        tried("ip", "netns", "delete", name)

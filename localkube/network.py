"""A cluster's network on this machine: one bridge, each node a network namespace on it.

What kube-proxy and CNI set lives in the nodes' namespaces and goes with them. The machine itself gets the bridge and
routes to pods and Services, so that tests and the API server reach both without a tunnel. Several clusters fit beside
each other: every address follows from the cluster's slot.
"""

from dataclasses import dataclass
from pathlib import Path

from localkube.commands import run, tried

SLOTS = 20


@dataclass(frozen=True, slots=True)
class Network:
    """Names and addresses of the cluster in one of 20 slots."""

    slot: int

    @property
    def bridge(self) -> str:
        return f"serin-k{self.slot}"

    @property
    def machine(self) -> str:
        """This machine's address on the bridge, where the API server listens."""
        return f"172.31.{100 + self.slot}.1"

    @property
    def services(self) -> str:
        return f"10.{120 + self.slot}.0.0/16"

    @property
    def first_service(self) -> str:
        """Of the Service `kubernetes`."""
        return f"10.{120 + self.slot}.0.1"

    @property
    def dns(self) -> str:
        return f"10.{120 + self.slot}.0.10"

    @property
    def all_pods(self) -> str:
        return f"10.{160 + self.slot}.0.0/16"

    def node(self, index: int) -> str:
        """Address of node 1, 2, …"""
        return f"172.31.{100 + self.slot}.{10 + index}"

    def pods(self, index: int) -> str:
        """Addresses of a node's pods."""
        return f"10.{160 + self.slot}.{index}.0/24"

    def namespace(self, index: int) -> str:
        return f"{self.bridge}-n{index}"

    def _link(self, index: int) -> str:
        return f"{self.bridge}-v{index}"

    def create_bridge(self) -> None:
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.machine}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def create_node(self, index: int) -> None:
        """A namespace with a link to the bridge; routes between it, its pods and everybody else."""
        name, address = self.namespace(index), self.node(index)
        run("ip", "netns", "add", name)
        run("ip", "link", "add", self._link(index), "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", self._link(index), "master", self.bridge, "up")
        for device in ("lo", "eth0"):
            run("ip", "-n", name, "link", "set", device, "up")
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", name, "route", "add", "default", "via", self.machine)
        run("nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("ip", "route", "replace", self.pods(index), "via", address)
        if index == 1:
            run("ip", "route", "replace", self.services, "via", address)
        for other in range(1, index):
            run("ip", "-n", name, "route", "add", self.pods(other), "via", self.node(other))
            run("ip", "-n", self.namespace(other), "route", "add", self.pods(index), "via", address)

    def enter(self, index: int) -> tuple[str, str]:
        """A command is run in the network of node 1, 2, … with this in front."""
        return ("nsenter", f"--net=/run/netns/{self.namespace(index)}")

    def cut(self, index: int) -> None:
        """The node and its pods are unreachable, as after a loss of power: whoever asks gets no answer at all."""
        run("ip", "link", "set", self._link(index), "down")

    def mend(self, index: int) -> None:
        run("ip", "link", "set", self._link(index), "up")

    def remove(self) -> None:
        """All of it; routes go with the bridge."""
        for namespace in Path("/run/netns").glob(f"{self.bridge}-n*"):
            tried("ip", "netns", "delete", namespace.name)
        for link in Path("/sys/class/net").glob(f"{self.bridge}-v*"):
            tried("ip", "link", "delete", link.name)  # a process that is left in the node's namespace keeps it
        tried("ip", "link", "delete", self.bridge)

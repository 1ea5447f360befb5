"""Serin on a cluster of localkube: its image made without a container engine, its addresses open to this machine."""

from collections.abc import Mapping
from pathlib import Path

from localkube import image
from localkube.build import Say
from localkube.cluster import Cluster
from localkube.installation import CHART, DEMO, DEMO_HOST, NAME, NAMESPACE, Installation

__all__ = ["CHART", "DEMO", "DEMO_HOST", "NAME", "NAMESPACE", "Release"]


class Release(Installation):
    """One release of the chart on one cluster."""

    def __init__(
        self, cluster: Cluster, programs: Mapping[str, Path], *, name: str = NAME, namespace: str = NAMESPACE
    ) -> None:
        super().__init__(cluster.plane.kubeconfig, cluster.folder, programs, name=name, namespace=namespace)
        self.cluster = cluster

    def beside(self, name: str, namespace: str) -> "Release":
        """Another release on the same cluster."""
        return Release(self.cluster, self.programs, name=name, namespace=namespace)

    def load_image(self, say: Say) -> str:
        """Built without a container engine, and imported when it is not the one that was."""
        archive = image.build(say)
        loaded = self.cluster.folder / "loaded"
        if not loaded.exists() or loaded.read_text() != archive.name:
            say("loading the image")
            self.cluster.load(archive)
            loaded.write_text(archive.name)
        return archive.stem

    def address(self, port: int = 80) -> str:
        """`ADDRESS:PORT` of the Service, from this machine."""
        return f"{self.service()['spec']['clusterIP']}:{port}"

    def node_address(self, index: int = 1) -> str:
        """`ADDRESS:PORT` of the Service's NodePort on node 1, 2, …"""
        ports = {port["name"]: port["nodePort"] for port in self.service()["spec"]["ports"]}
        return f"{self.cluster.network.node(index)}:{ports['http']}"

"""One node: containerd, kubelet and kube-proxy in a network namespace."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localkube import cgroups, processes
from localkube.commands import tried
from localkube.containers import Containers
from localkube.controlplane import ControlPlane
from localkube.network import Network


@dataclass(frozen=True, slots=True)
class Node:
    """`index` counts from 1; the name is n1, n2, …"""

    index: int
    network: Network
    folder: Path
    state: Path

    @property
    def name(self) -> str:
        return f"n{self.index}"

    @property
    def address(self) -> str:
        """NodePorts and host ports answer here."""
        return self.network.node(self.index)

    @property
    def containers(self) -> Containers:
        return Containers(self.folder, self.state)

    @property
    def _cgroup(self) -> str:
        return self.network.namespace(self.index)

    def start(self, plane: ControlPlane, images: Sequence[Path]) -> None:
        """Its images are loaded when this comes back; Ready it will be soon after."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network.create_node(self.index)
        cgroups.create(self._cgroup)
        enter = self.network.enter(self.index)
        self.containers.start(enter, self.network.pods(self.index))
        for image in images:
            self.containers.load(image)
        self._start("kubelet", [*enter, *self._kubelet(plane)])
        self._start("kube-proxy", [*enter, *self._proxy(plane)])

    def close(self) -> None:
        """Processes, mounts and control groups; the network is the cluster's to remove."""
        for name in ("kubelet", "kube-proxy"):
            if started := processes.recorded(self.folder / "pids" / f"{name}.json"):
                started.stop()
        cgroups.kill(self._cgroup)
        self.containers.close()
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted(mounts, reverse=True):
            if place.startswith((f"{self.folder}/", f"{self.state}/")):
                tried("umount", place) or tried("umount", "--lazy", place)
        cgroups.remove(self._cgroup)

    def _start(self, name: str, command: Sequence[str]) -> None:
        record, log = self.folder / "pids" / f"{name}.json", self.folder / "log" / f"{name}.log"
        processes.start(command, record=record, log=log, lasting=True)

    def _kubelet(self, plane: ControlPlane) -> list[str]:
        kubeconfig = plane.identity(
            f"kubelet-{self.name}",
            f"system:node:{self.name}",
            "system:nodes",
            self.folder / "kubelet.kubeconfig",
            [self.name, self.address],
        )
        resolv = self.folder / "resolv.conf"
        resolv.touch()  # pods with dnsPolicy Default know no names: nothing here depends on the machine's resolver
        pair = plane.pair(f"kubelet-{self.name}")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self.containers.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(plane.authority.files.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pair.certificate),
            "tlsPrivateKeyFile": str(pair.key),
            "nodeLeaseDurationSeconds": 8,  # renewed every 2 s: a node that is gone is soon seen to be
            "clusterDomain": "cluster.local",
            "clusterDNS": [self.network.dns],
            "resolvConf": str(resolv),
            "podLogsDir": str(self.folder / "pod-logs"),
            "healthzBindAddress": "127.0.0.1",
            # Nobody can pull an image again that was collected.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        }
        written = self.folder / "kubelet.json"
        written.write_text(json.dumps(config))
        return [
            str(plane.programs["kubelet"]),
            f"--config={written}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
        ]

    def _proxy(self, plane: ControlPlane) -> list[str]:
        name, user = f"kube-proxy-{self.name}", "system:kube-proxy"
        kubeconfig = plane.identity(name, user, "", self.folder / "kube-proxy.kubeconfig")
        return [
            str(plane.programs["kube-proxy"]),
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.name}",
            "--proxy-mode=nftables",
            f"--cluster-cidr={self.network.all_pods}",
            # The machine's connection tracking is not the node's to size.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
            "--metrics-bind-address=127.0.0.1:10249",
        ]

"""A whole cluster on this machine: control plane, one or two nodes, name server.

Each takes a slot, from which all its names and addresses follow; its state lies in /var/lib and /run under that slot,
so that whoever comes later can take it down, also when its owner was killed.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localkube import archive, build, containers, dns, packages, processes
from localkube.build import Say
from localkube.commands import run, tried
from localkube.controlplane import ControlPlane, Settings
from localkube.errors import LocalKubeError
from localkube.network import SLOTS, Network
from localkube.node import Node

_DISK, _MEMORY = Path("/var/lib/serin-kube"), Path("/run/serin-kube")
_READY_WITHIN = 120.0
# Kubernetes' own 50 s until a lost node counts as lost would be most of a test of it.
_LOST_NODES = ("--node-monitor-period=1s", "--node-monitor-grace-period=12s")
# The kubelet sets these for the whole machine.
_SYSCTLS = ("vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops")
# A node's programs watch files by dozens, and the kernel's 128 watchers of a user are for all clusters and tests.
_WATCHERS, _ENOUGH = "fs.inotify.max_user_instances", 2048


class Cluster:
    """The cluster of one slot, running or not."""

    def __init__(self, slot: int, programs: Mapping[str, Path]) -> None:
        self.network = Network(slot)
        self.folder = _DISK / str(slot)
        self.state = _MEMORY / str(slot)
        self._programs = programs
        self._plane: ControlPlane | None = None

    @property
    def plane(self) -> ControlPlane:
        """Made at its first use: it has files of its own."""
        if self._plane is None:
            settings = Settings(
                address=self.network.machine,
                scheduler=True,
                lasting=True,
                service_range=self.network.services,
                service_address=self.network.first_service,
                pod_range=self.network.all_pods,
                more={"kube-controller-manager": _LOST_NODES},
            )
            self._plane = ControlPlane(self.folder / "plane", self._programs, settings)
        return self._plane

    @property
    def nodes(self) -> list[Node]:
        """Those that were started."""
        return [self._node(int(path.name[1:])) for path in sorted(self.folder.glob("n[0-9]*"))]

    def start(self, nodes: int, images: Sequence[Path]) -> None:
        """Comes back when the nodes are Ready and names resolve."""
        self.network.create_bridge()
        self.plane.start()
        for index in range(1, nodes + 1):
            self._node(index).start(self.plane, [*system_images(self._programs), *images])
        self._apply(dns.objects(self.network.dns))
        for index in range(1, nodes + 1):
            self._wait_for(f"/api/v1/nodes/n{index}", "Ready", f"node n{index} to be Ready")
        self._wait_for("/apis/apps/v1/namespaces/kube-system/deployments/coredns", "Available", "the name server")

    def load(self, image: Path) -> None:
        """Put an image on every node."""
        for node in self.nodes:
            node.containers.load(image)

    def close(self) -> None:
        """Nothing is left of it, whatever state it is in."""
        with _one_at_a_time():
            self.remove()

    def remove(self) -> None:
        """As close(), for whoever sees to it that nobody else does the same."""
        for node in self.nodes:
            node.close()
        if (self.folder / "plane").exists():
            self.plane.close()
        self.network.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)
        _restore_sysctls()

    def _node(self, index: int) -> Node:
        return Node(index, self.network, self.folder / f"n{index}", self.state / f"n{index}")

    def _apply(self, objects: Sequence[Mapping[str, Any]]) -> None:
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        run(self._programs["kubectl"], "--kubeconfig", self.plane.kubeconfig, "create", "-f", "-", text=manifest)

    def _wait_for(self, path: str, condition: str, what: str) -> None:
        end = time.monotonic() + _READY_WITHIN
        while True:
            with contextlib.suppress(LocalKubeError):
                told = self.plane.admin.request("GET", path).get("status", {}).get("conditions", [])
                if {"type": condition, "status": "True"}.items() <= _condition(told, condition).items():
                    return
            if time.monotonic() > end:
                raise LocalKubeError(f"waited {_READY_WITHIN:g} s for {what}; logs are in {self.folder}")
            time.sleep(0.1)


def create(nodes: int, images: Sequence[Path], say: Say, *, owned: bool) -> Cluster:
    """A new cluster in a free slot; `owned`: it is rubbish when this process has ended without closing it."""
    packages.install_missing(say)
    programs = build.programs(build.NODES, say)
    remove_orphans(programs)
    with _one_at_a_time():
        cluster = Cluster(_claim(owned=owned), programs)
        _keep_sysctls()
    try:
        cluster.start(nodes, images)
    except BaseException:
        cluster.close()
        raise
    return cluster


def lasting(programs: Mapping[str, Path]) -> list[Cluster]:
    """Those without an owner: what `make cluster` started."""
    found = sorted(int(state.name) for state in _MEMORY.glob("[0-9]*") if not (state / "owner.json").exists())
    return [Cluster(slot, programs) for slot in found]


def remove_orphans(programs: Mapping[str, Path]) -> None:
    """Take down clusters whose owner is gone."""
    with _one_at_a_time():
        for state in _MEMORY.glob("[0-9]*"):
            owner = processes.recorded(state / "owner.json")
            if owner is not None and not owner.running:
                Cluster(int(state.name), programs).remove()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Slots and what is set for the whole machine are shared by all processes that run clusters."""
    _MEMORY.mkdir(parents=True, exist_ok=True)
    with (_MEMORY / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def system_images(programs: Mapping[str, Path]) -> list[Path]:
    """Archives of the pause and CoreDNS images, made once."""
    folder = build.cache_folder() / "images"
    made = []
    for name, image in (("pause", containers.PAUSE), ("coredns", dns.IMAGE)):
        path = folder / f"{name}.tar"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            layer = archive.write_layer(folder / f"{name}.{os.getpid()}.layer", {f"/{name}": programs[name]})
            archive.write_image(path, archive.Image(image, [layer], [f"/{name}"]))
            layer.unlink()
        made.append(path)
    return made


def _claim(*, owned: bool) -> int:
    for slot in range(SLOTS):
        with contextlib.suppress(FileExistsError):
            (_MEMORY / str(slot)).mkdir()
            if owned:
                processes.record_self(_MEMORY / str(slot) / "owner.json")
            return slot
    raise LocalKubeError(f"{SLOTS} clusters run already ({_MEMORY})")


def _condition(conditions: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((each for each in conditions if each.get("type") == name), {})


def _keep_sysctls() -> None:
    kept = _MEMORY / "sysctls"
    if not kept.exists():
        kept.write_text(run("sysctl", *_SYSCTLS, _WATCHERS))
    if int(run("sysctl", "-n", _WATCHERS)) < _ENOUGH:
        run("sysctl", "-qw", f"{_WATCHERS}={_ENOUGH}")


def _restore_sysctls() -> None:
    """With the last cluster."""
    kept = _MEMORY / "sysctls"
    if kept.exists() and not any(_MEMORY.glob("[0-9]*")):
        tried("sysctl", "-q", "-p", kept)
        kept.unlink()

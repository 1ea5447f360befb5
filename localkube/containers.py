"""A node's containerd: its own root, state and socket, ended with all that it started."""

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localkube import processes
from localkube.commands import run, tried, which
from localkube.errors import LocalKubeError

PAUSE = "docker.io/serin/pause:local"
_READY_WITHIN = 30.0
_CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")
_CONFIG = """\
version = 2
root = "{folder}/containerd"
state = "{state}/containerd"
disabled_plugins = [{disabled}]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE runc may not lower it, and every sandbox would fail
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "{runc}"
        Root = "{state}/runc"
"""
_DISABLED = ("aufs", "btrfs", "devmapper", "zfs")


def cni_folder() -> str | None:
    """Where the CNI plugins are."""
    return next((folder for folder in _CNI_FOLDERS if Path(folder, "bridge").exists()), None)


@dataclass(frozen=True, slots=True)
class Containers:
    """`folder` on a disk, `state` in memory; their paths are short, as unix sockets need them."""

    folder: Path
    state: Path

    @property
    def socket(self) -> Path:
        return self.state / "containerd.sock"

    def start(self, enter: Sequence[str], pods: str) -> None:
        """In the network namespace that `enter` leads into; its pods get addresses of `pods`."""
        self.state.mkdir(parents=True, exist_ok=True)
        (self.folder / "cni").mkdir(parents=True, exist_ok=True)
        (self.folder / "cni" / "10-bridge.conflist").write_text(json.dumps(self._cni(pods)))
        config = self.folder / "containerd.toml"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                state=self.state,
                socket=self.socket,
                pause=PAUSE,
                cni=cni_folder(),
                runc=which("runc"),
                snapshotter=_snapshotter(self.folder),
                disabled=", ".join(f'"io.containerd.snapshotter.v1.{name}"' for name in _DISABLED),
            )
        )
        command = [*enter, which("containerd") or "containerd", "--config", str(config)]
        log = self.folder / "log" / "containerd.log"
        started = processes.start(command, record=self.folder / "pids" / "containerd.json", log=log, lasting=True)
        end = time.monotonic() + _READY_WITHIN
        while not self._answers():
            if not started.running or time.monotonic() > end:
                raise LocalKubeError(f"containerd did not come up: {log.read_text(errors='replace')[-1000:]}")
            time.sleep(0.05)

    def load(self, archive: Path) -> None:
        """Import a docker-archive; its images are there under their names."""
        self._ctr("images", "import", str(archive))

    def close(self) -> None:
        """End containerd and its shims; containers' processes have ended before. Pods' networks go, too."""
        networks = self._networks()
        if started := processes.recorded(self.folder / "pids" / "containerd.json"):
            started.stop()
        self._end_orphans()
        for network in networks:
            tried("ip", "netns", "delete", network)

    def _end_orphans(self) -> None:
        """Shims name their containerd's socket, which is nobody else's."""
        ours = str(self.socket).encode()
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if ours in entry.read_bytes().split(b"\0"):
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue

    def _networks(self) -> set[str]:
        """Names of the pods' network namespaces, from what containerd told runc."""
        found: set[str] = set()
        for path in (self.state / "containerd").glob("io.containerd.runtime.v2.task/k8s.io/*/config.json"):
            spaces = json.loads(path.read_text()).get("linux", {}).get("namespaces", [])
            names = (Path(each.get("path", "")).name for each in spaces if each.get("type") == "network")
            found.update(name for name in names if name.startswith("cni-"))
        return found

    def _ctr(self, *args: str) -> str:
        return run("ctr", "--address", self.socket, "--namespace", "k8s.io", *args)

    def _answers(self) -> bool:
        return self.socket.exists() and tried("ctr", "--address", self.socket, "--namespace", "k8s.io", "version")

    def _cni(self, pods: str) -> dict[str, object]:
        """A bridge within the node, addresses from the node's range, host ports."""
        addresses = {
            "type": "host-local",
            "dataDir": str(self.folder / "addresses"),
            "ranges": [[{"subnet": pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": addresses}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def _snapshotter(folder: Path) -> str:
    """The kernel refuses an overlay on an overlay, as inside of a container: files are copied there."""
    kind = run("stat", "--file-system", "--format=%T", folder).strip()
    return "native" if kind == "overlayfs" else "overlayfs"

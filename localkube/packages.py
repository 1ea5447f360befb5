"""What nodes need of this machine: root, some Debian packages, and a kernel that lets namespaces be made."""

import os
from collections.abc import Sequence
from pathlib import Path

from localkube.build import Say, cache_folder, one_at_a_time
from localkube.commands import run, tried, which
from localkube.containers import cni_folder
from localkube.errors import LocalKubeError

_NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "mmdebstrap": "mmdebstrap",
    "curl": "curl",
}
_CNI = "containernetworking-plugins"


def missing_packages() -> list[str]:
    """Debian's names of what is not there."""
    missing = {package for program, package in _NEEDED.items() if which(program) is None}
    if cni_folder() is None:
        missing.add(_CNI)
    return sorted(missing)


def obstacles() -> list[str]:
    """Why no node can run here, each in one sentence; packages that can be installed are none."""
    if os.geteuid() != 0:
        return ["nodes need root: for namespaces, mounts and control groups"]
    found = []
    missing = missing_packages()
    if missing and which("apt-get") is None:
        found.append(f"these packages are missing, and there is no apt-get: {' '.join(missing)}")
    if not os.access("/sys/fs/cgroup", os.W_OK) or not any(Path("/sys/fs/cgroup").iterdir()):
        found.append("control groups cannot be made in /sys/fs/cgroup")
    if which("ip") is not None:
        probe = f"serin-k-probe-{os.getpid()}"
        if not tried("ip", "netns", "add", probe):
            found.append("network namespaces cannot be made: CAP_SYS_ADMIN and CAP_NET_ADMIN are needed")
        tried("ip", "netns", "delete", probe)
    return found


def install_missing(say: Say, wanted: Sequence[str] = ()) -> None:
    """LocalKubeError when something is in the way."""
    if found := obstacles():
        raise LocalKubeError("; ".join(found))
    missing = [*missing_packages(), *wanted]
    if not missing:
        return
    say(f"installing packages: {' '.join(missing)}")
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    cache_folder().mkdir(parents=True, exist_ok=True)
    try:
        with one_at_a_time(cache_folder() / "packages.lock", say):  # apt-get does not wait for another
            run(*quiet, "update")
            run(*quiet, "install", "--yes", "--no-install-recommends", *missing)
    except LocalKubeError as error:
        raise LocalKubeError(f"packages cannot be installed: {error}") from error

"""Ends processes inside of pods by SIGKILL, from the node: nobody in the pod is asked, and no kubelet either."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def kill(pod: Mapping[str, Any], container: str, program: str = "") -> int:
    """The container's first process, with which all others of it end; or one whose command line has `program` in it.

    Gives its id on this machine.
    """
    found = _processes(_container_id(pod, container))
    fits = [pid for pid, text in found.items() if (program in text if program else _is_first(pid))]
    assert fits, f"no process {program or 'at all'} in container {container}: {found}"
    os.kill(min(fits), signal.SIGKILL)
    return min(fits)


def restarts(pod: Mapping[str, Any] | None, container: str) -> int:
    """How often the kubelet started the container anew; -1 when the pod is gone."""
    return -1 if pod is None else int(_status(pod, container).get("restartCount", 0))


def is_ready(pod: Mapping[str, Any] | None) -> bool:
    conditions = [] if pod is None else pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _status(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    return next((each for each in pod["status"].get("containerStatuses", []) if each["name"] == container), {})


def _container_id(pod: Mapping[str, Any], container: str) -> str:
    return str(_status(pod, container)["containerID"]).rpartition("/")[2]


def _processes(container_id: str) -> dict[int, str]:
    """Id and command line of the container's processes: the name of its control group is the container's id."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if container_id in (place / "cgroup").read_text():
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
    return found


def _is_first(pid: int) -> bool:
    """Process 1 of its own process namespace."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in lines)

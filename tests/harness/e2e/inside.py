"""What a container of a pod that runs can see and do, asked from inside of it as the user that it runs as."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.e2e.site import Site
from localkube.errors import LocalKubeError

_OWN = ("sh", "cat", "find", "grep", "stat")
"""Programs that ask, and are no part of what runs."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/self/mounts (proc(5)): the kind of file system, and whether it can be written to."""

    kind: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Inside:
    """One container."""

    site: Site
    pod: str
    namespace: str
    container: str

    def run(self, *command: str) -> str:
        """Its standard output; LocalKubeError with what it said when it failed."""
        return self.site.kubectl("-n", self.namespace, "exec", self.pod, "-c", self.container, "--", *command)

    def refusal(self, script: str) -> str:
        """What a script of sh said that has to fail; empty when it did what it should not."""
        try:
            self.run("sh", "-c", script)
        except LocalKubeError as error:
            return str(error)
        return ""

    def threads(self) -> list[Mapping[str, str]]:
        """`/proc/PID/task/TID/status` of all threads that can be seen, but for those that ask (proc(5))."""
        told = self.run("sh", "-c", "cat /proc/[0-9]*/task/[0-9]*/status 2>/dev/null; true")
        found: list[dict[str, str]] = []
        for line in told.splitlines():
            name, _, value = line.partition(":")
            if name == "Name":
                found.append({})
            found[-1][name] = value.strip()
        return [each for each in found if each["Name"] not in _OWN]

    def commands(self) -> set[str]:
        """Command lines of all processes that can be seen, but for those that ask."""
        told = self.run("sh", "-c", r"for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done 2>/dev/null; true")
        return {line.strip() for line in told.splitlines() if line.strip() and not line.startswith(("sh ", "tr "))}

    def mounts(self) -> Mapping[str, Mount]:
        """By the folder that they are seen at."""
        lines = (line.split() for line in self.run("cat", "/proc/self/mounts").splitlines())
        return {where: Mount(kind, "rw" in options.split(",")) for _, where, kind, options, *_ in lines}

    def writable(self) -> set[str]:
        """Folders that can be written to, without those inside of one."""
        script = "find / \\( -path /proc -o -path /sys \\) -prune -o -type d -writable -print 2>/dev/null; true"
        found = sorted(self.run("sh", "-c", script).split())
        return {each for each in found if not any(each.startswith(f"{other}/") for other in found)}


def containers(site: Site, pod: Mapping[str, object]) -> tuple[Inside, Inside]:
    """`controller` and `data-plane` of one of Serin's pods."""
    told = pod["metadata"]
    assert isinstance(told, dict)
    controller, data_plane = (
        Inside(site, told["name"], told["namespace"], name) for name in ("controller", "data-plane")
    )
    return controller, data_plane

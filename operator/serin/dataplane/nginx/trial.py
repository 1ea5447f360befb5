"""A configuration with some hosts only, tested beside the real one: same base, other pid file and status socket.

Hosts that nginx has taken before need not be read again, so that a change costs what it changes.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from serin.dataplane.nginx.culprits import Verdict
from serin.dataplane.nginx.files import TEST, NginxFiles
from serin.dataplane.nginx.rendered import HostEntry
from serin.dataplane.nginx.testing import Test, TestResult
from serin.refs import Ref
from serin.routing.identity import content_digest
from serin.routing.plan import Globals

PLACEHOLDER = secrets.token_hex(16)
"""Stands where the digest of the configuration comes; no user can have written it."""
_PID = re.compile(r"^([ \t]*pid[ \t]+)[^;]+;", re.MULTILINE)
_OBJECT = re.compile(r"(Ingress|CanaryRoute) ([A-Za-z0-9.-]+)/([A-Za-z0-9.-]+)")


class RenderMain(Protocol):
    def main(self, globals_: Globals, hosts: Sequence[object], certified: Mapping[str, str], digest: str) -> str:
        """The main file with these hosts (their `include`).

        `certified`: names to the files of their certificates, relative to certificates/.
        """


class Trial:
    """The tests of one plan. `tested` and `seconds`: how many, and for how long nginx ran."""

    def __init__(
        self,
        files: NginxFiles,
        main: Callable[[Sequence[HostEntry]], str],
        test: Test,
        status_socket: str,
    ) -> None:
        self._files = files
        self._main = main
        self._test = test
        self._socket = status_socket
        self._known: dict[str, TestResult] = {}
        self.tested = 0
        self.seconds = 0.0

    def __call__(self, hosts: Sequence[HostEntry]) -> TestResult:
        """OSError when the test cannot be made at all."""
        key = content_digest("".join(host.file for host in hosts).encode())
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._run(hosts)
        return known

    def by_name(self, hosts: Mapping[str, HostEntry]) -> Callable[[Sequence[str]], Verdict[str]]:
        """Tests of hosts by their names; nginx's message names one by its file."""
        names = {host.file: name for name, host in hosts.items()}

        def attempt(chosen: Sequence[str]) -> Verdict[str]:
            result = self([hosts[name] for name in chosen])
            return Verdict(result.error, names.get(Path(result.file).stem), result.unsure)

        return attempt

    def of_object(self, result: TestResult) -> Verdict[Ref]:
        """What a test says about the objects of a host: comments before each location and map say whose they are."""
        for line in self._files.lines_before(result.file, result.line) if result.line else ():
            found = _OBJECT.search(line) if line.lstrip().startswith("#") else None
            if found is not None:
                return Verdict(result.error, Ref(found[1], found[2], found[3]))
        return Verdict(result.error)

    def _run(self, hosts: Sequence[HostEntry]) -> TestResult:
        text = _PID.sub(lambda found: f"{found[1]}{self._files.path('test.pid')};", self._main(hosts))
        text = text.replace(f"unix:{self._socket}", f"unix:{Path(self._socket).with_name('test.sock')}")
        self._files.put(TEST, text)
        started = time.perf_counter()
        try:
            return self._test(self._files.path(TEST))
        finally:
            self.seconds += time.perf_counter() - started
            self.tested += 1

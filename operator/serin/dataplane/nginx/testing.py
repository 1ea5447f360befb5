"""`nginx -t` over one file: whether nginx would take it, and if not, what it says and which line it means.

It inherits the listening sockets, so that it binds nothing itself and needs no right to low ports; the running master
never notices. A test that does not end counts as refused.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT, TIMEOUT_PER_HOST = 10.0, 0.02
"""Seconds for one test. A host takes less than a millisecond, on a machine with nothing else to do."""
ERROR_LENGTH = 300
STATE = "/state/nginx"
"""Where nginx's folder is in the run directory."""

_MESSAGE = re.compile(r"^(?:nginx: |\S+ \S+ )\[(?:emerg|alert|crit|error)\](?: \d+#\d+:)? (.*)$", re.MULTILINE)
_PLACE = re.compile(r" in (/\S+):(\d+)$")
_SHORTAGE = re.compile(r"\((?:11|12|23|24|28): ")
"""EAGAIN, ENOMEM, ENFILE, EMFILE, ENOSPC, as nginx writes them."""
_PATH = re.compile(r"(?<![\w.])/(?:[\w.@:+-]+/)*(?:hosts/[0-9a-f]{32}\.conf|[\w.-]+\.conf)(?::\d+)?")


@dataclass(frozen=True, slots=True)
class TestResult:
    """`error` is one line without paths of ours, empty when nginx takes the file. `file` and `line`: what it names.

    `unsure`: it did not end by itself, or was short of something, which may be no fault of the file's.
    """

    __test__ = False  # not a test of pytest's

    error: str = ""
    file: str = ""
    line: int = 0
    unsure: bool = False

    @property
    def ok(self) -> bool:
        return not self.error


Test = Callable[[Path], TestResult]
"""Given the main file's path. OSError when nginx cannot be run at all."""


class NginxTest:
    """`prefix` is nginx's folder; `fds` are listening sockets that its configurations name, open in this process.

    `environment`: of the nginx that is tested for; None: our own.
    """

    def __init__(
        self,
        binary: str,
        prefix: Path,
        fds: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        timeout_per_host: float = TIMEOUT_PER_HOST,
    ) -> None:
        given = os.environ if environment is None else environment
        self._environment = {name: value for name, value in given.items() if name != "NGINX"}
        if fds:
            self._environment["NGINX"] = "".join(f"{fd};" for fd in fds)
        self._binary = binary
        self._prefix = prefix
        self._fds = tuple(fds)
        self._timeout = timeout
        self._timeout_per_host = timeout_per_host

    def __call__(self, main: Path) -> TestResult:
        line = (self._binary, "-t", "-e", "stderr", "-p", f"{self._prefix}/", "-c", str(main))
        timeout = self._timeout + self._timeout_per_host * main.read_text("utf-8", "replace").count("include hosts/")
        try:
            done = subprocess.run(  # noqa: S603 (the binary that was found, and paths of ours)
                line,
                env=self._environment,
                pass_fds=self._fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return TestResult(f"nginx -t did not end within {timeout:.0f} s", unsure=True)
        if done.returncode == 0:
            return TestResult()
        return refusal(done.stderr.decode("utf-8", "replace"), str(self._prefix), done.returncode)


def refusal(said: str, prefix: str, status: int) -> TestResult:
    """What nginx said on standard error when it refused; `status` is its exit status, negative for a signal."""
    messages = _MESSAGE.findall(said)
    if not messages:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return TestResult(f"nginx -t {how}", unsure=True)
    message = messages[0]
    place = _PLACE.search(message)
    error = one_line(message[: place.start()] if place else message, prefix) or "refused"
    short = bool(_SHORTAGE.search(message))
    return TestResult(error, place[1], int(place[2]), short) if place else TestResult(error, unsure=short)


def one_line(text: str, prefix: str) -> str:
    """Printable, without paths of ours, at most 300 characters. `prefix`: nginx's folder, or empty."""
    text = text.replace(prefix, "") if prefix else text
    if prefix.endswith(STATE):
        text = text.replace(f"{prefix.removesuffix(STATE)}/", "")
    text = _PATH.sub("nginx.conf", text)
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 2] + " …"

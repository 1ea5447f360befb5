"""What the parent tells a worker at its start: one JSON text in the environment variable SERIN_WORKER.

Holds file descriptors and figures only; everything about hosts and routes comes from the run directory.
"""

import dataclasses
import json
from dataclasses import dataclass

from serin.errors import UsageError

VARIABLE = "SERIN_WORKER"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Times in seconds. Descriptors are inherited ones; empty lists: that side is not served.

    `index` is the worker's row in state.bin. `status_fd` is a pipe to the parent: `ready <generation>` once, then
    `plan <generation>` at each plan taken; when the pipe's other end is gone the worker ends.
    `user_http_port` and `user_https_port` are the ports that clients see (X-Forwarded-Port): 80 and 443 behind a Service.
    `default_certificate` is the path of the PEM that serves names without a certificate when the plan names none.
    """

    run_dir: str
    index: int = 0
    http_fds: tuple[int, ...] = ()
    https_fds: tuple[int, ...] = ()
    status_fd: int = -1
    user_http_port: int = 80
    user_https_port: int = 443
    default_certificate: str = ""
    access_log: bool = True
    log_format: str = "upstreaminfo"
    log_level: str = "info"
    drain: float = 30.0
    auth_threads: int = 2
    auth_queue: int = 64

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def read_settings(text: str) -> WorkerSettings:
    """The settings as the parent wrote them; UsageError says which key is wrong."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise UsageError(f"worker settings are not JSON: {error}") from error
    known = {f.name for f in dataclasses.fields(WorkerSettings)}
    if not isinstance(raw, dict) or not set(raw) <= known or "run_dir" not in raw:
        unknown = sorted(set(raw) - known) if isinstance(raw, dict) else "not an object"
        raise UsageError(f"worker settings need run_dir and no unknown keys: {unknown}")
    for name in ("http_fds", "https_fds"):
        raw[name] = tuple(raw.get(name, ()))
    return WorkerSettings(**raw)

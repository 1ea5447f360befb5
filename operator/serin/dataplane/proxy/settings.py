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

    `index` is the worker's row in state.bin. `status_fd` is the end of a pipe to the parent, -1 for none: the worker
    writes `ready <generation>` once it serves a plan, then `plan <generation>` at each plan that it takes, `kept
    <generation>` when it could not take one, and `connections <busy> <waiting> <to endpoints>` when these change.
    """

    run_dir: str
    index: int = 0
    http_fds: tuple[int, ...] = ()
    https_fds: tuple[int, ...] = ()
    status_fd: int = -1
    handing_fd: int = -1
    """The end of a pair of sockets by which the parent hands over those of TCP and UDP (dataplane.handing)."""
    visible_http_port: int = 80
    visible_https_port: int = 443
    """What clients see before the Service or hostPort; goes into X-Forwarded-Port."""
    default_certificate: str = ""
    """Path of the PEM for names without a certificate when the plan names none; empty: state/default.pem."""
    access_log: str = "upstreaminfo"
    """A value of telemetry's LogFormat."""
    access_log_path: str = "-"
    """`-` for standard output, else a file, opened anew on SIGUSR1."""
    log_level: str = "info"
    shutdown_grace: float = 240.0
    """How long requests in flight may take after SIGTERM; what is left then is cut."""
    auth_threads: int = 2
    auth_queue: int = 64
    """Password comparisons that may wait beside those that run; beyond it a request gets 503."""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def read_settings(text: str) -> WorkerSettings:
    """The settings as the parent wrote them; UsageError says what is wrong."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise UsageError(f"worker settings are not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise UsageError("worker settings must be a JSON object")
    unknown = set(raw) - {f.name for f in dataclasses.fields(WorkerSettings)}
    if unknown or "run_dir" not in raw:
        raise UsageError(f"worker settings need run_dir and no unknown keys ({', '.join(sorted(unknown)) or 'none'})")
    for name in ("http_fds", "https_fds"):
        raw[name] = tuple(raw.get(name, ()))
    return WorkerSettings(**raw)

"""What a data plane is told: its ports, its run directory, its log.

Made from the flags of `serin data-plane`; worker processes get their own, smaller settings (proxy.settings) from the
parent. No default is looked up elsewhere.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from serin.errors import UsageError
from serin.telemetry.access_log import LogFormat

PLANES = ("proxy", "nginx")
LUA = ("auto", "off")
MAX_WORKERS = 60
"""The shared memory has 64 rows; some are for successors while the workers are replaced."""


def processors() -> int:
    """Workers unless somebody says how many: one for each processor that this process may use, 60 at most."""
    return min(len(os.sched_getaffinity(0)), MAX_WORKERS)


@dataclass(frozen=True, slots=True)
class DataPlaneSettings:
    """Times in seconds. Defaults are ingress-nginx's where it has the same setting."""

    run_dir: Path
    plane: str = "proxy"
    """Which data plane; one of PLANES."""
    nginx_lua: str = "auto"
    """`off`: nginx without its Lua module, also where it is there. One of LUA; of the nginx plane alone."""
    bind: str = ""
    """Addresses to listen on, separated by commas; empty: all, of IPv4 and IPv6."""
    http_port: int = 8080
    https_port: int = 8443
    healthz_port: int = 10254
    """Ports from 1 to 65535; 0 takes a free one, which state/ports.json then names."""
    workers: int = field(default_factory=processors)
    """Worker processes, from 1 to 60; by default one for each processor this process may use."""
    standalone: bool = False
    """`serve`: names may resolve to loopback addresses."""
    access_log: LogFormat = LogFormat.UPSTREAMINFO
    access_log_path: str = "-"
    """`-` for standard output, else a file that is opened anew on SIGUSR1."""
    log_level: str = "info"
    shutdown_grace: float = 240.0
    """How long requests in flight may take after SIGTERM (worker-shutdown-timeout); what is left then is cut."""
    shutdown_delay: float = 0.0
    """How long connections are still taken after SIGTERM, while /readyz says 503: until load balancers have noticed."""
    visible_http_port: int = 80
    visible_https_port: int = 443
    """What clients see before the Service or hostPort; goes into X-Forwarded-Port."""

    def __post_init__(self) -> None:
        if self.plane not in PLANES:
            raise UsageError(f"--plane {self.plane}: expected one of {', '.join(PLANES)}")
        if self.nginx_lua not in LUA:
            raise UsageError(f"--nginx-lua {self.nginx_lua}: expected one of {', '.join(LUA)}")
        if not 1 <= self.workers <= MAX_WORKERS:
            raise UsageError(f"--workers {self.workers}: expected a number from 1 to {MAX_WORKERS}")
        for name in ("http_port", "https_port", "healthz_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected a port from 0 to 65535")

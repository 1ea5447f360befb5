"""What nginx.conf depends on beside the plan: this machine's paths, ports and modules, and the data plane's flags."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class LuaPaths:
    """`package_path`: the text of lua_package_path; `library`: the path of libserin.so."""

    package_path: str
    library: str


@dataclass(frozen=True, slots=True)
class NginxSettings:
    """Absolute paths. `lua` None: stock mode, where weights and endpoints are in the file and a change is a reload.

    `http` and `https` are texts for `listen` (`127.0.0.1:8080`, `[::]:8443`); `prefix` is nginx's own folder, with
    hosts/ and certificates/ in it. `user` is empty unless nginx is started by root. `shutdown_grace` in seconds.
    """

    run_dir: str
    prefix: str
    http: tuple[str, ...]
    https: tuple[str, ...]
    status_socket: str
    lua: LuaPaths | None = None
    modules: tuple[str, ...] = ()
    user: str = ""
    workers: int = 1
    connections: int = 16384
    visible_http_port: int = 80
    visible_https_port: int = 443
    access_log: Literal["upstreaminfo", "json", "off"] = "upstreaminfo"
    access_log_path: str = "-"
    log_level: str = "info"
    shutdown_grace: float = 240.0
    addresses: tuple[str, ...] = ()
    """Without ports: what ports of TCP and UDP are listened on."""
    stream: bool = False
    """Whether nginx has the stream module, with ssl_preread and realip; `stream_module`: what to load for it."""
    stream_module: str = ""
    half_close: bool = False
    """Whether the stream module passes on that one side has sent all (nginx 1.21.4)."""
    temp: str = ""
    """Where folders for temporary files are made; empty: in `prefix`."""

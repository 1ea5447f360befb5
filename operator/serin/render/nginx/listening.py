"""What the servers of nginx listen on: mostly the ports themselves; HTTPS behind the stream module where TLS of some
hosts is passed on unread, on a UNIX socket that tells the client's address by a PROXY line."""

from dataclasses import dataclass
from pathlib import Path

from serin.render.nginx.settings import NginxSettings
from serin.routing.plan import Globals


@dataclass(frozen=True, slots=True)
class Listens:
    """Texts for `listen`; `http_lines`, `https_lines`: connections begin with a PROXY line."""

    http: tuple[str, ...]
    https: tuple[str, ...]
    http_lines: bool = False
    https_lines: bool = False


def listens(settings: NginxSettings, globals_: Globals) -> Listens:
    lines = globals_.forwarding.proxy_protocol
    if is_behind(settings, globals_):
        return Listens(settings.http, (f"unix:{tls_socket(settings)}",), lines, https_lines=True)
    return Listens(settings.http, settings.https, lines, lines)


def is_behind(settings: NginxSettings, globals_: Globals) -> bool:
    """Whether the stream module has the ports of HTTPS."""
    return globals_.passthrough and settings.stream and bool(settings.https)


def tls_socket(settings: NginxSettings) -> str:
    """Where TLS that is ended here comes in behind the stream module."""
    return str(Path(settings.status_socket).with_name("tls.sock"))


def passed_socket(settings: NginxSettings) -> str:
    """Within the stream module: on its way to endpoints the PROXY line is taken off here."""
    return str(Path(settings.status_socket).with_name("passed.sock"))

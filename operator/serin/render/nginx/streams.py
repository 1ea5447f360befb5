"""The stream part of nginx.conf: ports of TCP and UDP, and TLS that is passed on unread by its name (ssl_preread).

Endpoints are lists of servers here: Debian's nginx has no Lua for streams, so that a change of them is a reload. TLS
that is ended here goes on with a PROXY line to the http part. What is passed on takes a second step inside the stream
part, where that line is taken off again: whether nginx writes one is fixed for a server, and cannot depend on the name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from serin.render.nginx.listening import is_behind, passed_socket, tls_socket
from serin.render.nginx.names import map_key
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.stream_logs import NamedUpstream, StreamLog, stream_log
from serin.render.nginx.upstreams import server_text
from serin.render.nginx.values import Pattern, Text
from serin.routing.beside import Beside
from serin.routing.match import HostTable
from serin.routing.plan import Globals, Pool
from serin.routing.stream_log import upstream_name
from serin.routing.wide import Passing as Rules

EVERYBODY: tuple[str, ...] = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class StreamUpstream:
    """`sticky`: the client's address chooses. Without servers connections are closed."""

    name: str
    servers: tuple[str, ...]
    sticky: bool


@dataclass(frozen=True, slots=True)
class StreamServer:
    """`believed`: whose PROXY lines are."""

    addresses: tuple[str, ...]
    udp: bool
    decode: bool
    encode: bool
    upstream: str
    believed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NameRow:
    """A line of the map from the name in a ClientHello to who gets the connection; empty: TLS is ended here."""

    key: Text | Pattern
    upstream: str

    @property
    def is_pattern(self) -> bool:
        return isinstance(self.key, Pattern)


@dataclass(frozen=True, slots=True)
class Passing:
    """The ports of HTTPS. `ours`, `passed`: sockets of TLS that is ended here, and that is not."""

    addresses: tuple[str, ...]
    ours: str
    passed: str
    decode: bool
    believed: tuple[str, ...]
    rows: tuple[NameRow, ...]


@dataclass(frozen=True, slots=True)
class StreamPart:
    upstreams: tuple[StreamUpstream, ...]
    servers: tuple[StreamServer, ...]
    passing: Passing | None
    rules: Rules
    line_timeout: int
    """Seconds."""
    log: StreamLog | None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the stream part needs beside the plan: pools by id, and ports that nginx may not listen on now."""

    pools: Mapping[str, Pool]
    refused: frozenset[tuple[str, int, str]] = frozenset()
    """Protocol, port and address."""


def stream_part(
    globals_: Globals,
    passed: Mapping[str, Beside],
    names: Iterable[str],
    settings: NginxSettings,
    endpoints: Endpoints,
) -> StreamPart | None:
    """None where there is none. `passed`: by every name of the hosts whose TLS is passed on; `names`: of all hosts."""
    if not settings.stream:
        return None
    upstreams: dict[str, StreamUpstream] = {}

    def upstream(beside: Beside) -> str:
        name = f"serin_stream_{beside.split}"
        pool = endpoints.pools.get(beside.pool)
        servers = tuple(server_text(endpoint) for endpoint in pool.endpoints) if pool is not None else ()
        sticky = pool is not None and bool(pool.client_affinity)
        upstreams[name] = StreamUpstream(name, servers, sticky and bool(servers))
        return name

    servers: list[StreamServer] = []
    named: list[NamedUpstream] = []
    for stream in globals_.streams:
        udp = stream.protocol == "UDP"
        free = [a for a in settings.addresses if (stream.protocol, stream.port, a) not in endpoints.refused]
        if free:
            texts = tuple(f"[{a}]:{stream.port}" if ":" in a else f"{a}:{stream.port}" for a in free)
            believed: tuple[str, ...] = EVERYBODY if stream.decode else ()
            servers.append(StreamServer(texts, udp, stream.decode, stream.encode, upstream(stream.to), believed))
            key = f"{stream.protocol}:{stream.port}"
            named.append(NamedUpstream(key, upstream_name(stream.protocol, stream.to.name)))
    passing = None
    if is_behind(settings, globals_):
        lines = globals_.forwarding.proxy_protocol
        believed = tuple(p for p in globals_.forwarding.proxies if p != "unix:") if lines else ()
        rows = _rows(passed, names, upstream)
        passing = Passing(settings.https, tls_socket(settings), passed_socket(settings), lines, believed, rows)
    if not servers and passing is None:
        return None
    by_name = () if passing is None else sorted({(upstream(beside), beside.name) for beside in passed.values()})
    return StreamPart(
        tuple(upstreams[name] for name in sorted(upstreams)),
        tuple(servers),
        passing,
        globals_.passing,
        globals_.forwarding.line_timeout,
        stream_log(globals_.logs, settings, named, [NamedUpstream(*pair) for pair in by_name]),
    )


def _rows(passed: Mapping[str, Beside], names: Iterable[str], upstream: Callable[[Beside], str]) -> tuple[NameRow, ...]:
    """Other hosts have a line where a wildcard that is passed on could take them (routing.match.HostTable)."""
    rows = [NameRow(map_key(name), upstream(beside)) for name, beside in sorted(passed.items()) if name]
    wildcards = HostTable({name: name for name in passed if name.startswith("*")})
    others = [name for name in dict.fromkeys(names) if name and name not in passed and wildcards.find(name)]
    return (*rows, *(NameRow(map_key(name), "") for name in others))

"""Names in nginx.conf that more than one file speaks of: upstream blocks, certificates, server names.

Nothing in them is a user's text but in server names, which are exact where nginx reads no more than a name in them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from serin.render.nginx.locations import literal
from serin.render.nginx.values import File, Pattern, Text
from serin.routing.identity import digest64
from serin.routing.plan import Protocol, Upstream, UpstreamTls

DEFAULT_CERTIFICATE = "default.pem"
_HOST = re.compile(r"[a-z0-9_-][a-z0-9._-]*").fullmatch
_MAP_WORDS = frozenset({"default", "hostnames", "include", "volatile"})
LABEL = r"[A-Za-z0-9_-]+"


class Scheme(StrEnum):
    HTTP = "http"
    HTTPS = "https"
    GRPC = "grpc"
    GRPCS = "grpcs"
    FASTCGI = "fastcgi"


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    """Connections are kept and used again only among routes of one key."""

    scheme: Scheme
    tls: UpstreamTls | None = None

    @property
    def name(self) -> str:
        """The upstream block's."""
        if self.tls is None:
            return f"serin_{self.scheme}"
        t = self.tls
        told = (t.certificate, t.authorities, t.verify, t.depth, t.ciphers, *t.protocols, "/", t.name, t.send_name)
        return f"serin_{self.scheme}_{digest64([str(part) for part in told])[:8]}"


def schemes(upstream: Upstream) -> tuple[Scheme, ...]:
    """How endpoints are spoken to; two for AUTO_HTTP, for plain and TLS clients."""
    if upstream.protocol is Protocol.AUTO_HTTP:
        return (Scheme.HTTP, Scheme.HTTPS)
    if upstream.protocol is Protocol.GRPC:
        return (Scheme.GRPCS if upstream.tls else Scheme.GRPC,)
    if upstream.protocol is Protocol.FCGI:
        return (Scheme.FASTCGI,)
    return (Scheme.HTTPS if upstream.tls else Scheme.HTTP,)


def upstream_key(upstream: Upstream, scheme: Scheme) -> UpstreamKey:
    return UpstreamKey(scheme, upstream.verification if scheme in (Scheme.HTTPS, Scheme.GRPCS) else None)


@dataclass(frozen=True, slots=True)
class ServerName:
    """A name of a host as nginx's server_name."""

    key: Text | Pattern

    @property
    def is_pattern(self) -> bool:
        return isinstance(self.key, Pattern)


def server_name(name: str) -> ServerName:
    """`*.` is one label in a host's name, `**.` one or more, as in nginx's own `*.`.

    A text that is no plain host name, which no request for a host would hold, is a pattern of itself.
    """
    if name.startswith("**.") and _HOST(name[3:]):
        return ServerName(Text(name[1:]))
    if name.startswith("*.") and _HOST(name[2:]):
        return ServerName(Pattern(f"^{LABEL}\\.{literal(name[2:])}\\z", "~"))
    if _HOST(name):
        return ServerName(Text(name))
    return ServerName(Pattern(f"^{literal(name)}\\z", "~"))


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A line of the map from the name that a client asks for to a certificate. No file: the default one."""

    key: Text | Pattern
    file: File | None

    @property
    def is_pattern(self) -> bool:
        return isinstance(self.key, Pattern)


def certificate_rows(certified: Mapping[str, str], names: Iterable[str], folder: str) -> tuple[CertificateRow, ...]:
    """Names without a certificate have a line where a wildcard with one could take them (routing.match.HostTable)."""
    wildcards = any(name.startswith("*") for name in certified)
    bare = [name for name in dict.fromkeys(names) if name and name not in certified] if wildcards else []
    rows = [CertificateRow(map_key(n), File(f"{folder}/{file}")) for n, file in sorted(certified.items()) if n]
    return (*rows, *(CertificateRow(map_key(name), None) for name in bare))


def map_key(name: str) -> Text | Pattern:
    """A server name as the left side of a map with `hostnames`; what has a meaning of its own there is a pattern."""
    found = server_name(name).key
    if isinstance(found, Pattern):
        return Pattern(found.value, "~*")
    return Pattern(f"^{literal(name)}\\z", "~*") if name in _MAP_WORDS else found

"""What the controller's ConfigMap says, as compile uses it, and what one of its keys is.

The keys stand in modules by subject (settings_tls, settings_clients, …); serin.compile.settings reads them all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from serin.compile.annotations.grammar import Grammar
from serin.compile.annotations.model import BOTH
from serin.compile.guards import Guards
from serin.compile.options import Key as ObjectKey
from serin.refs import Ref, Source
from serin.routing.answers import Bandwidth, Swap
from serin.routing.plan import Algorithm, Upstream
from serin.routing.wide import ClientTls, Compression, Connections, Forwarding, Logs, Passing


@dataclass(frozen=True, slots=True)
class Answers:
    """What is changed on answers, where no annotation says otherwise.

    `error_codes`: statuses that the default backend answers; `intercept`: also those of endpoints. `to_endpoints`,
    `to_clients`: ConfigMaps of headers; `allowed`: names that custom-headers may set, lower-case.
    """

    error_codes: tuple[int, ...] = ()
    intercept: bool = True
    to_endpoints: ObjectKey | None = None
    to_clients: ObjectKey | None = None
    hidden: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    cookie_domain: Swap | None = None
    cookie_path: Swap | None = None
    redirect_from: str = "off"
    redirect_to: str = "off"
    relative_redirects: bool = False
    port_in_redirects: bool = False
    original_uri: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """`hsts_max_age` in seconds, `max_body` in bytes. `no_tls_redirect`, `no_auth`: prefixes of rules' paths.

    `retry_all`: requests that are not idempotent are tried again, too.
    """

    hsts: bool = True
    hsts_max_age: int = 31536000
    hsts_include_subdomains: bool = True
    hsts_preload: bool = False
    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    http_redirect_code: int = 308
    no_tls_redirect: tuple[str, ...] = ("/.well-known/acme-challenge",)
    no_auth: tuple[str, ...] = ("/.well-known/acme-challenge",)
    max_body: int = 1 << 20
    algorithm: Algorithm = Algorithm.ROUND_ROBIN
    upstream: Upstream = field(default_factory=Upstream)
    retry_all: bool = False
    service_upstream: bool = False
    reject_handshake: bool = False
    answers: Answers = field(default_factory=Answers)
    access: Guards = field(default_factory=Guards)
    bandwidth: Bandwidth | None = None
    forwarding: Forwarding = field(default_factory=Forwarding)
    tls: ClientTls = field(default_factory=ClientTls)
    connections: Connections = field(default_factory=Connections)
    compression: Compression = field(default_factory=Compression)
    logs: Logs = field(default_factory=Logs)
    passing: Passing = field(default_factory=Passing)
    generate_request_id: bool = True
    server_tokens: bool = False
    config_map: Ref | None = None

    @property
    def hsts_header(self) -> str:
        """The value of Strict-Transport-Security, empty when off."""
        if not self.hsts:
            return ""
        parts = (f"max-age={self.hsts_max_age}", "includeSubDomains" * self.hsts_include_subdomains)
        return "; ".join(part for part in (*parts, "preload" * self.hsts_preload) if part)

    def source(self, key: str) -> Source:
        """The line of the ConfigMap that says so."""
        return Source(self.config_map or Ref("ConfigMap", "", ""), f"data[{key}]")


@dataclass(frozen=True, slots=True)
class Partly:
    """What a grammar gives for a list of which some entries cannot be read: the others stay in force."""

    value: Any
    refused: tuple[str, ...]
    fate: str = "the other entries are in force"


@dataclass(frozen=True, slots=True)
class Key:
    """How a key's value is read and where it goes; `planes` as of annotations, `about` and `default` for the page.

    `note` tells of a value that can be read that it is not quite what is done; None: it is.
    """

    grammar: Grammar[Any]
    put: Callable[[Settings, Any], Settings]
    planes: frozenset[str] = BOTH
    about: str = ""
    default: str = ""
    note: Callable[[Any], str | None] = lambda value: None
    unreadable: Any = None
    """Stands in for a value that cannot be read, where the default would let in whom the key keeps out."""
    fate: str = "the default is in force"
    multiline: bool = False
    """The grammar may see control characters."""


def own(
    attribute: str,
    grammar: Grammar[Any],
    about: str = "",
    default: str = "",
    *,
    planes: frozenset[str] = BOTH,
) -> Key:
    """A key that is an attribute of Settings."""
    return Key(grammar, lambda settings, value: replace(settings, **{attribute: value}), planes, about, default)


def part(
    name: str,
    attribute: str,
    grammar: Grammar[Any],
    about: str = "",
    default: str = "",
    *,
    planes: frozenset[str] = BOTH,
    note: Callable[[Any], str | None] = lambda value: None,
) -> Key:
    """A key that is an attribute of a part of Settings."""

    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {name: replace(getattr(settings, name), **{attribute: value})}
        return replace(settings, **changes)

    return Key(grammar, put, planes, about, default, note)

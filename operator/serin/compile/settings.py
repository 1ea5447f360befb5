"""The controller's ConfigMap: what holds for every host, and defaults of annotations.

A key is one line of the table. A value that cannot be read counts as absent, with a problem on the ConfigMap.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serin.compile.annotations import buffering, grammar
from serin.compile.annotations.backend import NEXT_UPSTREAM_WORDS
from serin.compile.annotations.grammar import Grammar
from serin.compile.annotations.model import BOTH, NGINX
from serin.compile.findings import Findings
from serin.compile.near import Near
from serin.objects.fields import shorten
from serin.objects.views import ConfigMap
from serin.refs import Ref, Source
from serin.routing.plan import Algorithm, Upstream

_CODES = (301, 302, 307, 308)


@dataclass(frozen=True, slots=True)
class Settings:
    """`hsts_max_age` in seconds, `max_body` in bytes. `no_tls_redirect`, `no_auth`: prefixes of rules' paths."""

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
    reject_handshake: bool = False
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
class Key:
    """How a key's value is read and where it goes; `planes` as of annotations."""

    grammar: Grammar[Any]
    put: Callable[[Settings, Any], Settings]
    planes: frozenset[str] = BOTH


def _plain(grammar_: Grammar[Any], attribute: str) -> Key:
    return Key(grammar_, lambda settings, value: replace(settings, **{attribute: value}))


def _upstream(grammar_: Grammar[Any], attribute: str, convert: Callable[[Any], object]) -> Key:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: convert(value)}
        return replace(settings, upstream=replace(settings.upstream, **changes))

    return Key(grammar_, put)


def _buffering(grammar_: Grammar[Any], attribute: str) -> Key:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: value}
        found = replace(settings.upstream.buffering, **changes)
        return replace(settings, upstream=replace(settings.upstream, buffering=found))

    return Key(grammar_, put, NGINX)


def _redirect_code(text: str) -> int | None:
    code = grammar.ANY_INTEGER.read(text)
    return code if code in _CODES else None


def _locations(text: str) -> tuple[str, ...] | None:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    return found if all(path.startswith("/") for path in found) else None


KEYS: Mapping[str, Key] = {
    "hsts": _plain(grammar.BOOLEAN, "hsts"),
    "hsts-max-age": _plain(grammar.integer(0, 10**10, "seconds"), "hsts_max_age"),
    "hsts-include-subdomains": _plain(grammar.BOOLEAN, "hsts_include_subdomains"),
    "hsts-preload": _plain(grammar.BOOLEAN, "hsts_preload"),
    "ssl-redirect": _plain(grammar.BOOLEAN, "ssl_redirect"),
    "force-ssl-redirect": _plain(grammar.BOOLEAN, "force_ssl_redirect"),
    "http-redirect-code": _plain(Grammar(_redirect_code, "one of 301, 302, 307, 308"), "http_redirect_code"),
    "no-tls-redirect-locations": _plain(Grammar(_locations, "paths separated by commas"), "no_tls_redirect"),
    "no-auth-locations": _plain(Grammar(_locations, "paths separated by commas"), "no_auth"),
    "proxy-body-size": _plain(grammar.SIZE, "max_body"),
    "load-balance": Key(
        grammar.one_of("round_robin", "ewma"), lambda settings, value: replace(settings, algorithm=Algorithm(value))
    ),
    "proxy-connect-timeout": _upstream(grammar.SECONDS, "connect_timeout", float),
    "proxy-read-timeout": _upstream(grammar.SECONDS, "read_timeout", float),
    "proxy-send-timeout": _upstream(grammar.SECONDS, "send_timeout", float),
    "proxy-next-upstream": _upstream(grammar.words(*NEXT_UPSTREAM_WORDS), "next_upstream", tuple),
    "proxy-next-upstream-tries": _upstream(grammar.integer(0, 1000), "tries", int),
    "proxy-next-upstream-timeout": _upstream(grammar.integer(0, 2147483), "tries_timeout", float),
    "ssl-reject-handshake": replace(_plain(grammar.BOOLEAN, "reject_handshake"), planes=NGINX),
    "proxy-http-version": replace(_upstream(buffering.VERSION, "http10", "1.0".__eq__), planes=NGINX),
    "proxy-buffering": _buffering(buffering.SWITCH, "answers"),
    "proxy-request-buffering": _buffering(buffering.SWITCH, "requests"),
    "proxy-buffer-size": _buffering(buffering.BUFFER_SIZE, "size"),
    "proxy-buffers-number": _buffering(buffering.BUFFERS, "number"),
    "proxy-busy-buffers-size": _buffering(buffering.BUSY_SIZE, "busy"),
    "proxy-max-temp-file-size": _buffering(buffering.TEMP_FILE, "max_temp_file"),
    "client-body-buffer-size": _buffering(buffering.BODY_BUFFER, "request_size"),
}

_NEAR = Near(KEYS)

_ACCESS = frozenset(
    {
        *("whitelist-source-range", "denylist-source-range", "block-cidrs", "block-user-agents", "block-referers"),
        *("global-auth-url", "enable-modsecurity", "enable-owasp-modsecurity-crs", "modsecurity-snippet"),
    }
)
"""Keys that keep requests out; without them more come in than the user thinks."""


def read_settings(
    config_map: ConfigMap | None, wanted: Ref | None, findings: Findings, plane: str = "proxy"
) -> Settings:
    """`wanted`: the ConfigMap that the command line names, if any."""
    settings = Settings(config_map=wanted)
    if config_map is None:
        if wanted is not None:
            text = "there is no such ConfigMap; the defaults are in force"
            findings.warning(Source(wanted), "config-map-not-found", text)
        return settings
    for key, text in sorted(config_map.data.items()):
        entry, source = KEYS.get(key), settings.source(key)
        if entry is None:
            _no_such_key(key, source, findings)
            continue
        if text == "":
            continue
        if plane not in entry.planes:
            (needed,) = entry.planes
            text = f"needs the {needed} plane (--plane {needed}); it has no effect"
            findings.warning(source, "config-unsupported", text)
            continue
        value = None if grammar.has_control(text) else entry.grammar.read(text)
        if value is None:
            said = f"expected {entry.grammar.expected}, found {shorten(text)!r}; the default is in force"
            findings.error(source, "config-invalid", said)
        else:
            settings = entry.put(settings, value)
    return _fitting(settings, findings)


def _fitting(settings: Settings, findings: Findings) -> Settings:
    """With buffers that nginx takes."""
    asked = settings.upstream.buffering
    made = buffering.fitting(asked)
    for annotation, text in buffering.misfits(asked, made):
        findings.warning(settings.source(annotation.name), "buffer-size-adjusted", text)
    return settings if made == asked else replace(settings, upstream=replace(settings.upstream, buffering=made))


def _no_such_key(key: str, source: Source, findings: Findings) -> None:
    if key in _ACCESS:
        text = "this access rule is not supported and keeps nobody out"
        findings.error(source, "config-unsupported", text)
    else:
        near = _NEAR.find(key)
        hint = f" (did you mean {near}?)" if near else ""
        findings.warning(source, "config-unsupported", f"no such key is supported{hint}; it has no effect")

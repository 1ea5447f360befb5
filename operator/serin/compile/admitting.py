"""External authentication where a host is compiled: who is asked, with which headers. Also blocks that hold everywhere.

What cannot be honoured closes the routes; nothing here may let in whom a rule was written against.
"""

import re
from dataclasses import dataclass

from serin.compile.annotations import external_auth
from serin.compile.annotations.external_auth import ENABLE_GLOBAL, ExternalAuthRequest
from serin.compile.annotations.headers import fault_of_name, fault_of_value
from serin.compile.annotations.model import Fate
from serin.compile.beside import Besides
from serin.compile.canaries import CheckPattern
from serin.compile.config_maps import ConfigMapReader
from serin.compile.findings import Findings
from serin.compile.header_maps import MOST_LINES
from serin.compile.ingresses import IngressReading
from serin.compile.settings import Settings
from serin.objects.fields import shorten
from serin.objects.views import ConfigMap
from serin.refs import Source
from serin.routing.access import ExternalAuth
from serin.routing.addresses import is_address
from serin.routing.lines import HeaderLine
from serin.routing.plan import Closed
from serin.routing.upstream import Upstream, UpstreamTls
from serin.routing.wide import Blocks

_PLAIN = Upstream()
_CLOSED = Fate.CLOSED.value
MOST_BLOCK_TEXT = 512
"""Bytes of an entry of block-user-agents or -referers: every character of it can be escaped in a token of nginx."""
_ASKS_BY_NAME = re.compile(
    r"""\\[kg][<{']        # what a named group took
    | \(\?P[=>] | \(\?&     # the same, and a group called like a subroutine
    | \(\?\((?![0-9+-])    # a condition on a name
    | \\\\\(\?(?:P|<[A-Za-z_]|')      # a group behind an escaped backslash
    | \[[^\]]*\(\?(?:P|<[A-Za-z_]|')  # or what looks like one in a class
    """,
    re.VERBOSE,
)
"""nginx makes variables of named groups, which would clash with its own: groups lose their names there."""


@dataclass(frozen=True, slots=True)
class HeaderSet:
    """The headers of a ConfigMap, or why they cannot be sent."""

    lines: tuple[HeaderLine, ...] = ()
    error: str = ""


def wanted_auth(reading: IngressReading, settings: Settings) -> ExternalAuthRequest | Closed | None:
    """The Ingress's own; else the ConfigMap's, unless it opts out."""
    if reading.external_auth is not None:
        return reading.external_auth
    return global_auth_of(settings) if reading.values.get(ENABLE_GLOBAL) else None


def global_auth_of(settings: Settings) -> ExternalAuthRequest | Closed | None:
    """What is asked for routes of Ingresses that have no auth-url and do not opt out."""
    auth = settings.access.auth
    if auth.unreadable and (auth.url is not None or auth.unreadable == "global-auth-url"):
        return Closed(503, "config-invalid", settings.source(auth.unreadable))
    if auth.url is None:
        return None
    return ExternalAuthRequest(
        url=auth.url,
        source=settings.source("global-auth-url"),
        method=auth.method,
        signin=auth.signin,
        signin_param=auth.signin_param,
        response_headers=auth.response_headers,
        request_redirect=auth.request_redirect,
        always_set_cookie=auth.always_set_cookie,
        cache_key=auth.cache_key,
        cache_times=auth.cache_times if auth.cache_key else (),
    )


def external_auth_at(
    host: str, asked: ExternalAuthRequest, besides: Besides, config_maps: ConfigMapReader, findings: Findings
) -> ExternalAuth | Closed:
    """`host`: the one whose routes ask; empty for the catch-all, which has no name to put in for `$host`."""
    url = asked.url
    server = url.at(host)
    if not server:
        shown = host or "the catch-all host"
        text = f"$host in the authority needs a host with a name, found {shown}; {_CLOSED}"
        findings.error(asked.source, "auth-url-host-unknown", text)
        return Closed(503, "auth-url-host-unknown", asked.source)
    headers = HeaderSet()
    if asked.set_headers is not None:
        source = asked.set_headers_source or asked.source
        headers = config_maps.parsed(asked.set_headers, read_header_set)
        if headers.error:
            text = f"ConfigMap {'/'.join(asked.set_headers)}: {headers.error}; {_CLOSED}"
            findings.error(source, "auth-headers-unusable", text)
            return Closed(503, "auth-headers-unusable", source)
    return ExternalAuth(
        to=besides.outside(server, url.port, asked.source, over_tls(server) if url.tls else _PLAIN),
        url=url.text,
        host=url.host_header,
        target=url.rest,
        source=asked.source,
        method=asked.method,
        signin=asked.signin,
        signin_param=asked.signin_param,
        response_headers=asked.response_headers,
        request_redirect=asked.request_redirect,
        set_headers=headers.lines,
        always_set_cookie=asked.always_set_cookie,
        cache_key=asked.cache_key,
        cache_times=asked.cache_times,
        keepalive=asked.keepalive,
        keepalive_requests=asked.keepalive_requests,
        keepalive_timeout=asked.keepalive_timeout,
        share_variables=asked.share_variables,
    )


def read_header_set(config_map: ConfigMap | None) -> HeaderSet:
    """All of it, or nothing: an authentication server that misses a header may think otherwise of a request."""
    if config_map is None:
        return HeaderSet(error="there is no such ConfigMap")
    if len(config_map.data) > MOST_LINES:
        return HeaderSet(error=f"expected at most {MOST_LINES} headers, found {len(config_map.data)}")
    for name, value in sorted(config_map.data.items()):
        fault = fault_of_name(name, of_request=True) or fault_of_value(value)
        if fault:
            return HeaderSet(error=f"{shorten(name)} cannot be sent, {fault}")
    return HeaderSet(tuple(HeaderLine(name, value) for name, value in sorted(config_map.data.items())))


def blocks_of(settings: Settings, check: CheckPattern, findings: Findings) -> Blocks:
    """Without entries that cannot be compared in both planes; the others stay in force."""
    asked = settings.access.blocks
    agents = _comparable(asked.user_agents, settings.source("block-user-agents"), check, findings)
    referers = _comparable(asked.referers, settings.source("block-referers"), check, findings)
    return Blocks(asked.cidrs, agents, referers)


def warn_of_global_auth(settings: Settings, findings: Findings) -> None:
    auth = settings.access.auth
    if auth.cache_key and auth.url is not None:
        external_auth.warn_of_key(auth.cache_key, settings.source("global-auth-cache-key"), findings)


def over_tls(server: str) -> Upstream:
    """The certificate is not checked, as in ingress-nginx; a name is sent, so that the right one is shown."""
    return Upstream(tls=True, verification=UpstreamTls(name=server, send_name=not is_address(server)))


def _comparable(texts: tuple[str, ...], source: Source, check: CheckPattern, findings: Findings) -> tuple[str, ...]:
    kept = []
    for text in texts:
        fault = fault_of_block(text, check)
        if fault is None:
            kept.append(text)
        else:
            said = f"{shorten(text)!r} {fault} and blocks nobody; the other entries are in force"
            findings.error(source, "config-invalid", said)
    return tuple(kept)


def fault_of_block(text: str, check: CheckPattern) -> str | None:
    """Why an entry cannot be compared with a header; None when it can. `~` begins a pattern.

    An empty pattern is in every text; it is a slip, and would block everybody.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BLOCK_TEXT:
        return f"has more than {MOST_BLOCK_TEXT} bytes"
    if not text.startswith("~"):
        return None
    pattern = text.removeprefix("~").removeprefix("*")
    if not pattern:
        return "has nothing behind the ~"
    if _ASKS_BY_NAME.search(pattern):
        return "asks for a group by its name (write its number)"
    error = check(pattern, text.startswith("~*"))
    return None if error is None else f"does not compile ({error})"

"""Redirects to https, and what else concerns TLS with clients."""

from collections.abc import Iterable
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.annotations.upstream_tls import CIPHERS_GRAMMAR

_R, _I, _L = Concern.ROUTING, Scope.INGRESS, Scope.LOCATION

SSL_REDIRECT = Annotation(
    "ssl-redirect",
    grammar.BOOLEAN,
    True,
    _R,
    _L,
    "Plain requests are redirected to https when the host has TLS. The ConfigMap's `ssl-redirect` is the default.",
)
FORCE_SSL_REDIRECT = Annotation(
    "force-ssl-redirect",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "Plain requests are redirected to https also without a `tls` section (TLS ends in front of Serin).",
)
PRESERVE_TRAILING_SLASH = Annotation(
    "preserve-trailing-slash",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "The redirect to https keeps a trailing slash; otherwise one is dropped.",
)

SSL_PASSTHROUGH = Annotation(
    "ssl-passthrough",
    grammar.BOOLEAN,
    False,
    _R,
    _I,
    "TLS for the Ingress's hosts is passed on unread, by SNI, to the Service of path `/`; needs "
    "`--enable-ssl-passthrough`. No other annotation counts for such connections.",
)

CIPHERS = Annotation(
    "ssl-ciphers",
    CIPHERS_GRAMMAR,
    "",
    _R,
    _I,
    "Ciphers of TLS 1.2 for the host; its oldest Ingress that has any sets them.",
)
PREFER_SERVER_CIPHERS: Annotation[bool | None] = Annotation(
    "ssl-prefer-server-ciphers",
    grammar.BOOLEAN,
    None,
    _R,
    _I,
    "`false`: the client's order of ciphers counts. Of the host, as `ssl-ciphers`.",
)

FAMILY: tuple[Annotation[Any], ...] = (
    SSL_REDIRECT,
    FORCE_SSL_REDIRECT,
    PRESERVE_TRAILING_SLASH,
    CIPHERS,
    PREFER_SERVER_CIPHERS,
    SSL_PASSTHROUGH,
)


def chosen_ciphers(hosts_values: Iterable[Values]) -> tuple[str, bool | None]:
    """Of the host's Ingresses, oldest first: the first that says so counts, for each of the two by itself."""
    ciphers, prefer_server = "", None
    for values in hosts_values:
        ciphers = ciphers or values.get(CIPHERS)
        if prefer_server is None:
            prefer_server = values.get(PREFER_SERVER_CIPHERS)
    return ciphers, prefer_server

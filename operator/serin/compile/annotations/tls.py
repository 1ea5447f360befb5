"""Redirects to https, and what else concerns TLS with clients."""

from serin.compile.annotations import grammar
from serin.compile.annotations.model import Annotation, Concern, Scope, unsupported

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

FAMILY = (
    SSL_REDIRECT,
    FORCE_SSL_REDIRECT,
    PRESERVE_TRAILING_SLASH,
    unsupported("ssl-ciphers", _R, _I, "Cipher list of the host."),
    unsupported("ssl-prefer-server-ciphers", _R, _I, "Whose order of ciphers counts."),
    SSL_PASSTHROUGH,
)

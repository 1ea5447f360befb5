"""Keys of the ConfigMap about TLS with clients: redirects to it, HSTS, protocols, ciphers, sessions."""

from collections.abc import Mapping

from serin.compile.annotations import grammar
from serin.compile.annotations.buffering import BUFFER_SIZE
from serin.compile.annotations.grammar import BOOLEAN, DURATION, Grammar
from serin.compile.annotations.model import NGINX
from serin.compile.annotations.upstream_tls import CIPHERS_GRAMMAR, PROTOCOL_WORDS
from serin.compile.settings_model import Key, own, part

_CODES = (301, 302, 307, 308)
_CURVES = {
    "x25519": "X25519",
    "x448": "X448",
    "p-256": "prime256v1",
    "prime256v1": "prime256v1",
    "p-384": "secp384r1",
    "secp384r1": "secp384r1",
    "p-521": "secp521r1",
    "secp521r1": "secp521r1",
}
"""By all of their names, since OpenSSL refuses a list that has one of them twice."""


def _redirect_code(text: str) -> int | None:
    code = grammar.ANY_INTEGER.read(text)
    return code if code in _CODES else None


def locations(text: str) -> tuple[str, ...] | None:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    return found if all(path.startswith("/") for path in found) else None


def _curves(text: str) -> str | None:
    """nginx refuses its whole configuration for a list that OpenSSL does not take."""
    if text.strip() == "auto":
        return "auto"
    names = [_CURVES.get(name.lower()) for name in text.strip().split(":")]
    return None if None in names else ":".join(dict.fromkeys(name for name in names if name is not None))


LOCATIONS = Grammar(locations, "paths separated by commas")

KEYS: Mapping[str, Key] = {
    "hsts": own("hsts", BOOLEAN, "Strict-Transport-Security on answers over TLS.", "true"),
    "hsts-max-age": own("hsts_max_age", grammar.integer(0, 10**10, "seconds"), "Its max-age.", "31536000"),
    "hsts-include-subdomains": own("hsts_include_subdomains", BOOLEAN, "Its includeSubDomains.", "true"),
    "hsts-preload": own("hsts_preload", BOOLEAN, "Its preload.", "false"),
    "ssl-redirect": own("ssl_redirect", BOOLEAN, "Default of the annotation.", "true"),
    "force-ssl-redirect": own("force_ssl_redirect", BOOLEAN, "Default of the annotation.", "false"),
    "http-redirect-code": own(
        "http_redirect_code",
        Grammar(_redirect_code, "one of 301, 302, 307, 308"),
        "Status of redirects to https, and between the `www.` forms of a host.",
        "308",
    ),
    "no-tls-redirect-locations": own(
        "no_tls_redirect", LOCATIONS, "Paths of rules that are not redirected.", "/.well-known/acme-challenge"
    ),
    "ssl-protocols": part("tls", "protocols", PROTOCOL_WORDS, "Versions of TLS.", "TLSv1.2 TLSv1.3"),
    "ssl-ciphers": part("tls", "ciphers", CIPHERS_GRAMMAR, "Ciphers of TLS 1.2; default: the library's own."),
    "ssl-ecdh-curve": part(
        "tls", "curves", Grammar(_curves, "auto, or curves separated by colons"), "Curves.", "auto", planes=NGINX
    ),
    "ssl-session-cache": part("tls", "session_cache", BOOLEAN, "Sessions are kept.", "true", planes=NGINX),
    "ssl-session-cache-size": part(
        "tls",
        "session_cache_size",
        grammar.size(64 << 10, 1 << 30, "a size from 64k to 1g"),
        "Memory for them.",
        "10m",
        planes=NGINX,
    ),
    "ssl-session-tickets": part("tls", "tickets", BOOLEAN, "Sessions are kept by clients.", "false"),
    "ssl-session-timeout": part("tls", "session_timeout", DURATION, "How long.", "10m", planes=NGINX),
    "ssl-buffer-size": part("tls", "buffer_size", BUFFER_SIZE, "Size of TLS records.", "4k", planes=NGINX),
    "use-http2": part("tls", "http2", BOOLEAN, "HTTP/2 over TLS.", "true", planes=NGINX),
    "ssl-reject-handshake": own(
        "reject_handshake", BOOLEAN, "TLS for a name that no host has is refused.", "false", planes=NGINX
    ),
}

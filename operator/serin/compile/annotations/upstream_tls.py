"""TLS towards endpoints (proxy-ssl-*): who they have to be, and who we are to them."""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.buffering import SWITCH
from serin.compile.annotations.grammar import Grammar
from serin.compile.annotations.model import Annotation, Concern, Fate, Scope, Values
from serin.compile.annotations.references import SECRET, secret_of
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.refs import Source
from serin.routing.plan import Closed, Protocol, Upstream, UpstreamTls

_A, _R, _I = Concern.ACCESS, Concern.ROUTING, Scope.INGRESS
_CIPHERS = grammar.characters(r"A-Za-z0-9\-_:+!@=.,", "a list of OpenSSL's names of ciphers")


@lru_cache(maxsize=256)
def _ciphers(text: str) -> str | None:
    """nginx refuses its whole configuration for a list out of which OpenSSL can choose nothing."""
    found = _CIPHERS.read(text)
    if found is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(found)
    except ssl.SSLError:
        return None
    return found


CIPHERS_GRAMMAR = Grammar(_ciphers, f"{_CIPHERS.expected} of which it has at least one")
PROTOCOL_WORDS = grammar.words("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

SECRET_NAME = Annotation(
    "proxy-ssl-secret",
    SECRET,
    "",
    _R,
    _I,
    "Secret of the Ingress's own namespace with our certificate for the endpoints (`tls.crt`, `tls.key`), with the "
    "authorities that theirs are checked by (`ca.crt`), or both. Without the Secret, requests get 503.",
    fate=Fate.CLOSED,
    differs="it counts for this Ingress alone (there, without proxy-ssl-location-only, for the whole host)",
)
VERIFY = Annotation(
    "proxy-ssl-verify",
    SWITCH,
    False,
    _A,
    _I,
    "`on`: the endpoint's certificate has to be of `ca.crt` in `proxy-ssl-secret`, and for `proxy-ssl-name`; else 502.",
    neutral=frozenset({"off"}),
)
VERIFY_DEPTH = Annotation(
    "proxy-ssl-verify-depth",
    grammar.integer(0, 100),
    1,
    _R,
    _I,
    "Longest chain from an endpoint's certificate to an authority.",
)
CIPHERS = Annotation("proxy-ssl-ciphers", CIPHERS_GRAMMAR, "", _R, _I, "Ciphers towards the endpoints, up to TLS 1.2.")
NAME = Annotation(
    "proxy-ssl-name",
    grammar.pattern(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", "a host name"),
    "",
    _R,
    _I,
    "Name that the endpoint's certificate has to be for, and that is sent with `proxy-ssl-server-name`. Default: the "
    "Host that the endpoint gets.",
    fate=Fate.CLOSED,
)
PROTOCOLS = Annotation("proxy-ssl-protocols", PROTOCOL_WORDS, (), _R, _I, "Versions of TLS towards the endpoints.")
SERVER_NAME = Annotation(
    "proxy-ssl-server-name",
    SWITCH,
    False,
    _R,
    _I,
    "`on`: the endpoint is told the name (SNI).",
    neutral=frozenset({"off"}),
)

FAMILY: tuple[Annotation[Any], ...] = (SECRET_NAME, VERIFY, VERIFY_DEPTH, CIPHERS, NAME, PROTOCOLS, SERVER_NAME)


@dataclass(frozen=True, slots=True)
class UpstreamTlsRequest:
    """`tls` as an Ingress asks for it, but for what is in the Secret, which is looked up with its host."""

    secret: Key | None
    tls: UpstreamTls
    source: Source


def upstream_tls_of(values: Values, upstream: Upstream, findings: Findings) -> UpstreamTlsRequest | Closed | None:
    """None where nothing is asked for, or where the endpoints are not spoken to in TLS."""
    if values.found.keys().isdisjoint(FAMILY):
        return None
    given = [annotation for annotation in FAMILY if annotation in values]
    source = values.source(given[0])
    if not upstream.tls and upstream.protocol is not Protocol.AUTO_HTTP:
        names = ", ".join(annotation.name for annotation in given)
        text = f"{names}: no effect, the endpoints are not spoken to in TLS; write backend-protocol: HTTPS or GRPCS"
        findings.warning(source, "proxy-ssl-unused", text)
        return None
    verify = values.get(VERIFY)
    if verify and SECRET_NAME not in values:
        text = f"needs proxy-ssl-secret, the Secret with the authorities; {Fate.CLOSED.value}"
        findings.error(values.source(VERIFY), "proxy-ssl-secret-missing", text)
        return Closed(503, "proxy-ssl-secret-missing", values.source(VERIFY))
    secret: Key | None = None
    if SECRET_NAME in values:
        named = secret_of(values, SECRET_NAME, "proxy-ssl-secret-namespace", findings)
        if isinstance(named, Closed):
            return named
        secret = named
    tls = UpstreamTls(
        verify=verify,
        depth=values.get(VERIFY_DEPTH),
        ciphers=values.get(CIPHERS),
        protocols=values.get(PROTOCOLS),
        name=values.get(NAME),
        send_name=values.get(SERVER_NAME),
        source=source,
    )
    return UpstreamTlsRequest(secret, tls, source)

"""TLS towards endpoints as proxy-ssl-* ask for it: who they have to be, who we are to them, what they are told.

What a certificate has to be checked for is looked at here after the handshake, before anything is sent: the name may be
one that must not be told to the endpoint (SNI off), and the longest chain is nothing that a context of Python's knows.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serin.routing.upstream import UpstreamTls

Check = Callable[[Any], None]
"""Gets the connection's SSLObject; raises ssl.SSLError when the endpoint is not who it has to be."""

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_WITHOUT = {
    "TLSv1": ssl.OP_NO_TLSv1,
    "TLSv1.1": ssl.OP_NO_TLSv1_1,
    "TLSv1.2": ssl.OP_NO_TLSv1_2,
    "TLSv1.3": ssl.OP_NO_TLSv1_3,
}
USUAL_PROTOCOLS = ("TLSv1.2", "TLSv1.3")


def limit_protocols(context: ssl.SSLContext, words: tuple[str, ...]) -> None:
    """Allow these versions alone, nginx's words; all others if there is none among them that is known."""
    known = [word for word in _VERSIONS if word in words] or list(USUAL_PROTOCOLS)
    context.minimum_version = _VERSIONS[known[0]]
    context.maximum_version = _VERSIONS[known[-1]]
    order = list(_VERSIONS)
    for word in order[order.index(known[0]) : order.index(known[-1])]:
        if word in known:
            context.options &= ~_WITHOUT[word]
        else:
            context.options |= _WITHOUT[word]


def endpoint_context(tls: UpstreamTls, path_of: Callable[[str], Path]) -> ssl.SSLContext:
    """`path_of` gives the PEM file of a digest. OSError (ssl.SSLError is one) when one cannot be loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    limit_protocols(context, tls.protocols)
    if tls.ciphers:
        context.set_ciphers(tls.ciphers)
    if tls.certificate:
        context.load_cert_chain(path_of(tls.certificate))
    if tls.authorities:
        context.load_verify_locations(path_of(tls.authorities))
    return context


def check_of(tls: UpstreamTls, name: str) -> Check | None:
    """What is looked at when the handshake is done; None where nothing is verified."""
    if not tls.verify:
        return None

    def check(link: Any) -> None:
        certificate = link.getpeercert()
        if not certificate or not is_for(certificate, name):
            raise ssl.SSLCertVerificationError(f"the endpoint's certificate is not for {name}")
        if chain_length(link) > tls.depth + 2:  # its own and the root's do not count (SSL_CTX_set_verify_depth)
            raise ssl.SSLCertVerificationError(
                f"the chain to the endpoint's certificate has more than {tls.depth} steps"
            )

    return check


def chain_length(link: Any) -> int:
    """Certificates from the peer's to the authority's, both counted."""
    made = getattr(link, "get_verified_chain", None)
    if made is None:
        made = link._sslobj.get_verified_chain  # noqa: SLF001 - public from Python 3.13 on
    return len(made())


def is_for(certificate: dict[str, Any], name: str) -> bool:
    """As OpenSSL's X509_check_host: DNS names of the certificate, without any its common name; `*` for one label."""
    wanted = name.lower().rstrip(".")
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        parts = (pair for group in certificate.get("subject", ()) for pair in group)
        names = [value for kind, value in parts if kind == "commonName"]
    return bool(wanted) and any(_is_one(given.lower().rstrip("."), wanted) for given in names)


def _is_one(given: str, wanted: str) -> bool:
    if not given.startswith("*."):
        return given == wanted
    label, dot, domain = wanted.partition(".")
    return bool(label and dot) and "." in domain and domain == given[2:]

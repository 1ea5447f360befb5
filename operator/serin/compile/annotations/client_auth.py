"""Certificates of clients (auth-tls-*). Whether the Secret serves, and who has the host, is decided with the host."""

from dataclasses import dataclass
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import NGINX, Annotation, Concern, Fate, Scope, Values
from serin.compile.annotations.references import SECRET, secret_of
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.refs import Source
from serin.routing.plan import ClientVerify, Closed

_A, _R, _L = Concern.ACCESS, Concern.ROUTING, Scope.LOCATION

AUTH_TLS_SECRET = Annotation(
    "auth-tls-secret",
    SECRET,
    "",
    _A,
    _L,
    "Clients need a certificate of the authorities in this Secret's `ca.crt`, and none that is in its `ca.crl`. It is "
    "of the Ingress's own namespace, and counts for the whole host: the host's oldest Ingress that has it sets it. "
    "Plain requests are redirected to https. Without the Secret, requests get 503.",
    planes=NGINX,
)
VERIFY_CLIENT = Annotation(
    "auth-tls-verify-client",
    grammar.one_of("on", "off", "optional", "optional_no_ca", case=True),
    "on",
    _A,
    _L,
    "`on`: needed. `optional`: none, or a good one. `optional_no_ca`: asked for and not checked; the endpoint gets "
    "what came out of it. `off`: not asked for.",
    planes=NGINX,
    neutral=frozenset({"off"}),
)
VERIFY_DEPTH = Annotation(
    "auth-tls-verify-depth",
    grammar.integer(0, 100),
    1,
    _A,
    _L,
    "Longest chain from a client's certificate to an authority.",
    planes=NGINX,
)
MATCH_CN = Annotation(
    "auth-tls-match-cn",
    grammar.pattern(r"CN=[A-Za-z0-9\-._~/:,@ ^$\[\](){}*+?|&=\\]+", "CN= and a PCRE"),
    "",
    _A,
    _L,
    "PCRE that is searched in the subject of the client's certificate, like `CN=app-.*`; else 403.",
    planes=NGINX,
)
ERROR_PAGE = Annotation(
    "auth-tls-error-page",
    grammar.pattern(rf"(?:https?:/)?/[{LETTERS},?&=]+", "a URL or path of letters, digits and - . _ ~ / : , ? & ="),
    "",
    _R,
    _L,
    "Where clients are sent whose certificate is refused. Default: 400.",
    planes=NGINX,
)
PASS_CERTIFICATE = Annotation(
    "auth-tls-pass-certificate-to-upstream",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "The endpoint gets the client's certificate in the header `ssl-client-cert`.",
    planes=NGINX,
    neutral=frozenset({"false"}),
)

FAMILY: tuple[Annotation[Any], ...] = (
    AUTH_TLS_SECRET,
    VERIFY_CLIENT,
    VERIFY_DEPTH,
    MATCH_CN,
    ERROR_PAGE,
    PASS_CERTIFICATE,
)
_RULES: tuple[Annotation[Any], ...] = (AUTH_TLS_SECRET, VERIFY_CLIENT, VERIFY_DEPTH, MATCH_CN)
_DETAILS: tuple[Annotation[Any], ...] = (VERIFY_DEPTH, ERROR_PAGE, PASS_CERTIFICATE)


@dataclass(frozen=True, slots=True)
class ClientAuthRequest:
    """Certificates of clients as an Ingress asks for them. `match` is of its own routes, the rest of the host."""

    secret: Key
    verify: ClientVerify
    depth: int
    error_page: str
    match: str
    match_source: Source
    passed_on: bool
    source: Source


def client_auth_of(
    values: Values, unreadable: frozenset[Annotation[Any]], findings: Findings
) -> ClientAuthRequest | Closed | None:
    """Closed where a rule about certificates cannot be honoured; then nothing of the host can be open either."""
    for annotation in _RULES:
        if annotation in unreadable:
            return Closed(503, "annotation-invalid", values.source(annotation))
    if AUTH_TLS_SECRET not in values:
        return _without_secret(values, findings)
    secret = secret_of(values, AUTH_TLS_SECRET, "auth-tls-secret-namespace", findings)
    if isinstance(secret, Closed):
        return secret
    word = values.get(VERIFY_CLIENT)
    if word == "off":
        if MATCH_CN in values:
            return _unmet(values, "auth-tls-verify-client: off, so that nobody shows a certificate", findings)
        return None
    verify = ClientVerify(word)
    if MATCH_CN in values and verify is ClientVerify.OPTIONAL_NO_CA:
        return _unmet(values, "auth-tls-verify-client: optional_no_ca, so that anybody can write any name", findings)
    return ClientAuthRequest(
        secret=secret,
        verify=verify,
        depth=values.get(VERIFY_DEPTH),
        error_page=values.get(ERROR_PAGE),
        match=values.get(MATCH_CN),
        match_source=values.source(MATCH_CN),
        passed_on=values.get(PASS_CERTIFICATE),
        source=values.source(AUTH_TLS_SECRET),
    )


def _without_secret(values: Values, findings: Findings) -> Closed | None:
    if MATCH_CN in values or values.get_or(VERIFY_CLIENT, "off") != "off":
        source = values.source(MATCH_CN if MATCH_CN in values else VERIFY_CLIENT)
        text = f"needs auth-tls-secret, the Secret with the authorities; {Fate.CLOSED.value}"
        findings.error(source, "auth-tls-secret-missing", text)
        return Closed(503, "auth-tls-secret-missing", source)
    for annotation in _DETAILS:
        if annotation in values:
            text = "has no effect without auth-tls-secret; no client is asked for a certificate"
            findings.warning(values.source(annotation), "auth-tls-unused", text)
    return None


def _unmet(values: Values, why: str, findings: Findings) -> Closed:
    source = values.source(MATCH_CN)
    text = f"expected auth-tls-verify-client: on or optional, found {why}; {Fate.CLOSED.value}"
    findings.error(source, "auth-tls-match-unmet", text)
    return Closed(503, "auth-tls-match-unmet", source)

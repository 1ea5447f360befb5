"""Basic authentication from a Secret."""

from dataclasses import dataclass

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.annotations.references import SECRET, secret_of
from serin.compile.findings import Findings
from serin.refs import Source
from serin.routing.plan import Closed

_A, _L = Concern.ACCESS, Scope.LOCATION

AUTH_TYPE = Annotation(
    "auth-type",
    grammar.one_of("basic", expected="basic (digest is not supported)"),
    "",
    _A,
    _L,
    "`basic`: requests need a user name and password of `auth-secret`.",
)
AUTH_SECRET = Annotation(
    "auth-secret",
    SECRET,
    "",
    _A,
    _L,
    "Secret of the Ingress's own namespace with the users. Without it, or without its key, requests get 503.",
)
AUTH_SECRET_TYPE = Annotation(
    "auth-secret-type",
    grammar.one_of("auth-file", "auth-map"),
    "auth-file",
    _A,
    _L,
    "`auth-file`: an htpasswd text under the key `auth`. `auth-map`: each key is a user, its value the hash.",
)
AUTH_REALM = Annotation(
    "auth-realm",
    grammar.characters(rf"{LETTERS},()'!", "letters, digits, blanks and , . : - _ / ~ ( ) ' !", blanks=True),
    "",
    Concern.COSMETIC,
    _L,
    "Text that browsers may show when they ask for the password.",
)

FAMILY = (AUTH_TYPE, AUTH_SECRET, AUTH_SECRET_TYPE, AUTH_REALM)


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """Basic authentication as an Ingress asks for it; whether the Secret serves is looked up with its host."""

    namespace: str
    name: str
    is_map: bool
    realm: str
    source: Source


def auth_of(values: Values, findings: Findings) -> AuthRequest | Closed | None:
    if AUTH_TYPE not in values:
        if AUTH_SECRET in values:
            text = 'has no effect without auth-type: "basic"; requests are let in without a password'
            findings.error(values.source(AUTH_SECRET), "auth-secret-without-type", text)
        return None
    if AUTH_SECRET not in values:
        text = "auth-type needs auth-secret, the Secret with the users; requests get 503"
        findings.error(values.source(AUTH_TYPE), "auth-secret-missing", text)
        return Closed(503, "auth-secret-missing", values.source(AUTH_TYPE))
    secret = secret_of(values, AUTH_SECRET, "auth-secret-namespace", findings)
    if isinstance(secret, Closed):
        return secret
    is_map = values.get(AUTH_SECRET_TYPE) == "auth-map"
    return AuthRequest(*secret, is_map, values.get(AUTH_REALM), values.source(AUTH_SECRET))

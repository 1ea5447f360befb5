"""External authentication: the annotations, and what an Ingress asks for with them.

Whom a URL with `$host` means, and what is in the ConfigMap of headers, is looked up with the host. A part without which
the server would be asked something else, or its word would not count, is of class access.
"""

from dataclasses import dataclass
from typing import Any

from serin.compile.annotations import cache_times, grammar
from serin.compile.annotations.grammar import Grammar
from serin.compile.annotations.model import Annotation, Concern, Fate, Scope, Values
from serin.compile.annotations.urls import TEXT, Url, read_url
from serin.compile.annotations.variables import HOST_NAMES, unknown_variables
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.refs import Source
from serin.routing.access import CacheTime
from serin.routing.plan import Closed

_A, _R, _L = Concern.ACCESS, Concern.ROUTING, Scope.LOCATION
_FRAMING = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
"""Headers that say how a message is sent: an authentication server's word may not replace them."""
_NAME = r"[A-Za-z0-9_-]{1,256}"
_MOST_NAMES = 64
"""nginx takes a variable for each, and looks through all of them for the next: minutes for tens of thousands."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def _asked(text: str) -> Url | None:
    url = read_url(text)
    if url is None or not HOST_NAMES.issuperset(url.placeholders) or unknown_variables(url.rest):
        return None
    return url


def _known(text: str) -> str | None:
    """A text for which all variables are known."""
    read = grammar.characters(TEXT, "", blanks=True).read(text)
    return read if read is not None and not unknown_variables(read) else None


def _signin(text: str) -> str | None:
    read = _known(text)
    starts = ("http://", "https://", "/", "$scheme://", "${scheme}://", "$pass_access_scheme://")
    return read if read is not None and " " not in read and read.startswith(starts) else None


def _header_names(text: str) -> tuple[str, ...] | None:
    names = tuple({part.strip(" ").lower(): part.strip(" ") for part in text.split(",") if part.strip(" ")}.values())
    one = grammar.pattern(_NAME, "")
    good = 0 < len(names) <= _MOST_NAMES and all(
        one.read(name) is not None and name.lower() not in _FRAMING for name in names
    )
    return names if good else None


URL = Grammar(
    _asked,
    "an http(s) URL of letters, digits and - . _ ~ / : , ? & = % + $, in its authority no variable but $host",
)
METHOD = grammar.one_of(*METHODS, case=True)
SIGNIN = Grammar(_signin, "an http(s) URL or a path, with variables that are known")
PARAM = grammar.pattern(r"[A-Za-z0-9_.~-]+", "the name of a query parameter")
HEADER_NAMES = Grammar(
    _header_names, f"up to {_MOST_NAMES} names of headers separated by commas, none that says how a message is sent"
)
TEXT_WITH_VARIABLES = Grammar(_known, "a text of letters, digits and - . _ ~ / : , ? & = % + $ with known variables")
CACHE_KEY = Grammar(_known, "a text with variables that are known, like $cookie_session")
_CONFIG_MAP = grammar.pattern(r"(?:[a-z0-9-]+/)?[a-z0-9.-]+", "a ConfigMap's name, or NAMESPACE/NAME")
_COUNT = grammar.integer(0, 65535)

AUTH_URL = Annotation(
    "auth-url",
    URL,
    None,
    _A,
    _L,
    "Before each request this URL is asked, with the request's headers and without its body: 2xx lets it in, 401 and "
    "403 are the answer, anything else is 500. `$host` in the authority is the host that is served, which needs a "
    "name; path and query may hold variables. It gets X-Original-URL, X-Original-Method and X-Real-IP.",
)
AUTH_METHOD = Annotation("auth-method", METHOD, "", _A, _L, "Method of the question; GET if absent.")
AUTH_SIGNIN = Annotation(
    "auth-signin",
    SIGNIN,
    "",
    _R,
    _L,
    "Where a 401 sends to by 302, with the address asked for as `rd` (`auth-signin-redirect-param`), unless it is "
    "there.",
)
AUTH_SIGNIN_PARAM = Annotation(
    "auth-signin-redirect-param", PARAM, "rd", _R, _L, "Query parameter of `auth-signin` for the address asked for."
)
AUTH_RESPONSE_HEADERS = Annotation(
    "auth-response-headers",
    HEADER_NAMES,
    (),
    _A,
    _L,
    "Headers of the authentication server's answer that go to the endpoint; a client's own ones of these names do not.",
)
AUTH_REQUEST_REDIRECT = Annotation(
    "auth-request-redirect",
    TEXT_WITH_VARIABLES,
    "",
    _R,
    _L,
    "X-Auth-Request-Redirect for the authentication server; if absent, the request's target.",
)
AUTH_SET_HEADERS = Annotation(
    "auth-proxy-set-headers",
    _CONFIG_MAP,
    "",
    _A,
    _L,
    "ConfigMap of the Ingress's own namespace with headers for the authentication server. Without it, and with a name "
    "or value in it that cannot be sent, requests get 503.",
)
AUTH_ALWAYS_SET_COOKIE = Annotation(
    "auth-always-set-cookie",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "The authentication server's Set-Cookie goes to the client with every status, not only 200 to 308.",
)
AUTH_CACHE_KEY = Annotation(
    "auth-cache-key",
    CACHE_KEY,
    "",
    _A,
    _L,
    "Answers are kept by this text, which must tell users apart (`$cookie_session$http_authorization`). One that "
    "cannot be read keeps none.",
    fate=Fate.ABSENT,
)
AUTH_CACHE_DURATION = Annotation(
    "auth-cache-duration",
    cache_times.GRAMMAR,
    (),
    _A,
    _L,
    "How long answers are kept, by status: `200 202 10m, 401 5s`. Default: `200 202 401 5m`.",
)
AUTH_KEEPALIVE = Annotation(
    "auth-keepalive",
    _COUNT,
    0,
    _R,
    _L,
    "Connections to the authentication server that are kept; it shares those of all who ask it, so that any number "
    "asks for the same.",
)
AUTH_KEEPALIVE_REQUESTS = Annotation(
    "auth-keepalive-requests", grammar.integer(1, 1 << 31), 1000, _R, _L, "Requests of one such connection."
)
AUTH_KEEPALIVE_TIMEOUT = Annotation(
    "auth-keepalive-timeout", grammar.SECONDS, 60, _R, _L, "Seconds that such a connection stays idle."
)
AUTH_SHARE_VARIABLES = Annotation(
    "auth-keepalive-share-vars",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "Shares nginx's variables with the question; nothing here depends on it.",
)
ENABLE_GLOBAL = Annotation(
    "enable-global-auth",
    grammar.BOOLEAN,
    True,
    _A,
    _L,
    "`false`: the ConfigMap's `global-auth-url` is not asked for these routes.",
    fate=Fate.ABSENT,
)

FAMILY: tuple[Annotation[Any], ...] = (
    *(AUTH_URL, AUTH_METHOD, AUTH_SIGNIN, AUTH_SIGNIN_PARAM, AUTH_RESPONSE_HEADERS, AUTH_REQUEST_REDIRECT),
    *(AUTH_SET_HEADERS, AUTH_ALWAYS_SET_COOKIE, AUTH_CACHE_KEY, AUTH_CACHE_DURATION, AUTH_KEEPALIVE),
    *(AUTH_KEEPALIVE_REQUESTS, AUTH_KEEPALIVE_TIMEOUT, AUTH_SHARE_VARIABLES, ENABLE_GLOBAL),
)
_PARTS = tuple(annotation for annotation in FAMILY if annotation not in (AUTH_URL, ENABLE_GLOBAL))


@dataclass(frozen=True, slots=True)
class ExternalAuthRequest:
    """As an Ingress, or the ConfigMap for all, asks for it. `set_headers` names the ConfigMap with them."""

    url: Url
    source: Source
    method: str = ""
    signin: str = ""
    signin_param: str = "rd"
    response_headers: tuple[str, ...] = ()
    request_redirect: str = ""
    set_headers: Key | None = None
    set_headers_source: Source | None = None
    always_set_cookie: bool = False
    cache_key: str = ""
    cache_times: tuple[CacheTime, ...] = ()
    keepalive: int = 0
    keepalive_requests: int = 1000
    keepalive_timeout: int = 60
    share_variables: bool = False


def external_auth_of(values: Values, findings: Findings) -> ExternalAuthRequest | Closed | None:
    """`values` are those of an Ingress that no annotation has closed already."""
    url = values.get(AUTH_URL)
    if url is None:
        for annotation in _PARTS:
            if annotation in values:
                text = "has no effect on an Ingress without auth-url of its own"
                findings.warning(values.source(annotation), "auth-url-missing", text)
        return None
    headers = _headers(values, findings)
    if isinstance(headers, Closed):
        return headers
    key = values.get(AUTH_CACHE_KEY)
    if key:
        warn_of_key(key, values.source(AUTH_CACHE_KEY), findings)
    return ExternalAuthRequest(
        url=url,
        source=values.source(AUTH_URL),
        method=values.get(AUTH_METHOD),
        signin=values.get(AUTH_SIGNIN),
        signin_param=values.get(AUTH_SIGNIN_PARAM),
        response_headers=values.get(AUTH_RESPONSE_HEADERS),
        request_redirect=values.get(AUTH_REQUEST_REDIRECT),
        set_headers=headers,
        set_headers_source=None if headers is None else values.source(AUTH_SET_HEADERS),
        always_set_cookie=values.get(AUTH_ALWAYS_SET_COOKIE),
        cache_key=key,
        cache_times=values.get_or(AUTH_CACHE_DURATION, cache_times.DEFAULT) if key else (),
        keepalive=values.get(AUTH_KEEPALIVE),
        keepalive_requests=values.get(AUTH_KEEPALIVE_REQUESTS),
        keepalive_timeout=values.get(AUTH_KEEPALIVE_TIMEOUT),
        share_variables=values.get(AUTH_SHARE_VARIABLES),
    )


def warn_of_key(key: str, source: Source, findings: Findings) -> None:
    if "$" not in key:
        text = "holds no $variable: one answer of the authentication server counts for all clients"
        findings.warning(source, "auth-cache-key-constant", text)


def _headers(values: Values, findings: Findings) -> Key | Closed | None:
    """The ConfigMap of headers: of the own namespace, because its owner must have wanted it."""
    if AUTH_SET_HEADERS not in values:
        return None
    own, source = values.meta.ref.namespace, values.source(AUTH_SET_HEADERS)
    namespace, slash, name = values.get(AUTH_SET_HEADERS).rpartition("/")
    if not slash or namespace == own:
        return own, name
    text = f"a ConfigMap of another namespace is refused, expected one of {own}; {Fate.CLOSED.value}"
    findings.error(source, "auth-headers-namespace", text)
    return Closed(503, "auth-headers-namespace", source)

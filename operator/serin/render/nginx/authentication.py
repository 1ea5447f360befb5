"""External authentication: the internal location that asks a server by `auth_request`, and where a 401 is sent to.

What a route asks with is worked out in its own location (`set`), before the path is rewritten: in the subrequest
`$uri` and `$args` are its own. Equal questions of a host share a location. nginx.conf gets no name of a user's.
"""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from serin.render.nginx.besides import beside_url
from serin.render.nginx.blocks import fits, header_variable
from serin.render.nginx.headers import Given, Headers
from serin.render.nginx.policies import Set
from serin.render.nginx.proxying import Proxy, beside_proxy
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.texts import needs_route, text_of
from serin.render.nginx.values import Template, Variable
from serin.routing.access import CacheTime, ExternalAuth
from serin.routing.identity import digest64
from serin.routing.plan import Route
from serin.routing.variables import split_variables

CACHE = "serin_auth"
"""The zone of answers that are kept."""
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}").fullmatch
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}").fullmatch
_CODES = range(100, 600)
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "upgrade", "proxy", "te", "trailer"})
"""Headers of the connection and its framing, which nobody gives."""


@dataclass(frozen=True, slots=True)
class Cache:
    """`key`: what answers are kept by, beside `scope`, which only this question has."""

    scope: str
    key: Template
    times: tuple[CacheTime, ...]

    @property
    def stored(self) -> Template:
        """The whole key, where Lua does not make a digest of it."""
        return Template((f"{self.scope} ", *self.key.parts))


@dataclass(frozen=True, slots=True)
class Question:
    """An internal location that asks. `sent`: header lines; `keep`: the connection is kept.

    `client_certificate`: ssl-client-cert is sent; None: the host asks for none.
    """

    method: str
    host: Template
    sent: tuple[Given, ...]
    redirect: Template
    keep: bool
    cache: Cache | None
    proxy: Proxy
    client_certificate: bool | None

    @property
    def replaced(self) -> frozenset[str]:
        """Names in lower case that `sent` has lines of."""
        return frozenset(given.name.lower() for given in self.sent)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A named location: 302 to `url`. `cookie`: the server's Set-Cookie is passed on."""

    url: Template
    escaped: bool


@dataclass(frozen=True, slots=True)
class Read:
    """`auth_request_set`: a header of the server's answer."""

    variable: Variable
    of: Variable


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route's location says. `number`: of its Question, `sign_in`: of its SignIn, -1: none.

    `escaped`: $serin_escaped_uri is needed by `sets`. `always`: the cookie also on errors.
    """

    number: int
    sets: tuple[Set, ...]
    escaped: bool
    reads: tuple[Read, ...]
    given: tuple[Given, ...]
    always: bool
    sign_in: int = -1


@dataclass(slots=True)
class Questions:
    """All that a host asks, each once; their number is their place."""

    host: str
    settings: NginxSettings
    headers: Headers
    client_certificates: bool = False
    asked: dict[Question, int] = field(default_factory=dict)
    sign_ins: dict[SignIn, int] = field(default_factory=dict)

    def of(self, route: Route) -> Asked | None:
        auth = route.policy.external_auth
        if auth is None:
            return None
        texts = _Lifted(route, self.headers)
        question = self._question(route, auth, texts)
        sign_in = self._sign_in(route, auth) if auth.signin else None
        names = [name for name in dict.fromkeys(n.lower() for n in auth.response_headers) if may_be_sent(name)]
        variables = [Variable(f"serin_auth_{number}") for number in range(len(names))]
        reads = tuple(
            Read(v, Variable("upstream_" + header_variable(n))) for n, v in zip(names, variables, strict=True)
        )
        given = tuple(Given(n, Template((v,))) for n, v in zip(_cased(auth, names), variables, strict=True))
        return Asked(
            self.asked.setdefault(question, len(self.asked)),
            tuple(texts.sets),
            texts.escaped,
            reads,
            given,
            auth.always_set_cookie,
            -1 if sign_in is None else self.sign_ins.setdefault(sign_in, len(self.sign_ins)),
        )

    def _question(self, route: Route, auth: ExternalAuth, texts: "_Lifted") -> Question:
        target = texts.of("target", auth.target)
        url = beside_url(self.host, auth.to)
        # a text with a variable in it is the whole URL; without one nginx would put the location's path into it
        to = Template((*url.parts, *target.parts, Variable("serin_never")))
        lines = [(line.name, line.value) for line in auth.set_headers if may_be_sent(line.name)]
        sent = tuple(Given(name, texts.of(f"h{number}", text)) for number, (name, text) in enumerate(lines))
        redirect = texts.of("redirect", auth.request_redirect or "$request_uri")
        cache = self._cache(route, auth, texts) if auth.cache_key and auth.cache_times else None
        host = texts.of("host", auth.host)
        buffering = route.policy.upstream.buffering
        if cache is not None:
            buffering = replace(buffering, answers=True)  # nothing else is kept
        proxy = beside_proxy(auth.to, to, self.settings, buffering, host)
        certificate = route.policy.pass_client_certificate if self.client_certificates else None
        return Question(auth.method, host, sent, redirect, auth.keepalive > 0, cache, proxy, certificate)

    def _cache(self, route: Route, auth: ExternalAuth, texts: "_Lifted") -> Cache:
        """Each path keeps its own answers: the server is told which one is asked for, and may think otherwise of it."""
        ref, match = route.ingress, route.match
        scope = digest64((self.host, ref.namespace, ref.name, match.kind, match.path, repr(auth)))
        times = tuple(
            CacheTime(codes, time.seconds)
            for time in auth.cache_times
            if time.seconds > 0 and (codes := tuple(code for code in time.codes if code in _CODES))
        )
        return Cache(scope, texts.of("key", auth.cache_key), times)

    def _sign_in(self, route: Route, auth: ExternalAuth) -> SignIn:
        url = text_of(route, auth.signin_url, self.headers)
        return SignIn(url, _has_escaped(url))


class _Lifted:
    """Texts for a subrequest: where one depends on the route's own request, the route's location makes it."""

    def __init__(self, route: Route, headers: Headers) -> None:
        self._route = route
        self._headers = headers
        self.sets: list[Set] = []
        self.escaped = False

    def of(self, name: str, text: str) -> Template:
        made = text_of(self._route, text, self._headers)
        if not any(needs_route(part) for part in made.parts):
            return made
        self.escaped = self.escaped or _has_escaped(made)
        variable = Variable(f"serin_auth_{name}")
        self.sets.append(Set(variable, made))
        return Template((variable,))


def may_be_sent(name: str) -> bool:
    return _NAME(name) is not None and name.lower() not in _OURS


def _has_escaped(text: Template) -> bool:
    return Variable("serin_escaped_uri") in text.parts


def _cased(auth: ExternalAuth, names: list[str]) -> list[str]:
    """As they are written."""
    written = {name.lower(): name for name in reversed(auth.response_headers)}
    return [written[name] for name in names]


def is_sound(auth: ExternalAuth) -> bool:
    """Whether nginx can be told all of it: a part left out could let somebody in."""
    if auth.signin and not _is_url(auth.signin):
        return False
    texts = [auth.target, auth.host, auth.request_redirect, auth.cache_key, auth.signin_url]
    texts += [line.value for line in auth.set_headers]
    if not all(fits("".join(split_variables(text))) for text in texts):
        return False
    return not auth.method or _METHOD(auth.method) is not None


def _is_url(text: str) -> bool:
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True

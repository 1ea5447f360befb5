"""Who answers or is told beside a location's endpoints: error pages, the fallback, the mirror.

Each is a location of its own, made once for equal questions of a host; their number is their place. A request for an
error page is a redirect inside nginx: path, variables and choice of the first one are over then, its method is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from serin.render.nginx.answering import Changes
from serin.render.nginx.authentication import may_be_sent
from serin.render.nginx.besides import beside_url, servers_of
from serin.render.nginx.headers import Given, Headers
from serin.render.nginx.policies import NativeRewrite, Set
from serin.render.nginx.proxying import Proxy, beside_proxy
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.shadows import ShadowLines, ShadowPage, shadow_page
from serin.render.nginx.texts import needs_route, text_of
from serin.render.nginx.values import Template, Variable
from serin.render.nginx.weights import Weights
from serin.routing.answers import ErrorPages
from serin.routing.beside import Beside, Mirror
from serin.routing.plan import Buffering, Policy, Route, Shadow

NOT_SAID = 499
"""nginx has no page for what it never says."""
_CODES = range(300, 600)
_PLAIN = Buffering()


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """`proxy` None: the answer is our own page of `status`. `sent`: what happened, in header lines."""

    changes: Changes
    status: int
    name: Template
    sent: tuple[Given, ...] = ()
    proxy: Proxy | None = None
    cookie: Variable | None = None


@dataclass(frozen=True, slots=True)
class MirrorPage:
    """An internal location that a copy of the request is sent from."""

    host: Template
    body: bool
    proxy: Proxy


@dataclass(frozen=True, slots=True)
class Fallback:
    """The named location of one place, for requests without an endpoint; `proxy` None: 503."""

    name: Template
    proxy: Proxy | None


@dataclass(frozen=True, slots=True)
class ErrorLines:
    """What a location says of errors; `page`: the number of their page. `intercept`: also those of endpoints."""

    codes: tuple[int, ...]
    page: int
    intercept: bool


@dataclass(frozen=True, slots=True)
class MirrorLines:
    page: int
    body: bool
    sets: tuple[Set, ...]


@dataclass(slots=True)
class Pages:
    """Of one host. `weights`: who is there, without Lua."""

    host: str
    settings: NginxSettings
    headers: Headers
    weights: Weights | None = None
    errors: dict[ErrorPage, int] = field(default_factory=dict)
    mirrors: dict[MirrorPage, int] = field(default_factory=dict)
    shadows: dict[ShadowPage, int] = field(default_factory=dict)

    def errors_of(
        self, errors: ErrorPages | None, route: Route | None, changes: Changes, cookie: Variable | None = None
    ) -> ErrorLines | None:
        """`route` None: of requests that no route takes. `changes`: of the answers there, which pages have as well.

        `cookie`: a Set-Cookie of theirs.
        """
        codes = () if errors is None else tuple(code for code in errors.codes if code in _CODES and code != NOT_SAID)
        if errors is None or not codes:
            return None
        page = replace(self._error_page(errors, route, changes), cookie=cookie)
        return ErrorLines(codes, self.errors.setdefault(page, len(self.errors)), not errors.own_only)

    def _error_page(self, errors: ErrorPages, route: Route | None, changes: Changes) -> ErrorPage:
        changes = replace(changes, preflight=None)
        by = errors.by
        if by is None:
            return ErrorPage(changes, errors.status, _name("upstream-default-backend"))
        if not self._is_there(by):
            return ErrorPage(changes, 503, _name(by.name))
        arguments = ("/", Variable("is_args"), Variable("args"))
        to = Template((*beside_url(self.host, by).parts, *arguments))
        sent = (
            Given("Host", Template((Variable("serin_page_host"),))),
            Given("X-Request-ID", Template((Variable("req_id"),))),
            Given("X-Forwarded-For", Template((Variable("remote_addr"),))),
            *said(Template((Variable("serin_code"),)), route),
            *_withheld(None if route is None else route.policy),
        )
        lines: dict[str, Given] = {}
        for line in sent:
            lines.setdefault(line.name.lower(), line)
        return ErrorPage(changes, 0, _name(by.name), tuple(lines.values()), self._proxy(by, to))

    def fallback(self, route: Route, headers: Headers) -> Fallback | None:
        """`headers`: the lines that the route's endpoints get."""
        by = route.policy.fallback
        if by is None:
            return None
        if not self._is_there(by):
            return Fallback(_name(by.name), None)
        proxy = self._proxy(by, beside_url(self.host, by))
        given = {line.name.lower(): line for line in (*headers.given, *said(Template(("503",)), route))}
        return Fallback(_name(by.name), replace(proxy, headers=replace(headers, given=tuple(given.values()))))

    def mirror_of(self, route: Route) -> MirrorLines | None:
        mirror = route.policy.mirror
        if mirror is None or not self._is_there(mirror.to):
            return None
        sets: list[Set] = []
        host = self._lifted(route, mirror.host, "host", sets)
        target = self._lifted(route, mirror.target, "target", sets)
        page = self._mirror_page(mirror, host, target)
        return MirrorLines(self.mirrors.setdefault(page, len(self.mirrors)), mirror.body, tuple(sets))

    def shadow_of(
        self, shadow: Shadow, copied: Variable, headers: Headers, rewrite: NativeRewrite | None, *, by_lua: bool
    ) -> tuple[ShadowLines, tuple[Set, ...]] | None:
        """`headers`, `rewrite`: those of the route's location; `by_lua`: Lua rewrites there."""
        if not self._is_there(shadow.to):
            return None
        page, sets = shadow_page(self.host, shadow, copied, self.settings, headers, rewrite, by_lua=by_lua)
        return ShadowLines(self.shadows.setdefault(page, len(self.shadows))), sets

    def _mirror_page(self, mirror: Mirror, host: Template, target: Template) -> MirrorPage:
        url = beside_url(self.host, mirror.to).parts
        # a URL with a variable in it is taken as a whole; nginx would put the location's path into another one
        to = Template((*url, *_from_root(target), Variable("serin_never")))
        return MirrorPage(host, mirror.body, self._proxy(mirror.to, to))

    def _lifted(self, route: Route, text: str, what: str, sets: list[Set]) -> Template:
        """A text for a subrequest, which has a path of its own: the route's location makes it where it needs that."""
        made = text_of(route, text, self.headers)
        if not any(needs_route(part) for part in made.parts):
            return made
        variable = Variable(f"serin_mirror_{what}")
        sets.append(Set(variable, made))
        return Template((variable,))

    def _proxy(self, beside: Beside, to: Template) -> Proxy:
        return beside_proxy(beside, to, self.settings, _PLAIN, self.headers.host)

    def _is_there(self, beside: Beside) -> bool:
        """With Lua nobody knows until it is asked."""
        return self.settings.lua is not None or bool(servers_of(beside, self.weights))


def said(code: Template, route: Route | None) -> tuple[Given, ...]:
    """What a default backend is told; an empty line is not sent."""
    main = None if route is None or not route.versions else route.versions[0]
    return (
        Given("X-Code", code),
        Given("X-Format", Template((Variable("http_accept"),))),
        Given("X-Original-URI", Template((Variable("request_uri"),))),
        Given("X-Namespace", _name("" if route is None else route.ingress.namespace)),
        Given("X-Ingress-Name", _name("" if route is None else route.ingress.name)),
        Given("X-Service-Name", _name("" if main is None else main.service)),
        Given("X-Service-Port", _name("" if main is None else main.port)),
    )


def _withheld(policy: Policy | None) -> Iterable[Given]:
    names = ["Content-Length", "Content-Type", "Content-Encoding", "Proxy"]
    names += ["Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Trailer"]
    if policy is not None and policy.auth is not None:
        names.append("Authorization")
    if policy is not None and policy.external_auth is not None:
        names += [name for name in policy.external_auth.response_headers if may_be_sent(name)]  # claims of the client
    return (Given(name, Template(())) for name in names)


def _name(text: str) -> Template:
    return Template((text,))


def _from_root(target: Template) -> tuple[str | Variable, ...]:
    first = target.parts[0] if target.parts else ""
    begun = isinstance(first, Variable) or first.startswith("/")
    return target.parts if begun and target.parts else ("/", *target.parts)

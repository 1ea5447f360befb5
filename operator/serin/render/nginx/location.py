"""The content of one location as a value: what its template writes, in the order that nginx works it off.

What is decided is the plan's; here it is only put into nginx's directives. It must not know other locations.
"""

from dataclasses import dataclass, field, replace

from serin.render.nginx.access import Gate
from serin.render.nginx.answering import USUAL as CHANGES
from serin.render.nginx.answering import Changes
from serin.render.nginx.authentication import Asked
from serin.render.nginx.blocks import EMPTY
from serin.render.nginx.bounds import cost, nginx_may_run
from serin.render.nginx.headers import USUAL as USUAL_HEADERS
from serin.render.nginx.headers import Headers
from serin.render.nginx.in_force import WeightLine
from serin.render.nginx.locations import Kind, Place
from serin.render.nginx.pages import ErrorLines, Fallback, MirrorLines
from serin.render.nginx.policies import (
    Answer,
    NativeRewrite,
    Set,
    always,
    chunks,
    lua_rewrite,
    realm,
    rewrite_of,
    to_https,
)
from serin.render.nginx.proxying import Proxy, plan_file, proxy_of
from serin.render.nginx.remarks import remarks
from serin.render.nginx.rules import RouteRules
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.shadows import ShadowLines
from serin.render.nginx.spec import spec_text, version_name
from serin.render.nginx.values import File, Pattern, Remark, Template, Text, Variable
from serin.render.publication import users_file
from serin.routing.identity import digest64
from serin.routing.plan import ClientAuth, Globals, Policy, Route, TlsRedirect

_USUAL = Policy()


@dataclass(frozen=True, slots=True)
class Auth:
    """Basic authentication."""

    realm: Text
    users: File


@dataclass(frozen=True, slots=True)
class ToHttps:
    """Plain requests get the answer when the variable says so."""

    when: Variable
    answer: Answer


@dataclass(frozen=True, slots=True)
class LuaRewrite:
    """What follows where the rewrite sends nobody away: 404 when `missing`, before it the redirect to https."""

    missing: bool = False
    to_https: ToHttps | None = None
    https_text: Template | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """`path` is a Text (exact, prefix), a Pattern, or a number (named). Fields are in the order of their directives."""

    kind: Kind
    path: Text | Pattern | int
    remarks: tuple[Remark, ...] = ()
    weights: tuple[WeightLine, ...] = ()
    max_body: int | None = None
    sets: tuple[Set, ...] = ()
    answer: Answer | None = None
    client_match: Pattern | None = None
    away: NativeRewrite | None = None
    to_https: ToHttps | None = None
    lua_rewrite: LuaRewrite | None = None
    blocked_first: bool = False
    """Addresses refused everywhere are refused here, where nginx would not ask, or one that passes is enough."""
    empty_when: Variable | None = None
    gate: Gate | None = None
    auth: Auth | None = None
    nothing_behind: int = 0
    """Who may come in gets this status."""
    rewrite: NativeRewrite | None = None
    sticky: bool = False
    set_cookies: tuple[Variable, ...] = ()
    page_cookie: Variable | None = None
    proxy: Proxy | None = None
    changes: Changes = CHANGES
    errors: ErrorLines | None = None
    mirror: MirrorLines | None = None
    copied: Variable | None = None
    """Not empty for requests of which a version in preview gets a copy."""
    shadow: ShadowLines | None = None
    fallback: Fallback | None = None
    number: int = -1
    entered: bool = False
    """With Lua: the endpoint is chosen here, and asked in a named location."""
    fails_apart: bool = False
    """With Lua: a request for which no endpoint could be chosen is answered in a named location with these lines."""

    @property
    def asked(self) -> Asked | None:
        """External authentication."""
        return None if self.gate is None else self.gate.asked

    @property
    def answers(self) -> bool:
        """Whether nginx may answer itself here, outside of an `if`: Lua counts these answers."""
        return any((self.answer, self.away, self.auth, self.gate, self.lua_rewrite, self.entered))


@dataclass(frozen=True, slots=True)
class Around:
    """What a location is made with, beside its route."""

    settings: NginxSettings
    client_auth: ClientAuth | None
    globals: Globals = field(default_factory=Globals)
    usual: Headers = USUAL_HEADERS
    named: bool = False
    """Texts for all hosts speak of what a route is called."""

    @property
    def lua(self) -> bool:
        return self.settings.lua is not None


@dataclass(frozen=True, slots=True)
class Stock:
    """Without Lua: serin.render.nginx.stock.StockRoute, as far as a location needs it."""

    target: Template
    nobody: bool
    maybe_nobody: bool
    schemes: bool
    weights: tuple[WeightLine, ...]
    notes: tuple[str, ...]
    set_cookies: tuple[Variable, ...] = ()
    page_cookie: Variable | None = None
    copied: Variable | None = None


def of_place(place: Place) -> Text | Pattern | int:
    if place.kind is Kind.NAMED:
        return int(place.text)
    return Text(place.text) if place.kind in (Kind.EXACT, Kind.PREFIX) else Pattern(place.text)


NOT_FOUND = Answer(404)
DEFAULT_BACKEND = Set(Variable("proxy_upstream_name"), Template(("upstream-default-backend",)))


def nobody(place: Place, around: Around) -> Location:
    """Paths that no route takes."""
    return _answered(Location(place.kind, of_place(place), sets=(DEFAULT_BACKEND,)), NOT_FOUND, around)


def make_location(
    place: Place,
    route: Route,
    around: Around,
    *,
    rules: RouteRules | None = None,
    stock: Stock | None = None,
    weights: tuple[WeightLine, ...] = (),
    gate: Gate | None = None,
) -> Location:
    """`rules` in Lua mode, `stock` without Lua, for routes that proxy; `weights` are for the comment."""
    policy = route.policy
    notes = rules.notes if rules is not None else stock.notes if stock is not None else ()
    base = Location(
        place.kind,
        of_place(place),
        remarks(route, notes, lua=around.lua),
        stock.weights if stock is not None else weights,
        None if policy.max_body == _USUAL.max_body else policy.max_body,
        _names(route, around),
    )
    found = always(route)
    if found is not None:
        return _answered(base, found)
    if policy.client_match and not nginx_may_run(cost(policy.client_match, False), lua=around.lua):
        return _answered(base, Answer(503))
    if policy.client_match:
        base = replace(base, client_match=Pattern(policy.client_match))
    guarded = policy.auth is not None or gate is not None
    missing = route.split is None and not guarded
    https = None if policy.tls_redirect is None else _https(policy.tls_redirect)
    changed = _rewritten(base, route, around, https, missing=missing)
    if changed is None:
        return _answered(base, Answer(503))
    if missing:
        return changed if changed.lua_rewrite is not None else _answered(changed, NOT_FOUND, around)
    if guarded:
        changed = _guarded(changed, policy, gate, around.settings)
    if route.split is None:
        return replace(changed, nothing_behind=404)
    return _proxied(changed, route, around, rules) if stock is None else _stock(changed, route, around, stock)


def _guarded(location: Location, policy: Policy, gate: Gate | None, settings: NginxSettings) -> Location:
    auth = None
    if policy.auth is not None:
        auth = Auth(realm(policy.auth.realm), plan_file(settings, users_file(policy.auth.users)))
    first = gate is not None and gate.blocked_first
    return replace(location, auth=auth, gate=gate, blocked_first=first)


def _answered(location: Location, answer: Answer, around: Around | None = None) -> Location:
    """`around`: the answer comes after everybody who may not come in was refused."""
    if around is not None and around.globals.blocks.cidrs:
        location = replace(location, blocked_first=True)
    if answer.text is None:
        return replace(location, answer=answer)
    sets, text = chunks("serin_text", answer.text)
    return replace(location, sets=location.sets + sets, answer=replace(answer, text=text))


def _https(redirect: TlsRedirect) -> ToHttps:
    return ToHttps(Variable(spared_variable(redirect.spared)), to_https(redirect))


def spared_variable(spared: tuple[str, ...]) -> str:
    """The variable that is 1 for plain requests, but not for these names."""
    return f"serin_plain_{digest64(spared)}" if spared else "serin_plain"


def _rewritten(
    base: Location, route: Route, around: Around, https: ToHttps | None, *, missing: bool
) -> Location | None:
    """With the redirect to https in its place: after a rewrite to another URL. None: it cannot be rendered."""
    rewrite = route.policy.rewrite
    if rewrite is None:
        return base if https is None else replace(base, to_https=https)
    native = rewrite_of(rewrite, route.match, lua=around.lua)
    if native is not None and native.absolute:
        return replace(base, away=native, to_https=https)
    if native is not None:
        return replace(base, rewrite=native, to_https=https)
    if not around.lua:
        return None
    if missing and not rewrite.absolute:
        return replace(base, to_https=https)
    long, short = chunks("serin_rewrite", Template((lua_rewrite(rewrite),)))
    sets = base.sets + (long or (Set(Variable("serin_rewrite"), short),))
    if not rewrite.absolute:
        return replace(base, sets=sets, to_https=https, lua_rewrite=LuaRewrite())
    text = None if https is None else Template((f"{https.answer.code}:", *(https.answer.text or EMPTY).parts))
    return replace(base, sets=sets, lua_rewrite=LuaRewrite(missing, https, text))


def _proxied(location: Location, route: Route, around: Around, rules: RouteRules | None) -> Location:
    assert rules is not None
    long, spec = chunks("serin", Template((spec_text(route, rules.spec),)))
    sets = location.sets + (long or (Set(Variable("serin"), spec),))
    proxy = _proxy(location, route, around, None)
    return replace(
        location,
        sets=sets,
        sticky=route.policy.affinity is not None,
        set_cookies=() if rules.user_cookie is None else (rules.user_cookie,),
        page_cookie=rules.page_cookie,
        copied=rules.copied,
        proxy=proxy,
    )


def _proxy(location: Location, route: Route, around: Around, stock: Template | None) -> Proxy:
    given = () if location.asked is None else location.asked.given
    return proxy_of(route, around.settings, around.client_auth, stock, around.usual, given)


def _stock(location: Location, route: Route, around: Around, stock: Stock) -> Location:
    if stock.nobody and (location.gate is not None or location.auth is not None):
        return replace(location, rewrite=None, nothing_behind=503)
    if stock.nobody:
        return _answered(replace(location, rewrite=None), Answer(503), around)
    target = stock.target
    if stock.schemes:
        target = Template((*target.parts, "_", Variable("scheme")))
    empty = stock.target.parts[0] if stock.maybe_nobody else None
    assert not isinstance(empty, str)
    proxy = _proxy(location, route, around, target)
    return replace(
        location,
        empty_when=empty,
        set_cookies=stock.set_cookies,
        page_cookie=stock.page_cookie,
        copied=stock.copied,
        proxy=proxy,
    )


def _names(route: Route, around: Around) -> tuple[Set, ...]:
    """What is logged of the route; names are main's."""
    main = route.versions[0] if route.versions else None
    found: list[tuple[str, str]] = []
    if main is not None:
        found.append(("proxy_upstream_name", version_name(main)))
    if around.settings.access_log == "json" or around.named:
        found += [("namespace", route.ingress.namespace), ("ingress_name", route.ingress.name)]
        if main is not None:
            found += [("service_name", main.service), ("service_port", main.port)]
    return tuple(Set(Variable(name), Template((text,))) for name, text in found)

"""The file of one host: its server block, and the maps that only its routes read.

Nothing of another host is looked at, and of the plan's settings only whether handshakes of unknown names are rejected,
so that a file changes only with its own host.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

from jinja2 import Template as Compiled

from serin.refs import Source
from serin.render.nginx import bounds
from serin.render.nginx.access import Gate, gate_of, limit_blocks
from serin.render.nginx.answering import cors_blocks, names_routes, usual_of, wide_lines
from serin.render.nginx.authentication import Question, Questions, SignIn, is_sound
from serin.render.nginx.besides import BesideBlock, beside_blocks, of_globals, of_routes
from serin.render.nginx.blocks import Block, MapBlock, MapRow
from serin.render.nginx.environment import environment
from serin.render.nginx.finishing import finish, finish_nobody
from serin.render.nginx.headers import Given, Headers
from serin.render.nginx.in_force import weight_lines
from serin.render.nginx.listening import listens
from serin.render.nginx.location import Around, Location, Stock, make_location, nobody, spared_variable
from serin.render.nginx.locations import Kind, Layout, Place, fits, layout, literal
from serin.render.nginx.names import Scheme, ServerName, UpstreamKey, schemes, server_name, upstream_key
from serin.render.nginx.pages import ErrorPage, MirrorPage, Pages
from serin.render.nginx.policies import Answer, Set, chunks
from serin.render.nginx.proxying import plan_file
from serin.render.nginx.rules import RouteRules, route_rules
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.shadows import ShadowPage
from serin.render.nginx.spec import encode
from serin.render.nginx.stock import route_stock
from serin.render.nginx.upstreams import UpstreamBlock
from serin.render.nginx.values import File, Name, Pattern, Template, Text, Variable
from serin.render.nginx.weights import Weights
from serin.render.publication import certificate_file
from serin.routing.plan import ClientAuth, Closed, Globals, Host, PathKind, Policy, Route, WwwRedirect

BUILT_IN = ("/healthz", "/nginx_status")
"""Paths of the catch-all host that beat its routes."""

_KINDS = {PathKind.EXACT: "e", PathKind.PREFIX: "p", PathKind.REGEX: "r"}
_NO_WEIGHTS = Weights({}, {})


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    authorities: File
    verify: str
    depth: int
    revoked: File | None
    error_page: Template | None


@dataclass(frozen=True, slots=True)
class Server:
    """What host.j2 writes."""

    host: Name
    names: tuple[ServerName, ...]
    catch_all: bool
    www: Answer | None
    client_auth: ClientCertificates | None
    locations: tuple[Location, ...]
    table: tuple[Set, ...]
    blocks: tuple[Block, ...] = ()
    upstreams: tuple[UpstreamBlock, ...] = ()
    besides: tuple[BesideBlock, ...] = ()
    certificate: bool = False
    reject_handshake: bool = False
    ciphers: Text | None = None
    prefer_server_ciphers: bool | None = None
    questions: tuple[Question, ...] = ()
    sign_ins: tuple[SignIn, ...] = ()
    globals: Globals = field(default_factory=Globals)
    error_pages: tuple[ErrorPage, ...] = ()
    mirrors: tuple[MirrorPage, ...] = ()
    shadows: tuple[ShadowPage, ...] = ()

    @property
    def lines(self) -> tuple[Given, ...]:
        """Header lines of every answer."""
        return wide_lines(self.globals)

    @property
    def bare_lines(self) -> tuple[Given, ...]:
        """The same of answers that come before Strict-Transport-Security is set."""
        return wide_lines(self.globals, hsts=False)

    @property
    def refuses(self) -> bool:
        """Whether some clients get 403 everywhere by what they say of themselves."""
        return bool(self.globals.blocks.user_agents or self.globals.blocks.referers)

    @property
    def headers(self) -> Headers:
        return usual_of(self.globals)

    @property
    def proxies(self) -> bool:
        """Whether Lua has an answer of its own to give."""
        asks = bool(self.table) or bool(self.besides)
        return asks or any(location.proxy is not None for location in self.locations)


def render_host(host: Host, settings: NginxSettings, globals_: Globals, weights: Weights | None = None) -> str:
    """One server. `weights`: needed in stock mode; in Lua mode they go into comments."""
    server = server_of(host, settings, globals_, weights)
    return _template().render(server=server, settings=settings, listens=listens(settings, globals_))


@cache
def _template() -> Compiled:
    return environment().get_template("host.j2")


def upstreams_of(host: Host) -> frozenset[UpstreamKey]:
    """The upstream blocks that the host's routes share with others (Lua mode)."""
    found: set[UpstreamKey] = set()
    for route in host.routes:
        if route.split is not None:
            upstream = route.policy.upstream
            keys = schemes(upstream)
            found.update(upstream_key(upstream, scheme) for scheme in keys)
            if len(keys) > 1 and upstream.verification is not None:
                found.add(UpstreamKey(Scheme.HTTP, upstream.verification))
    return frozenset(found)


def server_of(host: Host, settings: NginxSettings, globals_: Globals, weights: Weights | None) -> Server:
    names = tuple(server_name(name) for name in dict.fromkeys((host.name, *host.aliases)) if name)
    about = Name(host.name or "_")
    catch_all = host.name == ""
    # nginx wants certificates of all servers only where the default one refuses handshakes
    own_context = bool(settings.https) and (
        catch_all
        or host.client_auth is not None
        or globals_.reject_handshake
        or bool(host.ciphers)
        or host.prefer_server_ciphers is not None
    )
    ciphers = Text(host.ciphers) if host.ciphers else None
    if host.www is not None:
        return Server(
            about,
            names,
            catch_all,
            _www(host.www),
            None,
            (),
            (),
            certificate=own_context,
            ciphers=ciphers,
            prefer_server_ciphers=host.prefer_server_ciphers,
            globals=globals_,
        )
    client_auth = None if host.client_auth is None else _client_auth(host.client_auth, settings)
    routes = host.routes if settings.lua is not None else _without_unsafe(host.routes)
    routes = tuple(route if _is_told(route) else _close(route, route, "nginx-refused") for route in routes)
    found = layout(routes, _runs_natively(settings), lua=settings.lua is not None)
    usual = usual_of(globals_)
    questions = Questions(host.name, settings, usual, host.client_auth is not None)
    pages = Pages(host.name, settings, usual, weights)
    contents = _Contents(
        Around(settings, host.client_auth, globals_, usual, names_routes(globals_)), weights, questions, pages
    )
    places = [p for p in found.places if not (catch_all and p.kind is Kind.EXACT and p.text in BUILT_IN)]
    locations = tuple(contents.location(place) for place in places)
    blocks = (*contents.blocks, *_spared(routes), *limit_blocks(route.policy for route in routes), *cors_blocks(routes))
    table = _table(found) if found.dispatched else ()
    reject = catch_all and globals_.reject_handshake
    upstreams = tuple(contents.upstreams)
    besides = beside_blocks(host.name, (*of_routes(routes), *of_globals(globals_)), settings, weights)
    return Server(
        about,
        names,
        catch_all,
        None,
        client_auth,
        locations,
        table,
        blocks,
        upstreams,
        besides,
        own_context,
        reject,
        ciphers,
        host.prefer_server_ciphers,
        tuple(questions.asked),
        tuple(questions.sign_ins),
        globals_,
        tuple(pages.errors),
        tuple(pages.mirrors),
        tuple(pages.shadows),
    )


class _Contents:
    """Makes the locations of a host; rules are made once for a split, whatever number of places it has."""

    def __init__(self, around: Around, weights: Weights | None, questions: Questions, pages: Pages) -> None:
        self._around = around
        self._weights = weights
        self._questions = questions
        self._pages = pages
        self._number = 0
        self._rules: dict[str, RouteRules] = {}
        self._stock: dict[str, Stock] = {}
        self.blocks: list[Block] = []
        self.upstreams: list[UpstreamBlock] = []

    def location(self, place: Place) -> Location:
        route = place.route
        if route is None:
            return finish_nobody(nobody(place, self._around), self._around, self._pages)
        gate = gate_of(route.policy, self._around.globals.blocks, self._questions.of(route))
        stock = None if self._around.lua or route.split is None else self._stock_of(route, route.split)
        made = self._made(place, route, stock, gate)
        self._number += 1
        nobody_there = stock is not None and stock.nobody
        return finish(made, route, self._around, self._pages, self._number - 1, nobody=nobody_there)

    def _made(self, place: Place, route: Route, stock: Stock | None, gate: Gate | None) -> Location:
        if route.split is None:
            return make_location(place, route, self._around, gate=gate)
        if stock is not None:
            return make_location(place, route, self._around, stock=stock, gate=gate)
        lines = () if self._weights is None else weight_lines(route, self._weights)
        rules = self._rules_of(route, route.split)
        return make_location(place, route, self._around, rules=rules, weights=lines, gate=gate)

    def _rules_of(self, route: Route, split: str) -> RouteRules:
        if split not in self._rules:
            self._rules[split] = route_rules(route, lua=True)
            self.blocks += self._rules[split].blocks
        return self._rules[split]

    def _stock_of(self, route: Route, split: str) -> Stock:
        if split not in self._stock:
            made = route_stock(route, self._weights or _NO_WEIGHTS)
            self.blocks += made.blocks
            self.upstreams += made.upstreams
            self._stock[split] = Stock(
                made.target,
                made.nobody,
                made.maybe_nobody,
                made.schemes,
                made.weights,
                made.notes,
                made.set_cookies,
                made.page_cookie,
                made.copied,
            )
        return self._stock[split]


# --- patterns ---


def _runs_natively(settings: NginxSettings) -> Callable[[str], bool]:
    return lambda path: bounds.nginx_may_run(_path_cost(path), lua=settings.lua is not None)


@lru_cache(maxsize=65536)
def _path_cost(path: str) -> bounds.Cost:
    return bounds.path_cost(path)


def _without_unsafe(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Without Lua: a route that nginx cannot be trusted with is not there, and its Ingress answers 503.

    Where it asks who may come in, so do all routes after it: they would take its requests, and let anybody in.
    """
    unsafe = [route for route in routes if not _is_safe(route)]
    if not unsafe:
        return routes
    closed = {route.ingress: route for route in reversed(unsafe)}
    kept: list[Route] = []
    guard: Route | None = None
    for route in routes:
        if not _is_safe(route):
            guard = guard or (route if _guards(route.policy) else None)
            continue
        by = closed.get(route.ingress) or guard
        kept.append(route if by is None else _close(route, by))
    return tuple(kept)


def _guards(policy: Policy) -> bool:
    asks = policy.auth is not None or policy.external_auth is not None or policy.client_match != ""
    return asks or policy.closed is not None or bool(policy.access.allow or policy.access.deny)


def _is_told(route: Route) -> bool:
    return route.policy.external_auth is None or is_sound(route.policy.external_auth)


def _is_safe(route: Route) -> bool:
    if not fits(route):
        return False
    return route.match.kind is not PathKind.REGEX or bounds.nginx_may_run(_path_cost(route.match.path), lua=False)


def _close(route: Route, by: Route, code: str = "path-regex-unbounded") -> Route:
    source = by.source or Source(by.ingress)
    policy = Policy(closed=Closed(503, code, source))
    return replace(
        route,
        split=None,
        versions=(),
        policy=policy,
        slash_redirect=False,
        match_rules=(),
        canary_route=None,
        split_by=None,
        shadow=None,
    )


def _table(found: Layout) -> tuple[Set, ...]:
    rows = (
        f"{n}:{_KINDS[r.match.kind]}:{encode(r.match.path)}:{r.policy.max_body}" for n, r in enumerate(found.dispatched)
    )
    sets, text = chunks("serin_table", Template((",".join(rows),)))
    return sets or (Set(Variable("serin_table"), text),)


# --- what holds for the whole server ---


def _www(www: WwwRedirect) -> Answer:
    parts = (Variable("scheme"), f"://{www.host}:", Variable("serin_www_port"), Variable("serin_target"))
    return Answer(www.code, Template(parts), without_hsts=True)


def _client_auth(auth: ClientAuth, settings: NginxSettings) -> ClientCertificates:
    return ClientCertificates(
        plan_file(settings, certificate_file(auth.authorities)),
        auth.verify.value,
        auth.depth,
        plan_file(settings, certificate_file(auth.revoked)) if auth.revoked else None,
        Template((auth.error_page,)) if auth.error_page else None,
    )


def _spared(routes: tuple[Route, ...]) -> tuple[Block, ...]:
    """A map for each list of aliases that are not redirected to https."""
    lists = {r.policy.tls_redirect.spared: None for r in routes if r.policy.tls_redirect is not None}
    return tuple(
        MapBlock(
            "condition",
            Template((Variable("host"),)),
            Variable(spared_variable(spared)),
            Template((Variable("serin_plain"),)),
            tuple(MapRow(_name(name), Template(())) for name in spared),
        )
        for spared in lists
        if spared
    )


def _name(name: str) -> Pattern:
    if name.startswith("**."):
        return Pattern(f"{literal(name[2:])}\\z", "~")
    return Pattern(f"^{literal(name)}\\z", "~")

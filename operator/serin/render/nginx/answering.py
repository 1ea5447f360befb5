"""What is changed on the answers of a location: header lines, CORS, swaps, speed, logs.

nginx inherits all `add_header` and all `*_hide_header` lines or none: whoever has one more writes the whole family, in
which the last line of a name counts. Who answers in the place of the endpoints is pages'.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from serin.render.nginx.blocks import EMPTY, Block, MapBlock, MapRow, about, of_variable, plain
from serin.render.nginx.headers import Given, Headers, usual_headers
from serin.render.nginx.locations import literal
from serin.render.nginx.texts import speaks_of_routes, text_of, text_of_all
from serin.render.nginx.values import Pattern, Template, Text, Variable
from serin.routing.answers import Bandwidth, Cors, Swap
from serin.routing.identity import digest64
from serin.routing.lines import HeaderLine
from serin.routing.plan import Globals, Route

HSTS = "Strict-Transport-Security"
ANSWERED_BY_NGINX = frozenset({"connection", "content-length", "content-type", "date", "server", "transfer-encoding"})
"""Headers that nginx writes itself: a line of ours would stand beside its own."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}").fullmatch
_ORIGIN_LABEL = "[A-Za-z0-9-]+"


@dataclass(frozen=True, slots=True)
class SwapLine:
    """`old` and `new` of a directive; neither: off. A pattern takes what begins with a `~` of a user literally."""

    old: Text | Pattern | None = None
    new: Template = EMPTY

    @property
    def is_pattern(self) -> bool:
        return isinstance(self.old, Pattern)


@dataclass(frozen=True, slots=True)
class Changes:
    """None and empty: as everywhere. `lines`: all header lines of answers; `hidden`: all names kept from clients.

    `preflight`: the variable that is 1 for a preflight of an allowed origin.
    """

    lines: tuple[Given, ...] | None = None
    hidden: tuple[str, ...] = ()
    preflight: Variable | None = None
    cookie_domain: SwapLine | None = None
    cookie_path: SwapLine | None = None
    location: SwapLine | None = None
    bandwidth: Bandwidth | None = None
    log: bool = True
    rewrite_log: bool = False
    relative: bool = False

    @property
    def any(self) -> bool:
        """Whether anything is changed at all."""
        return self is not USUAL


USUAL = Changes()


def changes_of(route: Route, globals_: Globals, headers: Headers) -> Changes:
    """`headers`: the usual ones, which texts of users may speak of."""
    policy = route.policy
    own = (*_cors_lines(policy.cors), *_set(route, policy.answer_headers, headers))
    made = Changes(
        _last((*_hsts(globals_), *own, *_set(route, globals_.lines.to_clients, headers))) if own else None,
        _hidden(globals_, [line.name for line in own]) if own else (),
        Variable(cors_name(policy.cors, "preflight")) if policy.cors is not None else None,
        _swap(policy.cookie_domain),
        _swap(policy.cookie_path),
        _swap(policy.location),
        policy.bandwidth,
        policy.access_log,
        policy.rewrite_log,
        policy.relative_redirects,
    )
    return USUAL if made == USUAL else made


# --- header lines ---


def wide_lines(globals_: Globals, *, hsts: bool = True) -> tuple[Given, ...]:
    """Of every answer. `hsts` False: those of answers that come before that header is set."""
    lines = tuple(Given(line.name, _wide(line, globals_)) for line in sound(globals_.lines.to_clients))
    return _last((*_hsts(globals_), *lines)) if hsts else lines


def wide_hidden(globals_: Globals) -> tuple[str, ...]:
    """Names of headers of endpoints' answers that no client gets, beside those that nginx keeps itself."""
    return _hidden(globals_, ())


def usual_of(globals_: Globals) -> Headers:
    """The header lines of endpoints whose routes ask for none of their own (proxy-set-headers are in them)."""
    lines = (line for line in globals_.lines.to_endpoints if _NAME(line.name))
    given = {line.name.lower(): Given(line.name, _wide(line, globals_)) for line in lines}
    return replace(usual_headers(globals_.forwarding), given=tuple(given.values()))


def names_routes(globals_: Globals) -> bool:
    """Whether texts for all hosts speak of what a route is called."""
    lines = (*globals_.lines.to_endpoints, *globals_.lines.to_clients)
    return any(speaks_of_routes(text) for text in (globals_.logs.format, *(line.value for line in lines)))


def _wide(line: HeaderLine, globals_: Globals) -> Template:
    return text_of_all(line.value, usual_headers(globals_.forwarding))


def sound(lines: Iterable[HeaderLine]) -> tuple[HeaderLine, ...]:
    """Those that nginx can set."""
    return tuple(line for line in lines if _NAME(line.name) and line.name.lower() not in ANSWERED_BY_NGINX)


def _hsts(globals_: Globals) -> tuple[Given, ...]:
    return (Given(HSTS, of_variable("serin_hsts")),) if globals_.hsts else ()


def _set(route: Route, lines: Iterable[HeaderLine], headers: Headers) -> tuple[Given, ...]:
    return tuple(Given(line.name, text_of(route, line.value, headers)) for line in sound(lines))


def _last(lines: tuple[Given, ...]) -> tuple[Given, ...]:
    return tuple({line.name.lower(): line for line in lines}.values())


def _hidden(globals_: Globals, own: Iterable[str]) -> tuple[str, ...]:
    names = [HSTS] if globals_.hsts else []
    names += [line.name for line in sound(globals_.lines.to_clients)]
    names += [name for name in globals_.lines.hidden if _NAME(name)]
    return tuple({name.lower(): name for name in (*names, *own)}.values())


# --- CORS ---


def cors_name(cors: Cors, what: str) -> str:
    told = (*cors.origins, "/", cors.methods, cors.headers, cors.expose, str(cors.credentials), str(cors.max_age))
    return f"serin_cors_{what}_{digest64(told)}"


def _cors_values(cors: Cors) -> tuple[tuple[str, str], ...]:
    found = (
        ("Credentials", "true" if cors.credentials else ""),
        ("Methods", cors.methods),
        ("Headers", cors.headers),
        ("Max-Age", str(cors.max_age)),
    )
    named = [(f"Access-Control-Allow-{name}", value) for name, value in found[:3]]
    named += [("Access-Control-Max-Age", found[3][1]), ("Access-Control-Expose-Headers", cors.expose)]
    return tuple((name, value) for name, value in named if value)


def _cors_lines(cors: Cors | None) -> tuple[Given, ...]:
    """Of another origin the endpoint's own headers stand."""
    if cors is None:
        return ()
    if "*" in cors.origins:
        lines = [Given(name, plain(value)) for name, value in _cors_values(cors)]
        return (Given("Access-Control-Allow-Origin", plain("*")), *lines)
    variables = [Given(name, of_variable(cors_name(cors, _short(name)))) for name, _ in _cors_values(cors)]
    return (Given("Access-Control-Allow-Origin", of_variable(cors_name(cors, "allowed"))), *variables)


def _short(name: str) -> str:
    return name.removeprefix("Access-Control-").lower().replace("-", "_")


def cors_blocks(routes: Iterable[Route]) -> tuple[Block, ...]:
    """For the http level, each question once."""
    found = {cors_name(c, "x"): c for c in (route.policy.cors for route in routes) if c is not None}
    return tuple(block for cors in found.values() for block in _blocks(cors))


def _blocks(cors: Cors) -> tuple[Block, ...]:
    preflight = Variable(cors_name(cors, "preflight"))
    if "*" in cors.origins:
        row = MapRow(Pattern("^OPTIONS\\z", "~"), plain("1"))
        return (MapBlock("condition", of_variable("request_method"), preflight, EMPTY, (row,), about(cors.source)),)
    origin = Variable(cors_name(cors, "origin"))
    rows = tuple(MapRow(Pattern(_origin(text), "~*"), of_variable("http_origin")) for text in cors.origins)
    asked = Template((Variable("request_method"), " ", origin))
    return (
        MapBlock("condition", of_variable("http_origin"), origin, EMPTY, rows, about(cors.source)),
        MapBlock("condition", asked, preflight, EMPTY, (MapRow(Pattern("^OPTIONS .", "~"), plain("1")),)),
        _or_own(cors, "Access-Control-Allow-Origin", Template((origin,)), "allowed"),
        *(_or_own(cors, name, plain(value), _short(name)) for name, value in _cors_values(cors)),
    )


def _or_own(cors: Cors, name: str, value: Template, what: str) -> Block:
    """The line's value for an allowed origin, else the endpoint's own."""
    own = of_variable("upstream_http_" + name.lower().replace("-", "_"))
    source = of_variable(cors_name(cors, "origin"))
    return MapBlock("condition", source, Variable(cors_name(cors, what)), value, (MapRow(Text(""), own),))


def _origin(text: str) -> str:
    """One label may stand for the `*` of `scheme://*.domain`."""
    before, star, behind = text.partition("*")
    return f"^{literal(before)}{_ORIGIN_LABEL if star else ''}{literal(behind)}\\z"


# --- swaps ---


def _swap(swap: Swap | None) -> SwapLine | None:
    if swap is None:
        return None
    if not swap.old:
        return SwapLine()
    if swap.old.startswith("~") or swap.old in ("off", "default"):
        return SwapLine(Pattern(f"^{literal(swap.old)}(.*)\\z", "~"), Template((swap.new, Variable("1"))))
    return SwapLine(Text(swap.old), Template((swap.new,)))

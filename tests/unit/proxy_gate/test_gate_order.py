"""The gate against routing's oracle: for any plan and request, the same answer or the same target."""

from collections.abc import Awaitable

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.proxy_gate.gate_fakes import RePattern, client, request, serve

from serin.dataplane.proxy.exchange import Forward
from serin.refs import Ref, Source
from serin.routing.match import find_host, find_route
from serin.routing.outcome import Asked, Reply, before_proxying, before_routing, rewrite_searcher
from serin.routing.paths import normalize
from serin.routing.plan import (
    AppRoot,
    Closed,
    Globals,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Rewrite,
    Route,
    RuleId,
    TlsRedirect,
    UrlRedirect,
    VersionRoute,
    WwwRedirect,
)

INGRESS = Ref("Ingress", "ns", "shop")
SOURCE = Source(INGRESS, "spec")
MAIN = VersionRoute("a" * 16, "main", INGRESS, "main", "80", "p")
NAMES = ("", "a.example", "*.example", "b.example")
PATHS = ("/", "/a", "/a/", "/a/b", "/healthz")

policies = st.builds(
    Policy,
    closed=st.none() | st.just(Closed(503, "bad", SOURCE)),
    app_root=st.none() | st.just(AppRoot("/start", SOURCE)),
    redirect=st.none() | st.sampled_from([UrlRedirect(c, u, SOURCE) for c in (300, 301) for u in ("/t", "http://n")]),
    rewrite=st.none() | st.sampled_from([Rewrite("^/a(/|$)(.*)", t, t[0] == "h", SOURCE) for t in ("/$2", "http://e")]),
    tls_redirect=st.none() | st.sampled_from([TlsRedirect(308, keep, SOURCE) for keep in (False, True)]),
    max_body=st.sampled_from([0, 10]),
)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    path = draw(st.sampled_from(PATHS))
    kind = draw(st.sampled_from([PathKind.EXACT, PathKind.PREFIX, PathKind.PREFIX, PathKind.REGEX]))
    policy = draw(st.just(Policy()) | policies)
    slash = draw(st.booleans()) if kind is PathKind.EXACT else False
    return Route(PathMatch(kind, path), RuleId("", path, "Prefix"), INGRESS, "5p", (MAIN,), policy, slash)


hosts = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.lists(routes(), max_size=4), st.none() | st.none() | st.just(WwwRedirect("www.x", 308, SOURCE))),
    min_size=1,
).map(lambda plan: {name: Host(name, tuple(table), www=www) for name, (table, www) in plan.items()})

targets = st.sampled_from(
    [b"/", b"/a", b"/a/", b"/a/b?c=/", b"/A/b", b"/a%2Fb", b"//a/./b/..", b"/healthz", b"/..", b"/x"]
)


@settings(max_examples=400)
@given(hosts, st.sampled_from(["a.example", "c.example", "b.example", "z"]), targets, st.booleans(), st.integers(0, 11))
def test_the_gate_does_what_the_oracle_says(
    plan: dict[str, Host], name: str, target: bytes, tls: bool, length: int
) -> None:
    decision = serve(*plan.values()).gate(request(target, host=name, length=length), client(tls=tls))
    assert not isinstance(decision, Awaitable)
    got = (
        ("forward", decision.target)
        if isinstance(decision, Forward)
        else (decision.status, dict(decision.headers).get(b"Location", b""))
    )
    assert got == expected(plan, name, target, tls, length)


def expected(plan: dict[str, Host], name: str, target: bytes, tls: bool, length: int) -> tuple[int | str, bytes]:
    path = normalize(target)
    if path is None:
        return 400, b""
    host = find_host(plan, name)
    asked = Asked("GET", tls, name, name.encode(), target, path, length)
    reply = before_routing(asked, host, Globals())
    if reply is not None:
        return reply.status, reply.location
    route = None if host is None else find_route(host, path, RePattern)
    if route is None:
        return 404, b""
    passed = before_proxying(route, asked, Globals(), rewrite_searcher(route, RePattern))
    return (passed.status, passed.location) if isinstance(passed, Reply) else ("forward", passed.target)


text = st.binary(max_size=20).map(lambda data: bytes(b for b in data if b not in b"\r\n\0"))
names = st.sampled_from(
    [b"Cookie", b"Authorization", b"X-Request-ID", b"X-Forwarded-For", b"Region", b"X_Try", b"User-Agent"]
)


@settings(max_examples=300)
@given(hosts, st.lists(st.tuples(names, text), max_size=6), st.binary(max_size=30).map(lambda rest: b"/" + rest))
def test_no_request_makes_the_gate_fail(
    plan: dict[str, Host], headers: list[tuple[bytes, bytes]], target: bytes
) -> None:
    decision = serve(*plan.values()).gate(request(target, *headers, host="a.example"), client())
    assert not isinstance(decision, Awaitable)
    lines = decision.prelude if isinstance(decision, Forward) else b""
    assert lines.count(b"\r") == lines.count(b"\n") == lines.count(b"\r\n")

"""What a request meets before its endpoint, against what ingress-nginx was seen to answer; case ids in brackets."""

from dataclasses import replace
from typing import Any

import pytest

from serin.refs import Ref, Source
from serin.routing.outcome import Asked, Cause, Pass, Reply, before_proxying, before_routing, rewrite_searcher
from serin.routing.paths import normalize
from serin.routing.plan import (
    AppRoot,
    BasicAuth,
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
    WwwRedirect,
)
from serin.routing.search import PatternMaker

INGRESS = Ref("Ingress", "default", "main")
SOURCE = Source(INGRESS, "metadata.annotations")


def asked(target: str, host: str = "h.example", *, tls: bool = False, method: str = "GET", length: int = -1) -> Asked:
    """A request with the Host header `host`."""
    path = normalize(target.encode())
    assert path is not None
    name = host.lower().partition(":")[0].removesuffix(".")
    return Asked(method, tls, name, host.encode(), target.encode(), path, length)


def route(policy: Policy, path: str = "/", *, slash: bool = False) -> Route:
    match = PathMatch(PathKind.EXACT if slash else PathKind.PREFIX, path)
    return Route(match, RuleId("h.example", path, "Prefix"), INGRESS, "0" * 16, (), policy, slash_redirect=slash)


def meet(one: Route, request: Asked, patterns: PatternMaker, settings: Globals | None = None) -> Reply | Pass:
    return before_proxying(one, request, settings or Globals(), rewrite_searcher(one, patterns))


def location(met: Reply | Pass | None, status: int) -> str:
    assert isinstance(met, Reply)
    assert met.status == status
    return met.location.decode()


@pytest.mark.parametrize(
    ("target", "host", "tls", "to"),
    [
        ("/foo", "path-prefix-slash.example", False, "http://path-prefix-slash.example/foo/"),
        ("/foo?a=b&c", "h.example", False, "http://h.example/foo/?a=b&c"),
        ("/foo?", "h.example", False, "http://h.example/foo/"),
        ("/foo", "H.Example:8080", True, "https://h.example/foo/"),
        ("//foo", "h.example", False, "http://h.example/foo/"),
        ("/f%20oo", "h.example", False, "http://h.example/f%20oo/"),
        ("/foo", "", False, "/foo/"),
    ],
)
def test_slash_redirect(patterns: PatternMaker, target: str, host: str, tls: bool, to: str) -> None:
    """[path-prefix-slash]"""
    met = meet(route(Policy(), "/foo", slash=True), asked(target, host, tls=tls), patterns)
    assert location(met, 301) == to


TO_TLS = Policy(tls_redirect=TlsRedirect(308, False, SOURCE))


@pytest.mark.parametrize(
    ("target", "host", "to"),
    [
        ("/a?b=1", "tls.example.com", "https://tls.example.com/a?b=1"),
        ("/a/", "tls-drop-slash.example", "https://tls-drop-slash.example/a"),
        ("/a//", "tls-drop-slash.example", "https://tls-drop-slash.example/a/"),
        ("/", "tls-drop-slash.example", "https://tls-drop-slash.example"),
        ("/a/?b=1", "h.example", "https://h.example/a/?b=1"),
        ("/?b=/", "h.example", "https://h.example/?b="),
        ("/a%2Fb", "h.example", "https://h.example/a%2Fb"),
        ("/a", "UPPER.Example:8080", "https://UPPER.Example/a"),
        ("/a", "[::1]:8080", "https://[::1]/a"),
        ("/a", "[::1]", "https://[::1]/a"),
    ],
)
def test_redirect_to_https(patterns: PatternMaker, target: str, host: str, to: str) -> None:
    """[tls-drop-slash] [tls-wildcard] [notes-tls]"""
    assert location(meet(route(TO_TLS), asked(target, host), patterns), 308) == to


def test_redirect_to_https_with_its_options(patterns: PatternMaker) -> None:
    kept = Policy(tls_redirect=TlsRedirect(301, True, SOURCE))
    assert location(meet(route(kept), asked("/a/"), patterns), 301) == "https://h.example/a/"
    port = Globals(https_port=8443)
    assert location(meet(route(TO_TLS), asked("/a"), patterns, port), 308) == "https://h.example:8443/a"


@pytest.mark.parametrize(
    ("host", "passes"),
    [("alias.example", True), ("Alias.example:80", True), ("x.y.wild.example", True), ("wild.example", False)],
)
def test_no_redirect_to_https_for_names_without_certificate(patterns: PatternMaker, host: str, passes: bool) -> None:
    spared = TlsRedirect(308, False, SOURCE, ("alias.example", "**.wild.example"))
    met = meet(route(Policy(tls_redirect=spared)), asked("/", host), patterns)
    assert isinstance(met, Pass) == passes


def test_no_redirect_to_https_over_tls(patterns: PatternMaker) -> None:
    assert meet(route(TO_TLS), asked("/a", tls=True), patterns) == Pass(b"/a")


def test_a_rule_without_service_answers_404_after_everything_else(patterns: PatternMaker) -> None:
    """[host-default-backend-and-rules]; credentials are asked first, and that is not done here"""
    nothing = replace(route(TO_TLS), split=None)
    assert location(meet(nothing, asked("/a"), patterns), 308) == "https://h.example/a"
    assert meet(nothing, asked("/a", tls=True), patterns) == Reply(404, Cause.NO_SERVICE)
    closed = replace(nothing, policy=Policy(auth=BasicAuth("", "d" * 32, SOURCE)))
    assert meet(closed, asked("/a"), patterns) == Pass(b"/a")


@pytest.mark.parametrize(
    ("target", "host", "tls", "to"),
    [
        ("/", "tls-approot.example", False, "http://tls-approot.example/start"),
        ("/", "tls-approot.example", True, "https://tls-approot.example/start"),
        ("//?q", "Tls-Approot.example:8080", False, "http://Tls-Approot.example:8080/start"),
    ],
)
def test_app_root_comes_before_tls(patterns: PatternMaker, target: str, host: str, tls: bool, to: str) -> None:
    """[tls-approot]"""
    policy = replace(TO_TLS, app_root=AppRoot("/start", SOURCE))
    assert location(meet(route(policy), asked(target, host, tls=tls), patterns), 302) == to


def test_app_root_takes_the_root_alone(patterns: PatternMaker) -> None:
    assert meet(route(Policy(app_root=AppRoot("/start", SOURCE))), asked("/x"), patterns) == Pass(b"/x")


@pytest.mark.parametrize(
    ("code", "url", "to"),
    [
        (301, "https://new.example", "https://new.example"),
        (302, "https://tmp.example", "https://tmp.example"),
        (301, "/there", "http://h.example/there"),
        (308, "//odd", "http://h.example//odd"),
    ],
)
def test_url_redirect_comes_before_tls(patterns: PatternMaker, code: int, url: str, to: str) -> None:
    """[redirect-permanent-code-302] [redirect-temporal-code-301] [redirect-relative]"""
    policy = replace(TO_TLS, redirect=UrlRedirect(code, url, SOURCE))
    assert location(meet(route(policy), asked("/here", "H.Example:81"), patterns), code) == to


def test_code_300_has_the_url_as_body(patterns: PatternMaker) -> None:
    met = meet(route(Policy(redirect=UrlRedirect(300, "https://new.example", SOURCE))), asked("/"), patterns)
    assert met == Reply(300, Cause.REDIRECT, b"", b"https://new.example", SOURCE)


def rewriting(pattern: str, target: str, *, absolute: bool = False) -> Route:
    return route(Policy(rewrite=Rewrite(pattern, target, absolute, SOURCE)), pattern)


@pytest.mark.parametrize(
    ("pattern", "target", "sent", "received"),
    [
        ("/dashboard(/|$)(.*)", "/$2", "/dashboard", "/"),
        ("/dashboard(/|$)(.*)", "/$2", "/dashboard/a/b?c=1", "/a/b?c=1"),
        ("/dashboard(/|$)(.*)", "/$2", "/DashBoard/a", "/a"),
        ("/dashboard(/|$)(.*)", "/$2", "/dashboard/a%2Fb%20c", "/a/b%20c"),
        ("/dashboard(/|$)(.*)", "/$2", "/dashboard/%E4%BD%A0%3F", "/%E4%BD%A0%3F"),
        ("/dashboard(/|$)(.*)", "/$2", "/dashboard//../dashboard/x", "/x"),
        ("/flask", "/", "/flask/x?y", "/?y"),
        ("/flask", "/", "/flask?", "/"),
        ("/a(b)?(c)", "/x$1$2$3$0", "/ac", "/xc/ac"),
        ("/q/(.*)", "$1", "/q/7", "/7"),
        ("/q", "/new", "/other%20x", "/other%20x"),
    ],
)
def test_rewrite(patterns: PatternMaker, pattern: str, target: str, sent: str, received: str) -> None:
    """[notes-rewrite] [notes-rewrite-root]"""
    met = meet(rewriting(pattern, target), asked(sent), patterns)
    assert isinstance(met, Pass)
    assert met.target.decode() == received


@pytest.mark.parametrize(
    ("target", "sent", "to"),
    [
        ("http://elsewhere.example/new", "/go", "http://elsewhere.example/new"),
        ("http://elsewhere.example/new", "/go/x?y=1", "http://elsewhere.example/new?y=1"),
        ("https://e.example$1", "/go/%0d%0aSet-Cookie:%20a", "https://e.example/%0D%0ASet-Cookie:%20a"),
        ("https://e.example$1", "/go/a^b&c;d", "https://e.example/a^b&c;d"),
        ("https://e.example$1", "/go/a^%62&c;d?e+f", "https://e.example/a^b&c;d?e+f"),
        ("https://e.example$1", "/go/a%20%22%23%25%3F%7f%ff+", "https://e.example/a%20%22%23%25?%7F%FF+"),
    ],
)
def test_rewrite_to_an_absolute_url_redirects(patterns: PatternMaker, target: str, sent: str, to: str) -> None:
    """[rewrite-absolute] [notes-redirect]; what the client sent cannot begin another header"""
    one = rewriting("/go((?s:.*))", target, absolute=True)
    one = replace(one, policy=replace(one.policy, tls_redirect=TO_TLS.tls_redirect))
    assert location(meet(one, asked(sent), patterns), 302) == to


def test_rewrite_waits_for_tls(patterns: PatternMaker) -> None:
    one = rewriting("/go", "/new")
    one = replace(one, policy=replace(one.policy, tls_redirect=TO_TLS.tls_redirect))
    assert location(meet(one, asked("/go/x"), patterns), 308) == "https://h.example/go/x"
    assert meet(one, asked("/go/x", tls=True), patterns) == Pass(b"/new", b"/new", SOURCE)


def test_a_rewrite_that_cannot_be_run_is_500(patterns: PatternMaker) -> None:
    assert meet(rewriting("/a", "/b"), asked("/boom"), patterns) == Reply(500, Cause.PATTERN, source=SOURCE)
    assert meet(rewriting("/(", "/b"), asked("/a"), patterns) == Reply(500, Cause.PATTERN, source=SOURCE)


@pytest.mark.parametrize(
    ("limit", "length", "passes"), [(10, 10, True), (10, 11, False), (0, 11, True), (10, -1, True)]
)
def test_body_limit(patterns: PatternMaker, limit: int, length: int, passes: bool) -> None:
    met = meet(route(Policy(max_body=limit)), asked("/", length=length), patterns)
    assert isinstance(met, Pass) is passes
    if isinstance(met, Reply):
        assert (met.status, met.cause) == (413, Cause.BODY)


def test_the_whole_order(patterns: PatternMaker) -> None:
    """Each step hides the ones after it."""
    policy = Policy(
        closed=Closed(503, "auth-secret-missing", SOURCE),
        app_root=AppRoot("/start", SOURCE),
        redirect=UrlRedirect(301, "https://new.example", SOURCE),
        rewrite=Rewrite("/(.*)", "http://e.example/", True, SOURCE),
        tls_redirect=TO_TLS.tls_redirect,
        max_body=1,
    )
    order = [Cause.BODY, Cause.CLOSED, Cause.APP_ROOT, Cause.REDIRECT, Cause.REWRITE, Cause.TLS]
    gone = ["max_body", "closed", "app_root", "redirect", "rewrite", "tls_redirect"]
    for cause, name in zip(order, gone, strict=True):
        met = meet(route(policy), asked("/", length=5), patterns)
        assert isinstance(met, Reply)
        assert met.cause is cause
        changes: dict[str, Any] = {name: 0 if name == "max_body" else None}
        policy = replace(policy, **changes)
    assert meet(route(policy), asked("/", length=5), patterns) == Pass(b"/")


CATCH_ALL, NAMED = Host(""), Host("h.example")


@pytest.mark.parametrize("host", [None, CATCH_ALL])
def test_built_in_paths_of_the_catch_all(host: Host | None) -> None:
    """[host-builtin] [host-none] [host-default-backend]"""
    assert before_routing(asked("/healthz?x", "any.thing"), host, Globals()) == Reply(200, Cause.BUILT_IN, body=b"")
    assert before_routing(asked("/nginx_status", "any.thing"), host, Globals()) == Reply(403, Cause.BUILT_IN)
    assert before_routing(asked("/healthz/x", "any.thing"), host, Globals()) is None


def test_built_in_paths_are_free_on_a_host_of_its_own() -> None:
    """[host-builtin]"""
    assert before_routing(asked("/healthz"), NAMED, Globals()) is None


@pytest.mark.parametrize("host", [None, CATCH_ALL, NAMED])
def test_trace_is_not_allowed(host: Host | None) -> None:
    """[path-raw]"""
    assert before_routing(asked("/healthz", method="TRACE"), host, Globals()) == Reply(405, Cause.METHOD)


@pytest.mark.parametrize(
    ("target", "tls", "to"),
    [
        ("/x?y=1", False, "http://www.redirect.example:80/x?y=1"),
        ("/", True, "https://www.redirect.example:443"),
        ("/x/", False, "http://www.redirect.example:80/x"),
    ],
)
def test_from_to_www(target: str, tls: bool, to: str) -> None:
    """[redirect-www-from-www]"""
    host = Host("redirect.example", www=WwwRedirect("www.redirect.example", 308, SOURCE))
    assert location(before_routing(asked(target, "redirect.example:8080", tls=tls), host, Globals()), 308) == to

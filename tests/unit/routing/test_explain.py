"""Explanations name the answer, who said so, and what lost."""

import json
from dataclasses import replace

import pytest

from serin.errors import UsageError
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.routing.affinity import make_value
from serin.routing.explain import ExplainRequest, explain
from serin.routing.explanation import Explanation
from serin.routing.plan import (
    Affinity,
    BasicAuth,
    CookieRule,
    Endpoint,
    Globals,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Plan,
    Policy,
    Pool,
    PoolSpec,
    Rewrite,
    Route,
    RuleId,
    Share,
    Split,
    TlsRedirect,
    VersionRoute,
)
from serin.routing.search import PatternMaker
from serin.routing.shares import percent

MAIN, CANARY = Ref("Ingress", "demo", "main"), Ref("Ingress", "demo", "canary")
HEADER = Source(CANARY, "metadata.annotations[canary-by-header]")
KEYS = "status host path ingress rule version service reason rewritten_path redirect problems"


def pool(ident: str, service: str, *, filled: bool = True) -> Pool:
    return Pool(PoolSpec(ident, "demo", service, 80), (Endpoint("127.0.0.1", 8081),) if filled else ())


VERSIONS = (
    VersionRoute("0" * 16, "main", MAIN, "v1", "80", "a" * 16),
    VersionRoute(
        "1" * 16,
        "canary",
        CANARY,
        "v2",
        "80",
        "b" * 16,
        HeaderRule("Region", pattern="cd|sz", source=HEADER),
        CookieRule("beta"),
    ),
)
RULE = RuleId("shop.example", "/", "Prefix")
ROUTE = Route(PathMatch(PathKind.PREFIX, "/"), RULE, MAIN, "5" * 16, VERSIONS, Policy())


def plan(*routes: Route, weight: int = 10, canary: bool = True, main: bool = True) -> Plan:
    split = Split("5" * 16, RULE, (Share("0" * 16, "a" * 16, 0), Share("1" * 16, "b" * 16, weight)))
    pools = {"a" * 16: pool("a" * 16, "v1", filled=main), "b" * 16: pool("b" * 16, "v2", filled=canary)}
    hosts = {"shop.example": Host("shop.example", routes or (ROUTE,))}
    return Plan(hosts, {split.id: split}, pools, {}, {}, Globals())


def ask(what: Plan, patterns: PatternMaker, url: str = "http://shop.example/x", **headers: str) -> Explanation:
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return explain(what, ExplainRequest(url, headers=sent), (), patterns)


def test_a_header_decides(patterns: PatternMaker) -> None:
    told = ask(plan(), patterns, Region="cd")
    assert told.to_json() | {"because": [], "lost": []} == {
        "status": None,
        "host": "shop.example",
        "path": "/x",
        "ingress": "demo/main",
        "rule": "shop.example / (Prefix)",
        "version": "canary",
        "service": "v2",
        "reason": "header",
        "rewritten_path": None,
        "redirect": None,
        "shares": {},
        "problems": [],
        "because": [],
        "run": None,
        "user": None,
        "lost": [],
    }
    assert told.because[-1].source == HEADER


def test_weights_name_the_shares(patterns: PatternMaker) -> None:
    told = ask(plan(), patterns, Region="bj")
    assert (told.version, told.service, told.reason) == ("main 90 % / canary 10 %", "v1 / v2", "weight")
    assert told.to_json()["shares"] == {"main": 90.0, "canary": 10.0}
    assert [note.text for note in told.because[1:]] == [
        "main has 90 of 100 by weight",
        "canary has 10 of 100 by weight",
    ]
    assert "does not match" in str(told.lost[0])


def test_credentials_are_asked_for_before_a_version_is_chosen(patterns: PatternMaker) -> None:
    source = Source(MAIN, "metadata.annotations[auth-secret]")
    closed = plan(replace(ROUTE, policy=Policy(auth=BasicAuth("r", "0" * 32, source))))
    without = ask(closed, patterns)
    assert (without.status, without.reason, without.version) == (401, "auth", None)
    assert without.because[-1].source == source
    given = ask(closed, patterns, Authorization="Basic YTpi")
    assert (given.status, given.version) == (None, "main 90 % / canary 10 %")
    assert any("401 unless" in note.text for note in given.because)


@pytest.mark.parametrize(("method", "status"), [("CONNECT", 405), ("TRACE", 405)])
def test_methods_that_no_gateway_takes(patterns: PatternMaker, method: str, status: int) -> None:
    assert explain(plan(), ExplainRequest("http://shop.example/", method), (), patterns).status == status


@pytest.mark.parametrize(
    ("what", "headers", "version", "reason"),
    [
        (plan(weight=0), {}, "main", "default"),
        (plan(weight=100), {}, "canary", "weight"),
        (plan(canary=False), {"Region": "cd"}, "main", "default"),
        (plan(main=False), {}, "canary", "default"),
        (plan(), {"Cookie": "beta=always"}, "canary", "cookie"),
        (plan(), {"Cookie": "beta=never"}, "main", "cookie"),
        (plan(), {"Region": "boom"}, "main", "header"),
    ],
)
def test_who_decides(patterns: PatternMaker, what: Plan, headers: dict[str, str], version: str, reason: str) -> None:
    told = ask(what, patterns, **headers)
    assert (told.version, told.reason) == (version, reason)


def test_never_without_main_is_503(patterns: PatternMaker) -> None:
    told = ask(plan(main=False), patterns, Cookie="beta=never")
    assert (told.status, told.version) == (503, None)
    assert any("main has no ready endpoint" in str(note) for note in told.lost)


def test_the_affinity_cookie_wins(patterns: PatternMaker) -> None:
    sticky = replace(ROUTE, policy=Policy(affinity=Affinity("INGRESSCOOKIE", "/")))
    cookie = "INGRESSCOOKIE=" + make_value(b"k", VERSIONS[0].ident).decode()
    told = ask(plan(sticky), patterns, Region="cd", Cookie=cookie)
    assert (told.version, told.reason) == ("main", "sticky")
    assert ask(plan(sticky), patterns, Region="cd", Cookie="INGRESSCOOKIE=rubbish").version == "canary"


def test_redirects_and_rewrites(patterns: PatternMaker) -> None:
    source = Source(MAIN, "spec.tls[0]")
    secure = replace(
        ROUTE,
        policy=Policy(tls_redirect=TlsRedirect(308, False, source), rewrite=Rewrite("/x(.*)", "/y$1", False, source)),
    )
    told = ask(plan(secure), patterns, "http://shop.example/x/z/?q=1")
    assert (told.status, told.redirect) == (308, "https://shop.example/x/z/?q=1")
    assert told.because[-1].source == source
    told = ask(plan(secure), patterns, "https://shop.example/x/z/?q=1")
    assert (told.status, told.path, told.rewritten_path) == (None, "/x/z/", "/y/z/")


def test_what_no_rule_takes(patterns: PatternMaker) -> None:
    only = replace(ROUTE, match=PathMatch(PathKind.EXACT, "/only"), rule=RuleId("shop.example", "/only", "Exact"))
    told = ask(plan(only), patterns)
    assert (told.status, told.host, told.rule) == (404, "shop.example", None)
    assert [str(note) for note in told.lost] == ["shop.example /only (Exact) does not take this path"]
    told = ask(plan(), patterns, "http://nobody.example/")
    assert (told.status, told.host) == (404, None)
    assert ask(plan(), patterns, "http://shop.example/..").status == 400
    assert ask(plan(), patterns, "http://nobody.example/healthz").status == 200


def test_later_rules_lose(patterns: PatternMaker) -> None:
    first = replace(ROUTE, match=PathMatch(PathKind.EXACT, "/x"), rule=RuleId("shop.example", "/x", "Exact"))
    told = ask(plan(first, ROUTE), patterns)
    assert told.rule == "shop.example /x (Exact)"
    assert "shop.example / (Prefix) comes later" in [str(note) for note in told.lost]


def test_a_path_pattern_that_cannot_be_run(patterns: PatternMaker) -> None:
    pattern = replace(ROUTE, match=PathMatch(PathKind.REGEX, "/x"))
    assert ask(plan(pattern, ROUTE), patterns, "http://shop.example/boom").status == 500


def test_problems_of_the_objects_involved(patterns: PatternMaker) -> None:
    found = [
        Problem(Source(CANARY, "spec"), "one", Severity.WARNING, "of the canary"),
        Problem(Source(Ref("Service", "demo", "v2")), "two", Severity.WARNING, "of its service"),
        Problem(Source(Ref("Ingress", "demo", "refused")), "three", Severity.ERROR, "loses shop.example / to another"),
        Problem(Source(Ref("Ingress", "demo", "stranger")), "four", Severity.ERROR, "of somebody else"),
        Problem(
            Source(Ref("Ingress", "demo", "longer")),
            "five",
            Severity.ERROR,
            "loses shop.example.com and my-shop.example",
        ),
    ]
    told = explain(plan(), ExplainRequest("http://shop.example/"), found, patterns)
    assert [p.code for p in told.problems] == ["one", "two", "three"]
    assert told.to_json()["problems"][0] == {
        "code": "one",
        "severity": "warning",
        "object": "Ingress demo/canary",
        "field": "spec",
        "text": "of the canary",
    }


@pytest.mark.parametrize(
    ("url", "headers", "host", "sent"),
    [
        ("http://Shop.Example:8080/x", (), "shop.example", b"Shop.Example:8080"),
        ("http://127.0.0.1:8080/x", (("host", "shop.example."),), "shop.example", b"shop.example."),
        ("http://user:pw@shop.example", (), "shop.example", b"shop.example"),
        ("http://[::1]:8080/", (), "[::1]", b"[::1]:8080"),
    ],
)
def test_a_request_is_read_from_its_url(url: str, headers: tuple[tuple[str, str], ...], host: str, sent: bytes) -> None:
    asked = ExplainRequest(url, headers=headers).asked()
    assert (asked.host, asked.host_header) == (host, sent)


@pytest.mark.parametrize(
    "url", ["shop.example/x", "ftp://shop.example/", "http:///x", "", "http://[::1/x", "http://a:99999/"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="expected http"):
        ExplainRequest(url).asked()


def test_repeated_headers_are_joined(patterns: PatternMaker) -> None:
    request = ExplainRequest("http://shop.example/", headers=(("Region", "bj"), ("region", "sz")))
    assert explain(plan(), request, (), patterns).version == "canary"


def test_forms(patterns: PatternMaker) -> None:
    told = ask(plan(), patterns, Region="cd")
    assert set(KEYS.split()) <= json.loads(told.to_json_text()).keys()
    text = told.to_text()
    assert "version  canary" in text
    assert "header of canary takes the request: `Region: cd` matches `cd|sz` (Ingress demo/canary: " in text
    assert "None" not in text


@pytest.mark.parametrize(("weight", "total", "text"), [(10, 100, "10 %"), (1, 1000, "0.1 %"), (1, 3, "33.3333 %")])
def test_percent(weight: int, total: int, text: str) -> None:
    assert percent(weight, total) == text

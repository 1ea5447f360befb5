"""Routing with the engine that both planes use: what PCRE means beyond Python's `re`, and its bound on work."""

import time

import pytest

from serin.errors import SerinError
from serin.native.pattern import Pattern
from serin.refs import Ref, Source
from serin.routing.decision import Reason, Verdict
from serin.routing.outcome import Asked, Cause, Reply, before_proxying, rewrite_searcher
from serin.routing.plan import (
    Globals,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Rewrite,
    Route,
    RuleId,
    VersionRoute,
)
from serin.routing.rules import CompiledRules
from serin.routing.search import make_searcher
from serin.routing.table import RouteTable

INGRESS = Ref("Ingress", "default", "main")
ENDLESS = "(a+)+$"
"""Takes time that doubles with each letter of `aaaa…!`."""
HARD = b"a" * 64 + b"!"


def rules(pattern: str) -> CompiledRules:
    main = VersionRoute("0" * 16, "main", INGRESS, "main", "80", "f" * 16)
    canary = VersionRoute("1" * 16, "c", INGRESS, "c", "80", "e" * 16, HeaderRule("Region", pattern=pattern))
    return CompiledRules((main, canary), Pattern)


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("cd|sz", b"xcdx", True),
        ("(?i)cd", b"CD", True),
        ("^[[:alpha:]]+$", b"abc", True),
        ("^[[:alpha:]]+$", b"ab1", False),
        ("^Do[A-Z][a-z]+y$", b"DoCanary", True),
        ("^a++b", b"aab", True),
        ("^v[0-9]+$", b"v1\xff", False),
        ("", b"", True),
    ],
)
def test_header_patterns(pattern: str, value: bytes, found: bool) -> None:
    verdict = rules(pattern).judge({b"region": value}.get, None)
    assert verdict == (Verdict(1, 0, Reason.HEADER) if found else Verdict())


@pytest.mark.parametrize("pattern", ["[][**da?$&*", "(ab", ENDLESS])
def test_a_header_pattern_that_cannot_be_run_takes_its_canary_out(pattern: str) -> None:
    assert rules(pattern).judge({b"region": HARD}.get, None) == Verdict(-1, 2, Reason.HEADER)


def test_a_path_pattern_that_cannot_be_run_is_an_error() -> None:
    routes = tuple(
        Route(PathMatch(kind, path), RuleId("h", path, "Prefix"), INGRESS, None, (), Policy())
        for kind, path in ((PathKind.REGEX, "/" + ENDLESS), (PathKind.PREFIX, "/"))
    )
    with pytest.raises(SerinError):
        RouteTable(Host("h", routes), Pattern, lambda r: r).find(b"/" + HARD)


def test_path_patterns_have_a_bound_together() -> None:
    """Each takes some tenths of a millisecond on the path, 3,000 of them nearly forever."""
    routes = [
        Route(PathMatch(PathKind.REGEX, path), RuleId("h", path, "Prefix"), INGRESS, None, (), Policy())
        for path in (f"/(a+)+(b|d{number})" for number in range(3000))
    ]
    few = RouteTable(Host("h", tuple(routes[:10])), Pattern, lambda r: r, time.thread_time)
    assert few.find(b"/" + b"a" * 11 + b"c") is None
    table = RouteTable(Host("h", tuple(routes)), Pattern, lambda r: r, time.thread_time)
    with pytest.raises(SerinError, match="patterns of a host"):
        table.find(b"/" + b"a" * 11 + b"c")
    assert table.find(b"/c") is None


def test_a_rewrite_that_cannot_be_run_is_500() -> None:
    rewrite = Rewrite("/" + ENDLESS, "/$1", False, Source(INGRESS))
    route = Route(
        PathMatch(PathKind.PREFIX, "/"), RuleId("h", "/", "Prefix"), INGRESS, None, (), Policy(rewrite=rewrite)
    )
    asked = Asked("GET", False, "h", b"h", b"/" + HARD, b"/" + HARD)
    met = before_proxying(route, asked, Globals(), rewrite_searcher(route, Pattern))
    assert met == Reply(500, Cause.PATTERN, source=rewrite.source)


def test_groups_that_took_no_part() -> None:
    searcher = make_searcher(Pattern, "/a(b)?(c)(d)?", ignore_case=True, anchored=True)
    assert searcher.search(b"/AC") in (((0, 3), (-1, -1), (2, 3)), ((0, 3), (-1, -1), (2, 3), (-1, -1)))
    assert searcher.search(b"x/ac") is None

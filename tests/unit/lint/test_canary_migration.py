"""A CanaryRoute made of canary Ingresses decides as they do: for random ones, request by request, and over a folder."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unit.compile.manifests import HOST, Raw, canary, endpoints, ingress, service, snapshot

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.lint.canary_migration import Migrated, migrate
from serin.native.pattern import Pattern
from serin.routing.conditions import Subject, header_key
from serin.routing.decision import judge, judge_matches
from serin.routing.plan import Plan, Route

VALUES = ("always", "never", "cd", "xcdx", "", "other")
HEADERS = ("Region", "X-Test")
COOKIES = ("a", "b")
BROKEN = "(cd"


def rules(kinds: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    """Annotations of a canary, without their prefix."""
    return st.fixed_dictionaries(
        {"canary-weight": st.integers(0, 100).map(str)},
        optional={
            "canary-by-header": st.sampled_from(HEADERS),
            "canary-by-header-value": st.sampled_from(VALUES[:4]),
            "canary-by-header-pattern": kinds,
            "canary-by-cookie": st.sampled_from(COOKIES),
        },
    )


PATTERNS = st.sampled_from(["cd", "^cd$", "c|o", "(?i)CD", "x$", BROKEN])
REQUESTS = st.tuples(
    st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(VALUES)),
    st.dictionaries(st.sampled_from(COOKIES), st.sampled_from(VALUES)),
)
Request = tuple[dict[str, str], dict[str, str]]


def compiled(*objects: Raw) -> Compiled:
    return compile_snapshot(snapshot(*objects), Options(standalone=True), check_pattern)


def migrated(*canaries: Raw) -> tuple[Plan, Plan, Migrated]:
    """The plan with canary Ingresses, and the one with what is made of them in their place."""
    services = [found for name in ("v1", "v2", "v3", "v4") for found in (service(name), endpoints(name, "10.0.0.1"))]
    objects = [ingress("main"), *services]
    before = compiled(*objects, *canaries).plan
    (made,) = migrate(before, check_pattern)
    after = compiled(*objects, dict(made.document))
    assert not [p for p in after.problems if p.source.ref.kind == "CanaryRoute"]
    return before, after.plan, made


def shares(plan: Plan, request: Request) -> Mapping[str, Fraction]:
    """The part of such requests that each Service gets."""
    (found,) = routes_of(plan)
    headers, cookies = request
    by_key = {header_key(name): value.encode() for name, value in headers.items()}
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode() or None
    if found.canary_route is None:
        verdict = judge(found.versions, by_key.get, cookie, Pattern).verdict
    else:
        subject = Subject(by_key.get, cookie, b"/", "GET", "10.0.0.1")
        verdict = judge_matches(found.match_rules, found.versions, subject, Pattern).verdict
    return drawn(plan, found, verdict.forced, verdict.excluded)


def drawn(plan: Plan, found: Route, forced: int, excluded: int) -> Mapping[str, Fraction]:
    split = plan.splits[found.split or ""]
    weights = [0 if excluded >> i & 1 else share.weight for i, share in enumerate(split.shares)]
    if forced >= 0:
        weights = [int(i == forced) for i in range(len(weights))]
    elif split.rest:
        weights[0] = max(0, split.total - sum(weights[1:]))
    total = sum(weights)
    return {v.service: Fraction(w, total) for v, w in zip(found.versions, weights, strict=True) if w}


def routes_of(plan: Plan) -> list[Route]:
    return [found for host in plan.hosts.values() for found in host.routes if found.versions]


@settings(max_examples=300, deadline=None)
@given(rules(PATTERNS), REQUESTS)
@example({"canary-by-header": "Region", "canary-by-cookie": "a"}, ({"Region": "never"}, {"a": "always"}))
@example(
    {"canary-by-header": "Region", "canary-by-header-pattern": BROKEN, "canary-weight": "50"}, ({"Region": ""}, {})
)
def test_one_canary_decides_the_same_for_every_request(annotations: dict[str, str], request_: Request) -> None:
    before, after, made = migrated(canary("canary", ("/", "Prefix", "v2"), notes=annotations))
    assert not made.differs
    assert shares(before, request_) == shares(after, request_)


@settings(max_examples=300, deadline=None)
@given(st.lists(rules(PATTERNS), min_size=2, max_size=3), REQUESTS)
@example(
    [{"canary-by-header": "Region", "canary-by-cookie": "a"}, {"canary-by-cookie": "b"}],
    ({"Region": "never"}, {"a": "always", "b": "always"}),
)
def test_of_several_it_is_the_same_unless_it_is_said(several: list[dict[str, str]], request_: Request) -> None:
    ingresses = [canary(f"canary{i}", ("/", "Prefix", f"v{i + 2}"), notes=told) for i, told in enumerate(several)]
    before, after, made = migrated(*ingresses)
    if not made.differs:
        assert shares(before, request_) == shares(after, request_)


def test_never_for_one_of_two_weighted_canaries_is_said_to_differ() -> None:
    first = canary("one", ("/", "Prefix", "v2"), notes={"canary-by-header": "Region", "canary-weight": "10"})
    second = canary("two", ("/", "Prefix", "v3"), notes={"canary-weight": "20"})
    before, after, made = migrated(first, second)
    assert made.differs == ("with `Region: never` requests go home here; as annotations two still had its share",)
    assert shares(before, ({"Region": "never"}, {})) == {"v1": Fraction(4, 5), "v3": Fraction(1, 5)}
    assert shares(after, ({"Region": "never"}, {})) == {"v1": Fraction(1)}
    assert shares(after, ({}, {})) == {"v1": Fraction(7, 10), "v2": Fraction(1, 10), "v3": Fraction(1, 5)}


def test_several_canaries_are_versions_under_their_own_names() -> None:
    *_, made = migrated(
        canary("one", ("/", "Prefix", "v2"), notes={"canary-weight": "10"}), canary("two", ("/", "Prefix", "v3"))
    )
    assert made.document["spec"]["versions"] == [
        {"name": "home", "service": {"name": "v1"}, "weight": 90},
        {"name": "one", "service": {"name": "v2"}, "weight": 10},
        {"name": "two", "service": {"name": "v3"}, "weight": 0},
    ]


def test_only_the_paths_that_have_the_canary_are_targets() -> None:
    main = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"))
    beside = canary("canary", ("/a", "Prefix", "v2"), notes={"canary-weight": "10"})
    plan = compiled(main, service("v1"), service("v2"), beside).plan
    (made,) = migrate(plan, check_pattern)
    assert made.document["spec"]["targets"] == [{"name": "main", "host": HOST, "path": "/a"}]
    assert not made.differs


@pytest.mark.parametrize(
    ("pattern", "differs"), [("cd|sz", False), ("(*UTF)cd", True), ("c" * 260, True), ("(c)d$", False)]
)
def test_a_pattern_is_searched_for_within_the_value(pattern: str, differs: bool) -> None:
    annotations = {"canary-by-header": "Region", "canary-by-header-pattern": pattern}
    *_, made = migrated(canary("canary", ("/", "Prefix", "v2"), notes=annotations))
    assert bool(made.differs) is differs
    taken = [rule for rule in made.document["spec"].get("rules", ()) if rule["version"] == "canary"]
    assert bool(taken) is not differs
    if taken:
        (condition,) = taken[0]["matches"][0]["headers"]
        assert condition == {"name": "Region", "type": "RegularExpression", "value": f".*(?:{pattern}).*"}

"""Which rule a canary belongs to, and what several of them get together."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.compile.manifests import HOST, canary, codes, compile_objects, ingress, problem, route, routes, weights

from serin.compile.compiler import Compiled
from serin.routing.identity import split_id
from serin.routing.plan import RuleId


def names(compiled: Compiled, path: str = "/", host: str = HOST) -> list[str]:
    """The versions at a path, main first."""
    (found,) = [r for r in routes(compiled, host) if r.rule.path == path and not r.slash_redirect]
    return [version.name for version in found.versions]


def test_host_path_and_type_name_the_rule() -> None:
    main = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"), ("/c", "Exact", "v1"))
    compiled = compile_objects(main, canary("canary", ("/a", "Prefix", "v2"), ("/c", "Prefix", "v2")))
    assert names(compiled, "/a") == ["main", "canary"]
    assert names(compiled, "/b") == ["main"]
    assert names(compiled, "/c") == ["main"]
    assert "Prefix" in problem(compiled, "canary-without-main").text


@pytest.mark.parametrize(("main", "other"), list(itertools.product(["Prefix", "ImplementationSpecific"], repeat=2)))
def test_implementation_specific_is_prefix(main: str, other: str) -> None:
    compiled = compile_objects(ingress("main", ("/p", main, "v1")), canary("canary", ("/p", other, "v2")))
    assert names(compiled, "/p") == ["main", "canary"]


@pytest.mark.parametrize("canary_first", [True, False])
def test_age_of_main_and_canary_does_not_matter(canary_first: bool) -> None:
    pair = [ingress("main"), canary("canary")]
    compiled = compile_objects(*(reversed(pair) if canary_first else pair))
    assert names(compiled) == ["main", "canary"]


def test_a_trailing_slash_makes_another_rule() -> None:
    compiled = compile_objects(ingress("main", ("/foo", "Prefix", "v1")), canary("canary", ("/foo/", "Prefix", "v2")))
    assert names(compiled, "/foo") == ["main"]
    assert codes(compiled).count("canary-without-main") == 1


def test_a_canary_of_another_namespace_is_refused() -> None:
    compiled = compile_objects(ingress("main"), canary("thief", namespace="other", notes={"canary-weight": "100"}))
    assert names(compiled) == ["main"]
    assert str(problem(compiled, "canary-other-namespace").source.ref) == "Ingress other/thief"
    assert all(pool.spec.namespace == "shop" for pool in compiled.plan.pools.values())


def test_a_canary_alone_makes_no_host() -> None:
    compiled = compile_objects(canary("canary", notes={"canary-weight": "100"}))
    assert not compiled.plan.hosts
    assert not compiled.plan.pools
    assert "canary-without-main" in codes(compiled)


def test_a_canary_does_not_use_up_its_service() -> None:
    """An ordinary Ingress with the canary's Service is served, whichever is older."""
    other = ingress("other", ("/", "Prefix", "v2"), host="other.example.com")
    for objects in itertools.permutations([ingress("main"), canary("canary"), other]):
        compiled = compile_objects(*objects)
        assert names(compiled) == ["main", "canary"]
        assert names(compiled, host="other.example.com") == ["other"]


def test_two_canaries_of_one_service_keep_their_own_rules() -> None:
    main = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"))
    a = canary("a", ("/a", "Prefix", "v2"), notes={"canary-by-header": "X-A"})
    b = canary("b", ("/b", "Prefix", "v2"), notes={"canary-by-header": "X-B"})
    compiled = compile_objects(main, a, b)
    headers = {r.rule.path: r.versions[1].header for r in routes(compiled)}
    assert {path: rule.name for path, rule in headers.items() if rule} == {"/a": "X-A", "/b": "X-B"}


def test_oldest_canary_first() -> None:
    compiled = compile_objects(
        ingress("main"),
        canary("young", created="2026-01-02T00:00:00Z"),
        canary("old", ("/", "Prefix", "v3"), created="2026-01-01T00:00:00Z"),
    )
    assert names(compiled) == ["main", "old", "young"]


def test_same_backend_is_harmless() -> None:
    compiled = compile_objects(ingress("main"), canary("canary", ("/", "Prefix", "v1"), notes={"canary-weight": "50"}))
    assert names(compiled) == ["main"]
    assert "canary-same-backend" in codes(compiled)


def test_a_cloned_path_with_mains_backend_is_not_worth_a_word() -> None:
    main = ingress("main", ("/", "Prefix", "v1"), ("/api", "Prefix", "v9"))
    compiled = compile_objects(main, canary("canary", ("/", "Prefix", "v2"), ("/api", "Prefix", "v9")))
    assert "canary-same-backend" not in codes(compiled)


def test_another_port_of_the_same_service_is_another_backend() -> None:
    compiled = compile_objects(ingress("main"), canary("canary", ("/", "Prefix", "v1:81")))
    assert names(compiled) == ["main", "canary"]


def test_the_same_path_twice_in_a_canary_counts_once() -> None:
    compiled = compile_objects(ingress("main"), canary("c", ("/", "Prefix", "v2"), ("/", "Prefix", "v3")))
    assert [version.service for version in route(compiled).versions] == ["v1", "v2"]


def test_catch_all_canary() -> None:
    compiled = compile_objects(
        ingress("main", rules=[], default="v1"),
        ingress("rule", ("/r", "Prefix", "v3"), host=""),
        canary("canary", rules=[], default="v2"),
    )
    assert names(compiled, "/", "") == ["main", "canary"]
    assert names(compiled, "/r", "") == ["rule", "canary"]


def test_catch_all_canary_never_becomes_the_catch_all() -> None:
    assert not compile_objects(canary("canary", rules=[], default="v2")).plan.hosts


def test_default_backend_of_a_canary_with_rules_stays_on_its_hosts() -> None:
    compiled = compile_objects(
        ingress("catch-all", rules=[], default="v9"),
        ingress("main", ("/app", "Prefix", "v1"), default="v3"),
        canary("canary", ("/app", "Prefix", "v2"), default="v4"),
    )
    assert names(compiled, "/") == ["main", "canary"]
    assert names(compiled, "/", "") == ["catch-all"]


def test_main_is_main_whatever_service_it_names() -> None:
    """The ident of main is the same before and after it changes its Service, and in every split."""
    idents = {route(compile_objects(ingress("main", ("/", "Prefix", service)))).versions[0].ident for service in "ab"}
    assert len(idents) == 1


def test_idents_of_canaries_name_ingress_and_backend() -> None:
    def ident(name: str, service: str) -> str:
        return route(compile_objects(ingress("main"), canary(name, ("/", "Prefix", service)))).versions[1].ident

    assert len({ident("a", "v2"), ident("b", "v2"), ident("a", "v3"), ident("a", "v2:81")}) == 4


def test_split_is_named_by_its_rule() -> None:
    compiled = compile_objects(ingress("main", ("/p", "ImplementationSpecific", "v1")))
    assert route(compiled).split == split_id(RuleId(HOST, "/p", "Prefix"))


def test_more_than_fifteen_canaries() -> None:
    many = [canary(f"c{n:02}", ("/", "Prefix", f"s{n}")) for n in range(17)]
    compiled = compile_objects(ingress("main"), *many)
    assert names(compiled) == ["main", *(f"c{n:02}" for n in range(15))]
    assert codes(compiled).count("canary-too-many") == 2


def test_shares_above_the_whole_are_named() -> None:
    """They stay as written: the draw keeps their proportions, and one alone in a request has its own share."""
    compiled = compile_objects(
        ingress("main"),
        canary("a", notes={"canary-weight": "80"}),
        canary("b", ("/", "Prefix", "v3"), notes={"canary-weight": "60"}),
        canary("c", ("/", "Prefix", "v4"), notes={"canary-by-header": "X"}),
    )
    assert weights(compiled) == (0, 80, 60, 0, 100)
    told = [p for p in compiled.problems if p.code == "canary-weights-exceed"]
    assert {p.source.ref.name for p in told} == {"a", "b"}
    assert all("a 80/100" in p.text and "b 60/100" in p.text for p in told)


weight = st.integers(-5, 2**40)
total = st.one_of(st.none(), st.integers(-5, 300), st.integers(101, 2**40))


@given(st.lists(st.tuples(weight, total), min_size=1, max_size=4))
def test_shares_are_what_was_asked_for(asked: list[tuple[int, int | None]]) -> None:
    objects = [ingress("main")]
    wanted = []
    for n, (part, whole) in enumerate(asked):
        notes = {"canary-weight": str(part)} | ({} if whole is None else {"canary-weight-total": str(whole)})
        objects.append(canary(f"c{n}", ("/", "Prefix", f"s{n}"), notes=notes))
        real = whole if whole is not None and whole > 100 else 100
        wanted.append(max(0, min(part, real)) / real)
    compiled = compile_objects(*objects)
    split = compiled.plan.splits[str(route(compiled).split)]
    main, *shares = (share.weight for share in split.shares)
    assert 0 < split.total < 2**32
    assert sum(shares) + main < 2**32
    assert main == max(0, split.total - sum(shares))
    for share, part_wanted in zip(shares, wanted, strict=True):
        assert math.isclose(share / split.total, part_wanted, rel_tol=1e-6, abs_tol=1e-8)
        assert (share > 0) == (part_wanted > 0), "whoever asks for something gets something"

"""The canary family read from one Ingress: grammar, defaults, what is dropped."""

import pytest
from unit.compile.manifests import canary, codes, compile_objects, ingress, problem, route, weights

from serin.compile.compiler import Compiled
from serin.routing.plan import HeaderRule

LETTERS = "aZ0/-._~:"


def with_canary(**notes: str) -> Compiled:
    """A canary beside a main; keywords with `_` for `-`."""
    found = {key.replace("_", "-"): value for key, value in notes.items()}
    return compile_objects(ingress("main"), canary("canary", notes=found))


def header(**notes: str) -> HeaderRule | None:
    return route(with_canary(**notes)).versions[1].header


@pytest.mark.parametrize("word", ["true", "TRUE", "t", "1", "True", "T"])
def test_true_makes_a_canary(word: str) -> None:
    compiled = compile_objects(ingress("main"), ingress("second", ("/", "Prefix", "v2"), notes={"canary": word}))
    assert len(route(compiled).versions) == 2


@pytest.mark.parametrize("word", ["yes", "on", " true", "false", "0", "tRue", ""])
def test_anything_else_makes_an_ordinary_ingress(word: str) -> None:
    compiled = compile_objects(ingress("main"), ingress("second", ("/", "Prefix", "v2"), notes={"canary": word}))
    assert len(route(compiled).versions) == 1
    assert "path-conflict" in codes(compiled)


def test_a_bad_canary_flag_is_a_problem_at_its_place() -> None:
    compiled = compile_objects(ingress("main", notes={"canary": "yes"}))
    found = problem(compiled, "annotation-invalid")
    assert found.source.field == "metadata.annotations[nginx.ingress.kubernetes.io/canary]"
    assert "'yes'" in found.text


def test_header_alone_means_always_and_never() -> None:
    rule = header(canary_by_header="X-Try")
    assert rule is not None
    assert (rule.name, rule.value, rule.pattern, rule.broken) == ("X-Try", None, None, False)


def test_value_goes_before_pattern() -> None:
    compiled = with_canary(canary_by_header="X", canary_by_header_value="blue", canary_by_header_pattern="gr.*n")
    rule = route(compiled).versions[1].header
    assert rule is not None
    assert (rule.value, rule.pattern) == ("blue", None)
    assert "canary-pattern-unused" in codes(compiled)


@pytest.mark.parametrize("value", ["two words", LETTERS, " trimmed "])
def test_values_of_the_known_characters_count(value: str) -> None:
    rule = header(canary_by_header="X", canary_by_header_value=value)
    assert rule is not None
    assert rule.value == value.strip()


@pytest.mark.parametrize("value", ["k=v", "a,b", "a;b", "a+b", "a@b", '"a"', "a\nb", "a\r", "\t", "é", "   "])
def test_values_of_other_characters_are_dropped(value: str) -> None:
    """The header then means always and never again."""
    compiled = with_canary(canary_by_header="X", canary_by_header_value=value)
    rule = route(compiled).versions[1].header
    assert rule is not None
    assert rule.value is None
    assert codes(compiled).count("annotation-invalid") == 1


@pytest.mark.parametrize("pattern", ["cd|sz", "^v[0-9]+$", "(?i)beta", r"a\.b", "x{2}", "[a-z]", "a*+"])
def test_patterns_of_the_known_characters_count(pattern: str) -> None:
    rule = header(canary_by_header="X", canary_by_header_pattern=pattern)
    assert rule is not None
    assert rule.pattern == pattern


@pytest.mark.parametrize("pattern", ["^(?!x)", "a b", "(?P<n>x)", "a,b", "a%", "a#", "a;", "a@b"])
def test_patterns_of_other_characters_are_dropped(pattern: str) -> None:
    compiled = with_canary(canary_by_header="X", canary_by_header_pattern=pattern)
    rule = route(compiled).versions[1].header
    assert rule is not None
    assert rule.pattern is None
    assert "annotation-invalid" in codes(compiled)


def test_a_pattern_that_does_not_compile_stays_as_broken() -> None:
    compiled = with_canary(canary_by_header="X", canary_by_header_pattern="(ab", canary_weight="100")
    rule = route(compiled).versions[1].header
    assert rule is not None
    assert rule.broken
    assert "canary-pattern-broken" in codes(compiled)
    assert weights(compiled) == (0, 100, 100)


@pytest.mark.parametrize("name", ["canary_by_header_value", "canary_by_header_pattern"])
def test_value_and_pattern_need_a_header(name: str) -> None:
    compiled = with_canary(**{name: "blue", "canary_weight": "7"})
    version = route(compiled).versions[1]
    assert version.header is None
    assert "canary-value-without-header" in codes(compiled)
    assert weights(compiled) == (93, 7, 100)


@pytest.mark.parametrize("name", ["X Try", "a/b", "a:b"])
def test_a_name_that_no_header_has_never_decides(name: str) -> None:
    compiled = with_canary(canary_by_header=name, canary_weight="100")
    assert route(compiled).versions[1].header is None
    assert "canary-header-name" in codes(compiled)


@pytest.mark.parametrize("cookie", ["tester", "a.b", "user_from_cd"])
def test_cookie(cookie: str) -> None:
    rule = route(with_canary(canary_by_cookie=cookie)).versions[1].cookie
    assert rule is not None
    assert rule.name == cookie


def test_a_cookie_name_that_cannot_be_is_dropped() -> None:
    compiled = with_canary(canary_by_cookie="a=b")
    assert route(compiled).versions[1].cookie is None
    assert codes(compiled).count("annotation-invalid") == 1


@pytest.mark.parametrize(
    ("weight", "total", "expected"),
    [
        ("10", None, (90, 10, 100)),
        ("0", None, (100, 0, 100)),
        ("100", None, (0, 100, 100)),
        ("150", None, (0, 100, 100)),
        ("-5", None, (100, 0, 100)),
        ("+100", None, (0, 100, 100)),
        ("1e2", None, (100, 0, 100)),
        (" 100 ", None, (100, 0, 100)),
        ("10.5", None, (100, 0, 100)),
        ("", None, (100, 0, 100)),
        ("5", "10", (95, 5, 100)),
        ("50", "0", (50, 50, 100)),
        ("50", "100", (50, 50, 100)),
        ("1", "1000", (999, 1, 1000)),
        ("200", "200", (0, 200, 200)),
        ("50", "-1", (50, 50, 100)),
        ("50", "words", (50, 50, 100)),
    ],
)
def test_weight(weight: str, total: str | None, expected: tuple[int, ...]) -> None:
    notes = {"canary_weight": weight} | ({"canary_weight_total": total} if total is not None else {})
    assert weights(with_canary(**notes)) == expected


@pytest.mark.parametrize(("weight", "total"), [("150", None), ("-5", None), ("300", "200")])
def test_a_weight_out_of_range_is_a_problem(weight: str, total: str | None) -> None:
    notes = {"canary_weight": weight} | ({"canary_weight_total": total} if total is not None else {})
    assert "canary-weight-range" in codes(with_canary(**notes))


@pytest.mark.parametrize("weight", ["0", "100"])
def test_a_weight_at_an_end_is_none(weight: str) -> None:
    assert "canary-weight-range" not in codes(with_canary(canary_weight=weight))


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ({}, True),
        ({"canary_weight_total": "1000"}, True),
        ({"canary_weight": "0"}, False),
        ({"canary_by_cookie": "c"}, False),
        ({"canary_by_header": "X"}, False),
        ({"canary_by_header_value": "x"}, False),
        ({"canary_weight": "50%"}, False),
    ],
)
def test_a_canary_that_nothing_leads_to_is_a_problem_once(notes: dict[str, str], told: bool) -> None:
    assert ("canary-without-rule" in codes(with_canary(**notes))) is told


@pytest.mark.parametrize("total", ["10", "0", "-1"])
def test_a_total_that_is_ignored_is_a_problem(total: str) -> None:
    assert "canary-total-ignored" in codes(with_canary(canary_weight="5", canary_weight_total=total))


def test_rules_without_canary_are_a_problem_each() -> None:
    notes = {"canary-weight": "10", "canary-by-header": "X", "canary-by-cookie": "c"}
    compiled = compile_objects(ingress("main", notes=notes))
    assert codes(compiled).count("canary-rules-ignored") == 3
    assert len(route(compiled).versions) == 1


def test_switched_off_without_rules_is_no_problem() -> None:
    """Tools leave `canary: "false"` and a weight of 0 behind."""
    compiled = compile_objects(ingress("main", notes={"canary": "false", "canary-weight": "0"}))
    assert "canary-rules-ignored" not in codes(compiled)


def test_annotations_that_do_nothing_on_a_canary_are_one_problem() -> None:
    notes = {"rewrite-target": "/x", "whitelist-source-range": "nonsense", "auth-type": "basic"}
    compiled = compile_objects(ingress("main"), canary("canary", notes=notes))
    found = problem(compiled, "canary-annotations-ignored")
    assert all(name in found.text for name in notes)
    assert route(compiled).policy.closed is None
    assert len(route(compiled).versions) == 2


def test_a_canary_has_its_own_balancing() -> None:
    compiled = compile_objects(ingress("main"), canary("canary", notes={"load-balance": "ewma"}))
    pools = [compiled.plan.pools[version.pool].spec.algorithm for version in route(compiled).versions]
    assert pools == ["round_robin", "ewma"]


def test_legacy_takes_a_canary_out_of_affinity() -> None:
    compiled = compile_objects(
        ingress("main", notes={"affinity": "cookie"}),
        canary("kept"),
        canary("drawn", ("/", "Prefix", "v3"), notes={"affinity-canary-behavior": "legacy"}),
    )
    assert [version.sticky for version in route(compiled).versions] == [True, True, False]

"""CanaryRoute as a view: what is read, and that nothing unreadable gives a version more than its user meant."""

import copy
import typing
from typing import Any

import pytest
from harness import canaryroutes
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.objects.test_parse_total import conforms, values

from serin.objects.parse import Parsed, parse_object
from serin.objects.views import CanaryMatch, CanaryRoute, CanaryRule, CanaryTarget, MatchType

Raw = dict[str, Any]
V1: Raw = {"name": "v1", "service": {"name": "shop-v1", "port": 80}, "weight": 90}
V2: Raw = {"name": "v2", "service": {"name": "shop-v2"}, "weight": 10}
TO_V2: Raw = {"version": "v2", "matches": [{"headers": [{"name": "Region", "value": "cd"}]}]}


def parsed(name: str = "shop", **spec: Any) -> Parsed:
    raw = {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": {"name": name}, "spec": spec}
    return parse_object(raw)


def view(**spec: Any) -> tuple[CanaryRoute, list[str]]:
    """The view of a spec with two versions, unless others are given, and the codes of its problems."""
    found = parsed(**{"versions": [V1, V2]} | spec)
    assert isinstance(found.view, CanaryRoute)
    return found.view, [problem.code for problem in found.problems]


def rules_of(*matches: Any, version: str = "v2", **more: Any) -> tuple[tuple[CanaryRule, ...], list[str]]:
    found, codes = view(rules=[{"version": version, "matches": list(matches), **more}])
    return found.rules, codes


def test_a_whole_one() -> None:
    targets = [{"kind": "Ingress", "name": "shop", "host": "Shop.example.com", "path": "/a"}]
    rules = [
        {
            "version": "v2",
            "matches": [
                {"headers": [{"name": "Region", "type": "RegularExpression", "value": "cd|sz"}], "method": "GET"},
                {"cookies": [{"name": "beta", "type": "Present"}], "clientCIDRs": ["10.1.2.3/8", "2001:db8::/32"]},
                {"queryParams": [{"name": "try me", "value": "é"}]},
            ],
        }
    ]
    found, codes = view(targets=targets, rules=rules, splitBy={"type": "Cookie", "name": "b", "ttl": "1h"}, paused=True)
    assert codes == []
    assert found.targets is not None
    assert found.targets[0].host == "shop.example.com"
    assert [(v.name, v.service, v.port, v.weight) for v in found.versions] == [
        ("v1", "shop-v1", 80, 90),
        ("v2", "shop-v2", None, 10),
    ]
    first, second, third = found.rules[0].matches
    assert (first.headers[0].type, first.headers[0].value, first.method) == (
        MatchType.REGULAR_EXPRESSION,
        "cd|sz",
        "GET",
    )
    assert (second.cookies[0].type, second.clients) == (MatchType.PRESENT, ("10.0.0.0/8", "2001:db8::/32"))
    assert (third.query[0].name, third.query[0].value) == ("try me", "é")
    assert third.source.field == "spec.rules[0].matches[2]"
    assert found.split_by is not None
    assert (found.split_by.type, found.split_by.name, found.paused) == ("Cookie", "b", True)


def test_without_targets_it_is_for_every_ingress_and_with_bad_ones_for_none() -> None:
    assert view()[0].targets is None
    assert view(targets=[])[0].targets is None
    assert view(targets=None)[0].targets is None
    assert view(targets="shop") == (view()[0].__class__(**{**as_dict(view()[0]), "targets": ()}), ["wrong-type"])


def as_dict(found: CanaryRoute) -> dict[str, Any]:
    return {name: getattr(found, name) for name in typing.get_type_hints(CanaryRoute)}


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({"name": "shop", "kind": "HTTPRoute"}, "canaryroute-target-kind"),
        ({"name": "shop", "group": "gateway.networking.k8s.io"}, "canaryroute-target-kind"),
        ({"host": "a.example"}, "missing-field"),
        ({"name": "shop", "host": "a.example:80"}, "invalid-host"),
        ({"name": "shop", "host": 5}, "wrong-type"),
        ({"name": "shop", "path": "a"}, "path-not-absolute"),
        ({"name": "shop", "hosts": "a.example"}, "field-unknown"),
        ({"name": ""}, "canaryroute-target-unusable"),
        ({"name": "shop", "host": ""}, "invalid-host"),
        ({"name": "shop", "path": ""}, "path-not-absolute"),
        ("shop", "wrong-type"),
    ],
)
def test_a_target_that_cannot_be_made_out_selects_nothing(target: Any, code: str) -> None:
    found, codes = view(targets=[target, {"name": "other"}])
    assert found.targets is not None
    assert [t.name for t in found.targets] == ["other"]
    assert code in codes


def test_sixteen_targets_are_the_most() -> None:
    found, codes = view(targets=[{"name": f"i{n}"} for n in range(18)])
    assert isinstance(found.targets, tuple)
    assert all(isinstance(target, CanaryTarget) for target in found.targets)
    assert (len(found.targets), codes) == (16, ["canaryroute-too-many"])


@pytest.mark.parametrize(
    "version",
    [
        {"name": "V2", "service": {"name": "s"}},
        {"name": "v" * 33, "service": {"name": "s"}},
        {"service": {"name": "s"}},
        {"name": "v2"},
        {"name": "v2", "service": "s"},
        {"name": "v2", "service": {}},
        {"name": "v2", "service": {"name": ""}},
        {"name": "v2", "service": {"name": "s", "port": 0}},
        {"name": "v2", "service": {"name": "s", "port": True}},
        {"name": "v2", "service": {"name": "s", "port": "0"}},
        {"name": "v2", "service": {"name": "s", "port": ""}},
        {"name": "v1", "service": {"name": "s"}, "weight": 5},
        "v2",
    ],
)
def test_a_version_that_cannot_be_read_gets_nothing_and_leaves_the_rest_to_home(version: Any) -> None:
    third = {"name": "v3", "service": {"name": "s"}, "weight": 40}
    found, codes = view(versions=[{**V1, "weight": 50}, version, third], rules=[TO_V2])
    assert [(v.name, v.weight) for v in found.versions] == [("v1", 1), ("v3", 0)]
    assert "canaryroute-weights-unusable" in codes
    assert [rule.version for rule in found.rules] == ["v1"]


@pytest.mark.parametrize("weight", ["10", -1, 1_000_001, True, 1.5, [10]])
def test_a_weight_that_cannot_be_read_leaves_everything_to_home(weight: Any) -> None:
    for versions in ([V1, {**V2, "weight": weight}], [{**V1, "weight": weight}, V2]):
        found, codes = view(versions=versions, rules=[TO_V2])
        assert [v.weight for v in found.versions] == [1, 0]
        assert codes == ["wrong-type", "canaryroute-weights-unusable"]
        assert len(found.rules) == 1


def test_without_any_weight_home_has_the_whole() -> None:
    found, codes = view(versions=[{**V1, "weight": 0}, {**V2, "weight": None}])
    assert ([v.weight for v in found.versions], codes) == ([1, 0], ["canaryroute-no-weight"])


def test_a_home_that_wrote_no_weight_is_told_what_that_means() -> None:
    without = {key: value for key, value in V1.items() if key != "weight"}
    found, codes = view(versions=[without, V2])
    assert ([v.weight for v in found.versions], codes) == ([0, 10], ["canaryroute-home-without-weight"])
    assert view(versions=[{**V1, "weight": 0}, V2])[1] == []


@pytest.mark.parametrize("versions", [None, [], "v1", ["v1", V2], [{"name": "v1"}, V2], [{**V1, "name": "V1"}, V2]])
def test_without_home_there_is_no_effect(versions: Any) -> None:
    found, codes = view(versions=versions, rules=[TO_V2])
    assert (found.versions, found.rules, found.home) == ((), (), None)
    assert "canaryroute-without-home" in codes


def test_eight_versions_are_the_most() -> None:
    found, codes = view(versions=[{**V1, "name": f"v{n}"} for n in range(9)])
    assert [v.weight for v in found.versions] == [1] + 7 * [0]
    assert codes == ["canaryroute-too-many", "canaryroute-weights-unusable"]


def test_a_port_in_quotes_is_read_as_its_number() -> None:
    found, codes = view(versions=[V1, {**V2, "service": {"name": "s", "port": "8080"}}])
    assert (found.versions[1].port, codes) == (8080, ["number-in-quotes"])
    assert view(versions=[V1, {**V2, "service": {"name": "s", "port": "http"}}])[0].versions[1].port == "http"


@pytest.mark.parametrize(
    "match",
    [
        {},
        None,
        "Region",
        {"header": [{"name": "Region", "value": "cd"}]},
        {"headers": [{"name": "Region", "value": "cd"}], "cookie": []},
        {"headers": []},
        {"headers": [], "method": "GET"},
        {"headers": {"name": "Region", "value": "cd"}},
        {"headers": [{"name": "Region", "value": "cd"}, "x"]},
        {"headers": [{"name": "Region", "value": "cd"}] * 9},
        {"headers": [{"name": "Region"}]},
        {"headers": [{"name": "Region", "value": 5}]},
        {"headers": [{"name": "Region", "value": None}]},
        {"headers": [{"name": "Region", "value": "cd", "regex": True}]},
        {"headers": [{"name": "Region", "type": "Present", "value": "cd"}]},
        {"headers": [{"name": "Region", "type": "exact", "value": "cd"}]},
        {"headers": [{"name": "Region", "type": 5, "value": "cd"}]},
        {"headers": [{"name": "Region", "type": "RegularExpression", "value": "a" * 257}]},
        {"headers": [{"name": "", "value": "cd"}]},
        {"headers": [{"value": "cd"}]},
        {"headers": [{"name": "Re gion", "value": "cd"}]},
        {"headers": [{"name": "x" * 257, "value": "cd"}]},
        {"headers": [{"name": "Region", "value": ""}]},
        {"headers": [{"name": "Region", "value": "a\nb"}]},
        {"headers": [{"name": "Region", "value": "x" * 1025}]},
        {"headers": [{"name": "Re.gion", "value": "cd"}]},
        {"cookies": [{"name": "a;b", "value": "cd"}]},
        {"queryParams": [{"name": "", "value": "cd"}]},
        {"queryParams": [{"name": "\x00", "value": "cd"}]},
        {"method": "get"},
        {"method": ""},
        {"method": 5},
        {"clientCIDRs": []},
        {"clientCIDRs": ["10.0.0.0/33"]},
        {"clientCIDRs": ["10.0.0.1"]},
        {"clientCIDRs": ["fe80::1%eth0"]},
        {"clientCIDRs": [10]},
        {"clientCIDRs": ["10.0.0.0/8"] * 9},
    ],
)
def test_a_match_that_cannot_be_read_matches_nothing_and_leaves_the_others(match: Any) -> None:
    good = {"headers": [{"name": "Region", "value": "sz"}]}
    rules, codes = rules_of(match, good)
    assert [m.headers[0].value for rule in rules for m in rule.matches] == ["sz"]
    assert codes
    rules, codes = rules_of(match)
    assert rules == ()
    assert "canaryroute-rule-unusable" in codes


def test_sixteen_matches_are_the_most() -> None:
    rules, codes = rules_of(*TO_V2["matches"] * 17)
    assert ([len(rule.matches) for rule in rules], codes) == ([16], ["canaryroute-too-many"])


@pytest.mark.parametrize("more", [{"when": 1}, {"matches": []}, {"matches": {}}, {"matches": [1]}])
def test_a_rule_that_cannot_be_read_matches_nothing(more: Raw) -> None:
    found, codes = view(rules=[TO_V2 | more])
    assert found.rules == ()
    assert "canaryroute-rule-unusable" in codes
    assert [version.weight for version in found.versions] == [90, 10]


@pytest.mark.parametrize("version", ["v3", None, 2, "V1"])
def test_a_rule_for_a_version_that_is_not_there_keeps_its_requests_home(version: Any) -> None:
    """They were meant for home, or for something that is not to be had."""
    found, codes = view(rules=[TO_V2 | {"version": version}, TO_V2])
    assert [rule.version for rule in found.rules] == ["v1", "v2"]
    assert "canaryroute-version-unknown" in codes
    assert [version.weight for version in found.versions] == [90, 10]


KEEP: Raw = {"version": "v1", "matches": [{"cookies": [{"name": "c", "value": "never"}]}]}


@pytest.mark.parametrize(
    "keep",
    [
        {"version": "v1"},
        {"version": "v1", "matches": {}},
        {"version": "v1", "matches": ["x"]},
        {"version": "v1", "matches": [{"header": [{"name": "X", "value": "never"}]}]},
        {"version": "v1", "matches": [{"headers": [{"name": "X", "value": 1}]}]},
        {"version": "v1", "matches": [{"method": "get"}, *KEEP["matches"]]},
        {"version": "v1", "matches": [*KEEP["matches"], {"method": "get"}]},
        {"version": "v1", "matches": KEEP["matches"] * 17},
        {"version": "v9", "matches": [{"method": "get"}]},
        {"matches": [{"method": "get"}]},
        "v1",
        None,
    ],
)
def test_a_rule_for_home_that_cannot_be_read_keeps_all_who_come_as_far(keep: Any) -> None:
    """Nobody knows who was to be kept; rules before it are not concerned."""
    found, codes = view(rules=[TO_V2, keep, TO_V2])
    assert [rule.version for rule in found.rules] in (["v2"], ["v2", "v1"])
    assert [version.weight for version in found.versions] == [1, 0]
    texts = [problem.text for problem in parsed(versions=[V1, V2], rules=[TO_V2, keep, TO_V2]).problems]
    assert any("all requests that no rule before it decides stay home" in text for text in texts)
    assert codes


def test_a_rule_for_home_with_a_field_too_many_is_read_without_it() -> None:
    found, codes = view(rules=[KEEP | {"when": 1}, TO_V2])
    assert ([rule.version for rule in found.rules], codes) == (["v1", "v2"], ["field-unknown"])


@pytest.mark.parametrize("rules", ["v1", KEEP, 5])
def test_rules_that_are_no_list_keep_all_at_home(rules: Any) -> None:
    found, codes = view(rules=rules)
    assert (found.rules, "canaryroute-rule-unusable" in codes) == ((), True)
    assert [version.weight for version in found.versions] == [1, 0]


def test_sixteen_rules_are_the_most() -> None:
    """The ones after it may be for home."""
    found, codes = view(rules=[TO_V2] * 16 + [KEEP])
    assert (len(found.rules), codes) == (16, ["canaryroute-too-many"])
    assert [version.weight for version in found.versions] == [1, 0]


@pytest.mark.parametrize("split_by", [{"type": "Cookies"}, {"type": "Cookie"}, {"type": "ClientIP", "name": "x"}])
def test_a_split_by_that_cannot_be_read_counts_as_request(split_by: Raw) -> None:
    found, codes = view(splitBy=split_by)
    assert (found.split_by, codes) == (None, ["canaryroute-split-by"])


def test_a_name_that_the_api_server_refuses_is_told() -> None:
    assert [p.code for p in parsed("x" * 64, versions=[V1]).problems] == ["canaryroute-name-too-long"]
    assert [p.code for p in parse_object({**RAW, "spec": None}).problems] == ["missing-field"]


ABOUT_VERSIONS = ("metadata", "spec.targets", "spec.versions", "spec.rules")
"""Fields of who gets which version; the steps of a rollout are not read here."""


@pytest.mark.parametrize(
    "refused",
    [r for r in canaryroutes.invalid() if r.field.startswith(ABOUT_VERSIONS)],
    ids=lambda refused: refused.name,
)
def test_what_the_schema_refuses_is_told_of_files(refused: canaryroutes.Refused) -> None:
    assert parse_object(refused.object).problems


@pytest.mark.parametrize("name", canaryroutes.valid())
def test_what_the_schema_takes_has_no_problem(name: str) -> None:
    assert parse_object(canaryroutes.valid()[name]).problems == ()


RAW: Raw = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "CanaryRoute",
    "metadata": {"name": "shop"},
    "spec": {
        "targets": [{"name": "shop", "host": "shop.example.com", "path": "/"}],
        "versions": [V1, V2, {"name": "v3", "service": {"name": "c", "port": "http"}}],
        "rules": [
            {"version": "v1", "matches": [{"cookies": [{"name": "c", "value": "never"}]}]},
            {
                "version": "v2",
                "matches": [
                    {
                        "headers": [{"name": "Region", "type": "RegularExpression", "value": "cd"}],
                        "queryParams": [{"name": "q", "type": "Present"}],
                        "method": "GET",
                        "clientCIDRs": ["10.0.0.0/8"],
                    }
                ],
            },
        ],
        "splitBy": {"type": "Header", "name": "X-User"},
        "rollout": {
            "version": "v3",
            "steps": [{"weight": "0%", "mirror": "10%"}, {"weight": "5%", "duration": "5m", "approval": "Required"}],
            "stepTimeout": "30m",
            "minReadyEndpoints": "50%",
            "falseAlarm": "1%",
            "checks": [
                {"name": "errors", "type": "Errors", "maxRatio": "1.5", "max": "5%", "statuses": ["5xx", "404"]},
                {"name": "hook", "type": "Webhook", "webhook": {"url": "https://a.example/", "timeout": "5s"}},
            ],
            "onFailure": "Pause",
        },
    },
}


def places(node: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of the spec."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def put(path: tuple[Any, ...], value: object) -> Raw:
    made = copy.deepcopy(RAW)
    node: Any = made
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return made


def away(found: CanaryRoute) -> set[CanaryMatch]:
    """What sends a request away from home."""
    home = found.home
    return {match for rule in found.rules if home and rule.version != home.name for match in rule.matches}


def stays(found: CanaryRoute) -> bool:
    """Whether nothing leaves home."""
    return not away(found) and not any(version.weight for version in found.versions[1:])


GOOD = parse_object(RAW)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([("spec", *place) for place in places(RAW["spec"])]), values)
def test_one_wrong_value_never_widens_what_the_others_say(place: tuple[Any, ...], value: object) -> None:
    found = parse_object(put(place, value))
    assert isinstance(found.view, CanaryRoute)
    assert isinstance(GOOD.view, CanaryRoute)
    assert conforms(found.view, CanaryRoute)
    if any(problem.severity == "error" for problem in found.problems) and place != ("spec",):
        assert away(found.view) <= away(GOOD.view)
        assert found.view.rules[:1] == GOOD.view.rules[:1] or stays(found.view)
        assert found.view.targets is None or set(found.view.targets) <= set(GOOD.view.targets or ())
        assert [v.weight for v in found.view.versions] in ([], [90, 10, 0], [1, 0, 0], [1, 0], [1])
        assert found.view.rollout in (None, GOOD.view.rollout)
        assert found.view.rollout is None or place[1] != "rollout"

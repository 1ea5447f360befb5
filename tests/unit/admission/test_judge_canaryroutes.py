"""CanaryRoutes at the door: judged by the same compile, and beside the Ingresses that they share out."""

from typing import Any

import pytest
from unit.admission.reviews import OLD, OLDER, World
from unit.compile.manifests import Raw, canary, endpoints, ingress, service

from serin.admission.verdict import ALLOWED, Result, Verdict

READY = (service("v1"), endpoints("v1", "10.0.0.1"), service("v2"), endpoints("v2", "10.0.0.2"))


def canary_route(name: str = "shop", *, created: str = "", namespace: str = "shop", **spec: Any) -> Raw:
    """Home v1 with weight 9, and v2 with 1."""
    versions = [
        {"name": "stable", "service": {"name": "v1"}, "weight": 9},
        {"name": "next", "service": {"name": "v2"}, "weight": 1},
    ]
    metadata: Raw = {"name": name, "namespace": namespace}
    if created:
        metadata["creationTimestamp"] = created
    spec = {"versions": versions, **spec}
    return {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": metadata, "spec": spec}


def world(*objects: Raw) -> World:
    return World(*READY, ingress("main", created=OLDER), *objects)


def header(value: str, kind: str = "Exact") -> Raw:
    return {"version": "next", "matches": [{"headers": [{"name": "Region", "value": value, "type": kind}]}]}


def only(verdict: Verdict) -> str:
    (line,) = verdict.warnings
    assert verdict.result is Result.WARNED
    return line


def test_one_without_fault_is_allowed_without_a_word() -> None:
    assert world().verdict(canary_route(rules=[header("cd")])) == ALLOWED
    assert world().verdict(canary_route(targets=[{"name": "main"}])) == ALLOWED


def test_what_may_come_later_is_a_warning() -> None:
    assert only(World(*READY).verdict(canary_route())).startswith("canaryroute-without-ingress: spec.versions[0]")
    elsewhere = canary_route(targets=[{"name": "main"}, {"name": "later"}])
    assert only(world().verdict(elsewhere)).startswith("canaryroute-target-not-found: spec.targets[1]: ")


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"rules": [header("(a", "RegularExpression")]}, "canaryroute-pattern-broken"),
        ({"rules": [{"version": "nobody", "matches": [{"method": "GET"}]}]}, "canaryroute-version-unknown"),
        ({"versions": []}, "canaryroute-without-home"),
        ({"splitBy": {"type": "Weather"}}, "canaryroute-split-by"),
        ({"rollout": {"version": "next", "steps": []}}, "canaryroute-rollout-steps"),
    ],
)
def test_what_would_have_no_effect_is_denied(spec: dict[str, Any], code: str) -> None:
    verdict = world().verdict(canary_route(**spec))
    assert verdict.result is Result.DENIED
    assert code in verdict.codes


def test_two_that_want_the_same_rule() -> None:
    found = world(canary_route("first", created=OLD)).verdict(canary_route("second"))
    assert found.codes == ("canaryroute-conflict",)
    assert "CanaryRoute shop/first is older than CanaryRoute shop/second" in found.message


def test_an_older_one_must_not_take_the_rule_of_a_younger_one() -> None:
    older = canary_route("older", targets=[{"name": "other"}], created=OLDER)
    wider = canary_route("older", created=OLDER)
    made = World(*READY, ingress("main", created=OLDER), older, canary_route("younger", created=OLD))
    found = made.verdict(wider, older)
    assert found.codes == ("canaryroute-conflict",)
    assert found.message.startswith("canaryroute-conflict: this object would bring it upon CanaryRoute shop/younger, ")


def test_an_ingress_is_not_to_blame_for_two_that_want_it() -> None:
    made = World(*READY, canary_route("one", created=OLDER), canary_route("two", created=OLD))
    found = made.verdict(ingress("main"))
    assert found.result is Result.WARNED
    assert only(found).startswith("canaryroute-conflict: this object would bring it upon CanaryRoute shop/two")


def test_a_canary_ingress_beside_one_is_told_of_from_both_sides() -> None:
    side = canary("side", ("/", "Prefix", "v2"), notes={"canary-weight": "5"}, created=OLD)
    found = world(side).verdict(canary_route())
    assert [line.partition(":")[0] for line in found.warnings] == ["canaryroute-overrides", "canary-overridden"]
    assert "upon Ingress shop/side" in found.warnings[1]
    found = world(canary_route(created=OLD)).verdict(side)
    assert [line.partition(":")[0] for line in found.warnings] == ["canary-overridden", "canaryroute-overrides"]
    assert "upon CanaryRoute shop/shop" in found.warnings[1]


def test_an_update_that_makes_nothing_worse_is_allowed() -> None:
    first, second = canary_route("first", created=OLDER), canary_route("second", created=OLD)
    changed = canary_route("second", created=OLD, rules=[header("cd")])
    assert world(first, second).verdict(changed, second).result is Result.WARNED

"""The examples: no mistakes in them, and expected.yaml speaks of what is there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from serin.files import FileSource
from serin.objects.views import CanaryRoute, EndpointSlice, Ingress

EXAMPLES = Path(__file__).parents[3] / "examples"
EXPECTED: dict[str, Any] = yaml.safe_load((EXAMPLES / "expected.yaml").read_text())
SCENARIOS: list[dict[str, Any]] = EXPECTED["scenarios"]
REQUEST_KEYS = {"host", "path", "headers", "cookies", "user", "https", "count", "keep_cookies", "expect"}
EXPECT_KEYS = {"status", "backends", "within", "one_of", "all_of", "uri", "headers", "subject"}


def test_the_manifests_are_read_without_a_problem() -> None:
    source = FileSource([str(EXAMPLES)])
    changes = source.load()
    source.close()
    assert source.problems == ()
    ports = {port.port for view in changes.applied if isinstance(view, EndpointSlice) for port in view.ports}
    assert ports == {backend["port"] for backend in EXPECTED["backends"]}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["name"]))
def test_a_scenarios_expectations_are_well_formed(scenario: dict[str, Any]) -> None:
    source = FileSource([str(EXAMPLES / scenario["file"])])
    hosts = {rule.host for view in source.load().applied if isinstance(view, Ingress) for rule in view.rules}
    source.close()
    assert source.problems == ()
    names = {backend["name"] for backend in EXPECTED["backends"]}
    for request in scenario["requests"]:
        expect = request["expect"]
        assert request.keys() <= REQUEST_KEYS
        assert expect.keys() <= EXPECT_KEYS
        assert {*expect.get("backends", ()), *expect.get("one_of", ()), *expect.get("all_of", ())} <= names
        if "backends" in expect:
            assert sum(expect["backends"].values()) == request.get("count", 1)
    assert hosts & {request["host"] for request in scenario["requests"]} or "*.example.org" in hosts


def test_every_manifest_is_a_scenario_with_hosts_of_its_own() -> None:
    files = {path.name for path in EXAMPLES.glob("*.yaml")} - {"expected.yaml", "backends.yaml"}
    assert files == {scenario["file"] for scenario in SCENARIOS}
    assert len({scenario["name"] for scenario in SCENARIOS}) == len(SCENARIOS)
    owner: dict[str, str] = {}
    for file in sorted(files):
        source = FileSource([str(EXAMPLES / file)])
        for view in source.load().applied:
            for rule in view.rules if isinstance(view, Ingress) else ():
                assert owner.setdefault(rule.host, file) == file
        source.close()


@pytest.mark.parametrize("release", EXPECTED["rollouts"], ids=lambda release: str(release["name"]))
def test_a_release_is_a_canary_route_with_a_rollout_on_its_host(release: dict[str, Any]) -> None:
    source = FileSource([str(EXAMPLES)])
    views = source.load().applied
    source.close()
    (route,) = (v for v in views if isinstance(v, CanaryRoute) and v.meta.ref.name == release["name"])
    assert route.rollout is not None
    assert max(step.weight for step in route.rollout.steps) <= 100_000
    named = {target.name for target in route.targets or ()}
    hosts = {rule.host for v in views if isinstance(v, Ingress) and v.meta.ref.name in named for rule in v.rules}
    assert hosts == {release["host"]}
    assert release["outcome"] in ("Promoted", "RolledBack")

"""What docs/rollout.md and docs/tutorial-rollout.md show can be applied, and does what they say."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from harness.canaryroutes import definition
from harness.pages import DOCS, commands, manifests

from serin.cli import main
from serin.compile.compiler import compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.native.hashing import hash64
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.objects.views import CanaryRoute
from serin.rollout.standing import salts, shares
from serin.routing.user_split import bucket, choose

TUTORIAL = "tutorial-rollout.md"
JSON = dict[str, Any]


def endpoints_of(service: JSON, deployments: list[JSON]) -> JSON:
    """As the endpoint controller makes them of a Deployment whose pods are ready."""
    selector = service["spec"]["selector"]
    (deployment,) = (d for d in deployments if selector.items() <= d["spec"]["template"]["metadata"]["labels"].items())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (named,) = service["spec"]["ports"]
    (port,) = (p["containerPort"] for p in container["ports"] if p["name"] == named["targetPort"])
    name = service["metadata"]["name"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"name": named["name"], "port": port}],
    }


def steps() -> Iterator[list[JSON]]:
    """All objects as they are after each block of the tutorial."""
    there: dict[tuple[str, str], JSON] = {}
    for block in manifests(TUTORIAL):
        there |= {(raw["kind"], raw["metadata"]["name"]): raw for raw in block}
        yield list(there.values())


def test_after_each_block_of_the_tutorial_nothing_is_wrong() -> None:
    reached = list(steps())
    assert len(reached) == 5
    for objects in reached:
        deployments = [raw for raw in objects if raw["kind"] == "Deployment"]
        slices = [endpoints_of(raw, deployments) for raw in objects if raw["kind"] == "Service"]
        store = Store()
        for raw in (*(raw for raw in objects if raw["kind"] != "Deployment"), *slices):
            parsed = parse_object(raw)
            assert not parsed.problems
            assert parsed.view is not None
            store.apply(parsed.view)
        compiled = compile_snapshot(store.snapshot(), Options(standalone=True), check_pattern)
        assert compiled.problems == ()


def test_a_deployment_that_is_shown_again_differs_in_its_arguments_alone() -> None:
    """So that the tutorial's user knows what a release is here."""
    shown = [raw for block in manifests(TUTORIAL) for raw in block if raw["kind"] == "Deployment"]
    first, _, third = (raw["spec"]["template"]["spec"]["containers"][0] for raw in shown)
    assert first.pop("args") != third.pop("args")
    assert first == third


@pytest.mark.parametrize("page", [TUTORIAL, "rollout.md", "canaryroute.md"])
def test_every_canary_route_of_a_page_is_read_without_a_problem(page: str) -> None:
    found = [raw for block in manifests(page) for raw in block if raw["kind"] == "CanaryRoute"]
    assert found
    for raw in found:
        parsed = parse_object(raw)
        assert not parsed.problems
        assert isinstance(parsed.view, CanaryRoute)


@pytest.mark.parametrize(("number", "ends"), [(0, "promoted"), (1, "rolled back")])
def test_the_simulations_of_the_tutorial_end_as_it_says(
    number: int,
    ends: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    release = next(block for block in manifests(TUTORIAL) if block[0]["kind"] == "CanaryRoute")
    (tmp_path / "release.yaml").write_text(yaml.safe_dump_all(release))
    line = commands(TUTORIAL, "serin canary simulate")[number]
    assert main(line[1:]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(ends)


def test_flux_and_argo_cd_are_told_of_conditions_that_there_are() -> None:
    page = (DOCS / "rollout.md").read_text()
    described = yaml.safe_dump(definition())
    for kind in ("Accepted", "Ready", "Promoted"):
        assert re.search(rf"\| {kind} \|", page)
        assert kind in described
    asked = set(re.findall(r"c\.type == '(\w+)'", page)) | set(re.findall(r"found\.(\w+)", page))
    assert asked == {"Accepted", "Ready", "Promoted"}


# --- the test vectors of docs/canaryroute.md ---

_ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \| (\d+) \| (\d+) \| (v\d) \| (v\d) \| (v\d) \|$", re.MULTILINE)


def test_the_vectors_of_the_page_are_those_of_the_code() -> None:
    rows = _ROW.findall((DOCS / "canaryroute.md").read_text())
    assert len(rows) == 8
    for key, revision, first, second, *versions in rows:
        view = parse_object(_shop(revision)).view
        assert isinstance(view, CanaryRoute)
        hashed, salted = hash64(key.encode()), salts(view)
        assert (bucket(hashed, salted[0], 100_000), bucket(hashed, salted[1], 3)) == (int(first), int(second))
        weights = [version.weight for version in view.versions]
        for part, name in zip((0, 25_000, 75_000), versions, strict=True):
            shared, _ = shares(weights, 1, part)
            assert view.versions[choose(hashed, salted, shared, 1, (True, True, True))].name == name


def _shop(revision: str) -> JSON:
    versions = [{"name": f"v{n}", "service": {"name": f"shop-v{n}"}, "weight": w} for n, w in ((1, 2), (2, 0), (3, 1))]
    rollout = {"version": "v2", "revision": revision, "steps": [{"weight": "25%"}]}
    return {
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "CanaryRoute",
        "metadata": {"name": "shop", "namespace": "prod"},
        "spec": {"versions": versions, "rollout": rollout},
    }

"""Files have no API server before them: what it takes is read without a problem, what it refuses never in silence."""

import copy
from typing import Any

import pytest
from harness import canaryroutes
from harness.canaryroutes import Refused
from unit.compile.manifests import compile_objects, ingress

from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute
from serin.problems import Problem

VALID = canaryroutes.valid()
CASES = canaryroutes.invalid()


@pytest.mark.parametrize("name", VALID)
def test_what_the_server_takes_is_read_without_a_problem(name: str) -> None:
    parsed = parse_object(VALID[name])
    assert isinstance(parsed.view, CanaryRoute)
    assert list(parsed.problems) == []


@pytest.mark.parametrize("name", VALID)
def test_what_the_server_takes_compiles_but_for_services_that_are_not_there(name: str) -> None:
    assert {problem.code for problem in problems(VALID[name])} <= {"service-not-found"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_server_refuses_is_a_problem(case: Refused) -> None:
    found = parse_object(case.object).problems
    assert found
    assert any(case.field.startswith(problem.source.field.partition("[")[0]) for problem in found)


def problems(route: dict[str, Any]) -> list[Problem]:
    """Those of the route, beside Ingresses that it could be for."""
    placed = copy.deepcopy(route)
    placed["metadata"]["namespace"] = "shop"
    parsed = parse_object(placed)
    home = parsed.view.versions[0] if isinstance(parsed.view, CanaryRoute) and parsed.view.versions else None
    service = f"{home.service}:{home.port or 80}" if home else "shop"
    targets = {target["name"]: target for target in placed["spec"].get("targets", ())} or {"shop": {}}
    mains = [
        ingress(name, (target.get("path", "/"), "Prefix", service), host=target.get("host", "shop.example.com"))
        for name, target in targets.items()
    ]
    compiled = compile_objects(placed, *mains)
    return [*parsed.problems, *(problem for problem in compiled.problems if problem.source.ref.kind == "CanaryRoute")]

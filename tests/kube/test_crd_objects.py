"""Which CanaryRoutes a real API server takes, and what it says of those that it refuses."""

import pytest
from harness import canaryroutes
from harness.canaryroutes import Refused, causes, path
from harness.kube import Kube

VALID = canaryroutes.valid()
INVALID = canaryroutes.invalid()
EXAMPLES = canaryroutes.examples()


@pytest.fixture(scope="module")
def kube(api_server: Kube) -> Kube:
    canaryroutes.install(api_server)
    return api_server


def test_the_tables_have_something_in_them() -> None:
    assert len(VALID) >= 9
    assert len(INVALID) >= 190
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("name", VALID)
def test_taken(kube: Kube, name: str) -> None:
    at = path("default") + "?dryRun=All&fieldValidation=Strict"
    assert causes(kube, "POST", at, VALID[name]) == []


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_of_the_page_is_taken(kube: Kube, number: int) -> None:
    shown = EXAMPLES[number]
    placed = {**shown, "metadata": {"name": shown["metadata"]["name"]}}
    assert causes(kube, "POST", path("default") + "?dryRun=All&fieldValidation=Strict", placed) == []


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.name)
def test_refused_with_field_and_expectation(kube: Kube, case: Refused) -> None:
    found = causes(kube, "POST", path("default") + "?dryRun=All&fieldValidation=Strict", case.object)
    assert any(field == case.field and case.says in message for field, message in found), found

    noise = [message for _, message in found if "evaluation error" in message or "no such" in message]
    assert noise == [], "an expression met a value that it cannot read: guard it"

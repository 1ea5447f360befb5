"""The definition of CanaryRoute as a real API server and kubectl see it."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness import canaryroutes
from harness.canaryroutes import causes, path
from harness.kube import Kube

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaryroutes.serin.dev"
PLACES = sorted({name.rpartition(".")[0] for name, _ in canaryroutes.fields() if not name.startswith("metadata.")})


@pytest.fixture(scope="module")
def kube(api_server: Kube) -> Kube:
    canaryroutes.install(api_server)
    return api_server


@pytest.fixture
def shop(kube: Kube, namespace: str) -> str:
    """The namespace that has the route `shop` with a status."""
    kube.request("POST", path(namespace), canaryroutes.valid()["full"])
    kube.request("PATCH", path(namespace, "shop", "status"), {"status": canaryroutes.status()})
    return namespace


def test_is_established_without_complaints(kube: Kube) -> None:
    conditions = {c["type"]: (c["status"], c["message"]) for c in kube.get(CRD)["status"]["conditions"]}
    assert conditions.pop("Established")[0] == "True"
    assert conditions.pop("NamesAccepted")[0] == "True"
    assert conditions == {}, "such as NonStructuralSchema"


def test_nothing_of_it_is_dropped_by_the_server(kube: Kube) -> None:
    stored = kube.get(CRD)["spec"]
    missing = list(differences(canaryroutes.definition()["spec"], stored, "spec"))
    assert missing == []


def test_is_taken_by_strict_validation(kube: Kube) -> None:
    at = CRD.rpartition("/")[0] + "?dryRun=All&fieldValidation=Strict"
    renamed = canaryroutes.definition()
    renamed["metadata"]["name"] = "canaryroutes.other.dev"
    renamed["spec"]["group"] = "other.dev"
    assert causes(kube, "POST", at, renamed) == []


@pytest.mark.parametrize("how", [[], ["--server-side", "--force-conflicts"]], ids=["client-side", "server-side"])
def test_applied_again_it_is_unchanged(kube: Kube, how: list[str]) -> None:
    command = ["apply", "--filename", str(canaryroutes.DEFINITION), *how]
    kube.kubectl(*command)
    before = kube.get(CRD)["metadata"]
    kube.kubectl(*command)
    after = kube.get(CRD)["metadata"]
    assert (after["resourceVersion"], after["generation"]) == (before["resourceVersion"], before["generation"])


def test_explain_lists_every_field(kube: Kube) -> None:
    said = kube.kubectl("explain", "cnr", "--recursive").stdout
    listed = {name for name in explained(said) if not name.startswith("metadata.")}
    assert listed == {name for name, _ in canaryroutes.fields() if not name.startswith("metadata.")}


@pytest.mark.parametrize("place", PLACES)
def test_explain_has_text_for_every_field(kube: Kube, place: str) -> None:
    said = kube.kubectl("explain", f"cnr.{place}".rstrip(".")).stdout
    assert "FIELDS:" in said
    assert "<no description>" not in said
    assert "<empty>" not in said


def test_columns(kube: Kube, shop: str) -> None:
    heads, cells = table(kube, shop)
    assert heads == ["NAME", "PHASE", "VERSION", "REVISION", "STEP", "WEIGHT", "VERDICT", "AGE"]
    assert cells[:-1] == ["shop", "Progressing", "v2", "1.8.2", "3/5", "25%", "NeedsData"]
    assert cells[-1].endswith("s")


def test_wide_columns(kube: Kube, shop: str) -> None:
    heads, cells = table(kube, shop, "--output=wide")
    assert heads[-3:] == ["BASELINE", "NEXT", "MESSAGE"]
    message = canaryroutes.status()["message"]
    assert cells[-3:] == ["v1", "2026-11-21T01:30:00Z", message]


@pytest.mark.parametrize("name", ["cnr", "canaryroute", "canaryroutes", "canaryroutes.serin.dev", "canary"])
def test_names_for_kubectl(kube: Kube, shop: str, name: str) -> None:
    assert kube.kubectl("-n", shop, "get", name, "--output=name").stdout == "canaryroute.serin.dev/shop\n"


def table(kube: Kube, namespace: str, *options: str) -> tuple[list[str], list[str]]:
    """Heads and the one row's cells, none of which may be empty."""
    lines = kube.kubectl("-n", namespace, "get", "cnr", *options).stdout.splitlines()
    rows = [[cell for cell in line.split("  ") if cell.strip()] for line in lines]
    heads, cells = ([cell.strip() for cell in row] for row in rows)
    return heads, cells


def explained(text: str) -> Iterator[str]:
    """The fields of `kubectl explain --recursive`, with dots; an inner one stands two blanks further right."""
    above: list[str] = []
    for line in text.partition("FIELDS:")[2].splitlines():
        name, tab, _ = line.partition("\t")
        if tab:
            depth = (len(name) - len(name.lstrip())) // 2 - 1
            above[depth:] = [name.strip()]
            yield ".".join(above)


def differences(wanted: Any, found: Any, place: str) -> Iterator[str]:
    """Where `found` lacks something of `wanted` or says it differently."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from differences(value, found.get(key), f"{place}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif wanted != found:
        yield f"{place}: {wanted!r} is {found!r}"

"""What kubectl shows of Ingresses: where they are reached, and in which words it says what is wrong with them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import WIDE, Drill, backend, drilling, secured
from harness.manifests import canary, endpoint_slice, ingress, service
from harness.waiting import until

__all__ = ["backends", "network", "shared_field"]

ADDRESS = "192.0.2.7"


@pytest.fixture(scope="module")
def running(shared_field: Field) -> Iterator[Drill]:
    shared_field.put(*backend("main", "10.99.0.11"))
    with drilling(shared_field, "--publish-status-address", ADDRESS) as made:
        until(shared_field.holder, "a holder of the Lease", seconds=WIDE)
        yield made


@pytest.fixture
def drill(running: Drill) -> Iterator[Drill]:
    yield running
    running.assert_nothing_lost()


def described(field: Field, name: str) -> str:
    return field.kube.kubectl("-n", field.namespace, "describe", "ingress", name).stdout


def events(field: Field, name: str) -> str:
    """The last part of what `kubectl describe` prints, a line for each."""
    return described(field, name).partition("Events:")[2]


def counts(field: Field) -> dict[str, int]:
    """How often each Event of the namespace was told."""
    found = field.kube.get(f"/api/v1/namespaces/{field.namespace}/events")["items"]
    return {event["metadata"]["name"]: event.get("count", 1) for event in found}


def other_port() -> dict[str, Any]:
    made = service("ported")
    made["spec"]["ports"] = [{"name": "http", "port": 81, "targetPort": 8080}]
    return made


@dataclass(frozen=True)
class Wrong:
    """`status` of a request for the Ingress's host."""

    objects: list[dict[str, Any]]
    reason: str
    words: list[str]
    status: int


WRONG = {
    "no-service": Wrong(
        [ingress("no-service", "no-service.example", "nobody")],
        "ServiceNotFound",
        ["no Service", "nobody", "503"],
        503,
    ),
    "no-port": Wrong(
        [other_port(), endpoint_slice("ported", ["10.99.0.11"]), ingress("no-port", "no-port.example", "ported")],
        "ServicePortNotFound",
        ["80", "ported", "503"],
        503,
    ),
    "idle": Wrong(
        [*backend("idle"), ingress("idle", "idle.example", "idle")],
        "NoReadyEndpoints",
        ["idle", "503"],
        503,
    ),
    "bad-value": Wrong(
        [ingress("bad-value", "bad-value.example", "main", proxy_read_timeout="soon")],
        "AnnotationInvalid",
        ["proxy-read-timeout", "'soon'", "expected whole seconds"],
        200,
    ),
    "closed": Wrong(
        [ingress("closed", "closed.example", "main", enable_modsecurity="true")],
        "AnnotationUnsupported",
        ["enable-modsecurity", "503"],
        503,
    ),
    "mainless": Wrong(
        [canary("mainless", "mainless.example", "main", weight="10")],
        "CanaryWithoutMain",
        ["mainless.example", "no requests"],
        404,
    ),
    "secretless": Wrong(
        [secured("secretless", "secretless.example", "main", "nowhere")],
        "CertificateUnusable",
        ["nowhere", "default certificate"],
        200,
    ),
    "younger": Wrong(
        [ingress("younger", "steady.example", "main")],
        "PathConflict",
        ["steady.example", "/steady", "older"],
        200,
    ),
}


@pytest.fixture(scope="module")
def wrong(running: Drill) -> Drill:
    """Everything that is wrong, told once."""
    field = running.field
    field.put(*itertools.chain(*(one.objects for one in WRONG.values())))
    missing = [(name, one.reason) for name, one in WRONG.items()]

    def all_told() -> bool:
        missing[:] = [(name, reason) for name, reason in missing if reason not in events(field, name)]
        return not missing

    until(all_told, f"Events: {missing}", seconds=WIDE, every=0.2)
    return running


@pytest.mark.parametrize("name", WRONG)
def test_describe_says_what_is_wrong_and_what_comes_of_it(drill: Drill, wrong: Drill, name: str) -> None:
    told = events(drill.field, name)
    line = next(line for line in told.splitlines() if WRONG[name].reason in line)
    assert line.split()[0] == "Warning"
    assert [word for word in WRONG[name].words if word not in line] == [], line
    host = WRONG[name].objects[-1]["spec"]["rules"][0]["host"]
    assert drill.status(host) == WRONG[name].status


def test_nothing_is_told_again_that_is_known(drill: Drill, wrong: Drill) -> None:
    """However often everything is compiled anew, and by our own writes."""
    field = drill.field
    ours = [f"{name}." for name in (*WRONG, "steady")]

    def told() -> dict[str, int]:
        return {name: count for name, count in counts(field).items() if name.startswith(tuple(ours))}

    until(lambda: all(shown(field, name) == ADDRESS for name in WRONG), "the addresses", seconds=WIDE, every=0.2)
    before = told()
    for turn in range(8):
        field.put(service(f"more-{turn}"), endpoint_slice("idle", ["10.99.0.11"] if turn % 2 else []))
        field.kube.kubectl("-n", field.namespace, "label", "--overwrite", "service", "main", f"turn=n{turn}")
        drill.pass_mark()
    field.put(endpoint_slice("idle", []))
    drill.answers("503", "idle.example")
    assert told() == before
    assert set(before.values()) == {1}


def test_what_breaks_later_is_told_and_serves_again_once_repaired(drill: Drill, wrong: Drill) -> None:
    field = drill.field
    field.put(ingress("breaks", "breaks.example", "main"))
    drill.answers("main", "breaks.example")
    field.put(ingress("breaks", "breaks.example", "main", enable_modsecurity="true"))
    drill.answers("503", "breaks.example")
    until(lambda: "AnnotationUnsupported" in events(field, "breaks"), "the Event", seconds=WIDE, every=0.2)
    field.put(ingress("breaks", "breaks.example", "main"))
    drill.answers("main", "breaks.example")


def shown(field: Field, name: str) -> str:
    """Its column ADDRESS."""
    lines = field.kube.kubectl("-n", field.namespace, "get", "ingress", name).stdout.splitlines()
    at = lines[0].index("ADDRESS")
    return lines[1][at:].split(" ")[0]


def test_get_shows_the_address_on_all_that_are_served(drill: Drill, wrong: Drill) -> None:
    field = drill.field
    other = ingress("foreign", "foreign.example", "main")
    other["spec"]["ingressClassName"] = "another"
    field.put(other)
    for name in ("steady", *WRONG):
        until(lambda: shown(field, name) == ADDRESS, f"ADDRESS of {name}", seconds=WIDE, every=0.2)  # noqa: B023 - asked at once
    assert shown(field, "foreign") == ""
    assert "<none>" in events(field, "foreign")

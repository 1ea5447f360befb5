"""Two controllers with a data plane each: the leader judges by the requests of both, and misses one that is silent."""

import pathlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from golden.certificates import make_pair
from harness import canaryroutes
from harness.backends import Sickness
from harness.controller_fixtures import backends, field, network
from harness.controllers import Field, end, lines
from harness.kube_rollouts import HOST, Release, objects
from harness.load import Load, load
from harness.manifests import endpoint_slice
from harness.rollouts import ERRORS, WIDE, step
from harness.serving import Serving
from harness.waiting import until

from serin.control.facts.secret import SERVER_NAME

__all__ = ["backends", "field", "network"]

ADDRESSES = ("10.99.0.12", "10.99.0.22")
SERVICE = "serin-facts"


def secret_folder(folder: pathlib.Path) -> pathlib.Path:
    chain, key = make_pair(SERVER_NAME)
    folder.mkdir()
    for name, text in (("ca.crt", chain), ("tls.crt", chain), ("tls.key", key), ("token", b"known-to-both-of-them")):
        (folder / name).write_bytes(text)
    return folder


def free_port() -> int:
    """On both addresses."""
    with socket.socket() as one, socket.socket() as other:
        one.bind((ADDRESSES[0], 0))
        port: int = one.getsockname()[1]
        other.bind((ADDRESSES[1], port))
        return port


def replicas(*addresses: str, port: int) -> dict[str, Any]:
    made = endpoint_slice(SERVICE, addresses, port=port)
    made["ports"][0]["name"] = "facts"
    return made


@pytest.fixture
def release(field: Field) -> Iterator[Release]:
    canaryroutes.install(field.kube)
    field.make_class()
    field.put(*objects())
    yield Release(field)
    field.backends.sick.clear()


@pytest.fixture
def pair(release: Release, tmp_path: pathlib.Path) -> tuple[Serving, Serving]:
    """The leader, and the other one."""
    field, port = release.field, free_port()
    field.put(replicas(*ADDRESSES, port=port))
    secret = secret_folder(tmp_path / "secret")
    common = (
        "--facts-secret",
        str(secret),
        "--facts-service",
        f"{field.namespace}/{SERVICE}",
        "--access-log",
        "off",
        "--election-ttl",
        "4s",
    )
    leading = field.control(*common, "--facts-address", f"{ADDRESSES[0]}:{port}", run_dir="leading")
    until(lambda: any(lines(leading, "leading")), "a leader", seconds=WIDE)
    other = field.control(*common, "--facts-address", f"{ADDRESSES[1]}:{port}", run_dir="other")
    return leading, other


@pytest.fixture
def elsewhere(pair: tuple[Serving, Serving]) -> Iterator[Load]:
    """All requests come by the replica that does not lead."""
    with load(pair[1].door, HOST, connections=4) as running:
        yield running


def test_what_another_replica_sees_takes_a_release_back(
    release: Release, pair: tuple[Serving, Serving], elsewhere: Load
) -> None:
    release.field.backends.sick["next"] = Sickness(errors=0.3)
    release.put(step("20%", "1s"), step("100%", "1s"), checks=(ERRORS,), revision="bad")
    status = release.becomes("RolledBack")
    assert (status["rollout"]["step"], release.weight) == (1, 0)
    assert status["checks"][0]["requests"] > 0
    for serving in pair:
        release.field.becomes(serving, "main", HOST)


def test_a_replica_that_says_nothing_keeps_a_release_where_it_is(
    release: Release, pair: tuple[Serving, Serving], elsewhere: Load
) -> None:
    release.put(step("20%", "1h"), checks=(ERRORS,), revision="slow")
    until(lambda: release.status.get("checks", [{}])[0].get("verdict") == "Pass", "a verdict", seconds=WIDE)
    programmed = until(lambda: release.condition("Programmed").get("status") == "True", "both", seconds=WIDE)
    assert programmed
    end(pair[1])
    until(lambda: release.status["checks"][0]["verdict"] == "NeedsData", "to be missed", seconds=WIDE)
    assert ADDRESSES[1] in " ".join((release.status["message"], release.status["checks"][0].get("message", "")))
    assert any(ADDRESSES[1] in line["why"] for line in lines(pair[0], "facts-missing"))
    assert release.weight == 20
    assert release.status["phase"] == "Progressing"

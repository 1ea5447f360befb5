"""A cluster read once: what is listed, what is fetched by name, and what may not be read."""

from typing import Any, cast

import pytest
from harness.manifests import endpoint_slice, ingress, service

from serin.cluster.api import Api, ApiError, Listing
from serin.cluster.scope import Scope
from serin.compile.options import Options
from serin.control import once
from serin.refs import Ref

CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "nginx"},
    "spec": {"controller": "serin.dev/ingress-controller"},
}
CLOSED = ingress("closed", "closed.example", "main", auth_type="basic", auth_secret="users")


class Played:
    """Objects by path; a status instead of an object is refused with it."""

    def __init__(self, *manifests: dict[str, Any], **refused: int) -> None:
        self.manifests = manifests
        self.refused = refused
        self.asked: list[str] = []

    async def list(self, path: str, *, label_selector: str = "", field_selector: str = "") -> Listing:
        plural = path.rpartition("/")[2]
        self._refuse(plural)
        named = {"Endpoints": "endpoints", "IngressClass": "ingressclasses", "Ingress": "ingresses"}
        found = [m for m in self.manifests if named.get(m["kind"], m["kind"].lower() + "s") == plural]
        return Listing(found, "1")

    async def get(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        self._refuse(path.split("/")[-2])
        return None

    def _refuse(self, plural: str) -> None:
        if plural in self.refused:
            raise ApiError(self.refused[plural], "Forbidden", f"{plural} are not for you")


async def look(played: Played, scope: Scope = Scope()) -> once.Looked:  # noqa: B008  frozen
    return await once.look(cast("Api", played), scope, Options())


async def test_what_is_referred_to_is_fetched_by_name_and_nothing_else() -> None:
    played = Played(CLASS, service("main"), endpoint_slice("main", ["10.0.0.1"]), CLOSED)
    found = await look(played)
    assert set(found.compiled.plan.hosts) == {"closed.example"}
    assert played.asked == ["/api/v1/namespaces/drills/secrets/users"]
    assert not found.unreadable


async def test_a_secret_that_may_not_be_read_is_told_and_counts_as_absent() -> None:
    found = await look(Played(CLASS, service("main"), CLOSED, secrets=403))
    assert found.unreadable == {Ref("Secret", "drills", "users"): "secrets are not for you"}
    assert any("there is no such Secret" in problem.text for problem in found.compiled.problems)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_kind_that_nothing_depends_on_may_be_missing(status: int) -> None:
    assert (await look(Played(CLASS, ingress("a", "a.example", "main"), canaryroutes=status))).compiled.ingresses


async def test_without_the_ingresses_there_is_nothing_to_say() -> None:
    with pytest.raises(ApiError, match="ingresses are not for you"):
        await look(Played(ingresses=403))


async def test_a_selector_leaves_out_the_other_namespaces() -> None:
    elsewhere = ingress("other", "other.example", "main")
    elsewhere["metadata"]["namespace"] = "elsewhere"
    drills = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drills"}}
    played = Played(CLASS, drills, ingress("main", "a.example", "main"), elsewhere)
    assert (await look(played, Scope(selector="a=b"))).compiled.ingresses == {Ref("Ingress", "drills", "main")}

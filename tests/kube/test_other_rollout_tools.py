"""Argo Rollouts and Flagger drive canary Ingresses of their own making; what they write is replayed, update by update.

Each is an update as those tools send it to the API server (clone of the user's Ingress, merge patches of annotations,
selectors of Services moved, here: their endpoints), followed by the split that its user expects. `main` is the old
version, `next` the new one. While the sequence runs every request is answered.
"""

import collections
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness.controller_fixtures import backends, field, network
from harness.controllers import Field
from harness.manifests import PREFIX, Manifest, endpoint_slice, ingress, service
from harness.planes import BOTH, Plane, require
from harness.serving import Serving
from harness.waiting import until

__all__ = ["backends", "field", "network"]

HOST = "shop.example"
OLD, NEW = "10.99.0.11", "10.99.0.21"
OTHER = "10.99.0.12"
"""Of a Service that no rollout is about; its backend is called main2."""
REQUESTS = 100


class Replay:
    """One controller, and requests beside all that is done."""

    def __init__(self, field: Field, serving: Serving) -> None:
        self.field, self.serving = field, serving
        self.watching = False
        self.answers: list[str] = []
        """Of all requests that the weights decide, by whomever they were sent."""

    def becomes(self, percent: int, *headers: tuple[str, str]) -> None:
        """That share of 100 requests in a row, or a few more, goes to the new version; soon, and then it stays so."""
        until(lambda: self._is(percent, headers), f"{percent} % of the requests to the new version")
        assert self._is(percent, headers), "and it stays so"

    def _is(self, percent: int, headers: tuple[tuple[str, str], ...]) -> bool:
        """Requests that are under way while counting begins or ends may be on either side."""
        before = len(self.answers)
        for _ in range(REQUESTS):
            self.answers.append(self.field.answer(self.serving, HOST, *headers))
        counts = collections.Counter(self.answers[before:])
        return abs(counts["next"] - counts.total() * percent / 100) <= 1 + 2 * self.watching

    def patch(self, name: str, **annotations: str | None) -> None:
        """A merge patch of annotations, as both tools send it; None takes one away."""
        changed = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
        patch = json.dumps({"metadata": {"annotations": changed}})
        self.field.kube.kubectl("-n", self.field.namespace, "patch", "ingress", name, "--type=merge", "-p", patch)

    def point(self, service: str, *addresses: str) -> None:
        """The Service's selector names other pods."""
        self.field.put(endpoint_slice(service, addresses))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Requests all the time: each is answered by one of the versions."""
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                self.answers.append(self.field.answer(self.serving, HOST))

        thread = threading.Thread(target=ask)  # in our network: threads are where the one that starts them is
        thread.start()
        self.watching = True
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert set(self.answers) == {"main", "next"}


@pytest.fixture(params=BOTH)
def plane(request: pytest.FixtureRequest) -> Plane:
    chosen: Plane = request.param
    require(chosen)
    return chosen


def user_ingress(backend: str) -> Manifest:
    """What the user wrote: the application, and beside it something that no rollout is about."""
    made = ingress("shop", HOST, backend, proxy_read_timeout="30")
    paths = made["spec"]["rules"][0]["http"]["paths"]
    paths.append(
        {
            "path": "/help",
            "pathType": "Prefix",
            "backend": {"service": {"name": "help", "port": {"number": 80}}},
        }
    )
    return made


def begin(field: Field, plane: Plane, stable: str, canary: str) -> Replay:
    field.make_class()
    field.put(service(stable), endpoint_slice(stable, [OLD]), service(canary), endpoint_slice(canary, [OLD]))
    field.put(service("help"), endpoint_slice("help", [OTHER]), user_ingress(stable))
    replay = Replay(field, field.control(*plane.options))
    field.becomes(replay.serving, "main", HOST)
    return replay


def argo_clone(**annotations: str) -> Manifest:
    """`<rollout>-<ingress>-canary`: class, and of the rules only those with the stable Service."""
    return ingress("shop-shop-canary", HOST, "shop-canary", canary="true", **annotations)


def test_argo_rollouts(field: Field, plane: Plane) -> None:
    replay = begin(field, plane, "shop-stable", "shop-canary")
    with replay.watched():
        field.put(argo_clone(canary_weight="0"))
        replay.becomes(0)
        replay.point("shop-canary", NEW)
        for weight in (5, 20, 50):
            replay.patch("shop-shop-canary", canary_weight=str(weight))
            replay.becomes(weight)
            assert field.answer(replay.serving, HOST, path="/help") == "main2"
        replay.patch("shop-shop-canary", canary_weight="0")  # aborted
        replay.becomes(0)
        replay.patch("shop-shop-canary", canary_weight="20")  # tried again
        replay.becomes(20)
        replay.patch("shop-shop-canary", canary_weight="100")
        replay.becomes(100)
        replay.point("shop-stable")  # dynamicStableScale: the old pods are gone before the Service is moved
        replay.becomes(100)
        replay.point("shop-stable", NEW)  # promoted
        replay.patch("shop-shop-canary", canary_weight="0")
        replay.becomes(100)
        field.delete("ingress", "shop-shop-canary")
        replay.becomes(100)


def test_argo_rollouts_with_a_header_of_its_user(field: Field, plane: Plane) -> None:
    """additionalIngressAnnotations are put on the clone beside the weight."""
    replay = begin(field, plane, "shop-stable", "shop-canary")
    replay.point("shop-canary", NEW)
    field.put(argo_clone(canary_weight="10", canary_by_header="X-Canary", canary_by_header_value="iwantsit"))
    replay.becomes(10)
    replay.becomes(100, ("X-Canary", "iwantsit"))
    replay.becomes(10, ("X-Canary", "always"))
    replay.patch("shop-shop-canary", canary_weight="0")
    replay.becomes(0)
    replay.becomes(100, ("X-Canary", "iwantsit"))


def flagger_clone(canary: str, weight: str) -> Manifest:
    """`<ingress>-canary`: a copy of all rules, the apex Service replaced, the others as they are."""
    made = user_ingress("shop-canary")
    made["metadata"]["name"] = "shop-canary"
    made["metadata"]["annotations"] |= {PREFIX + "canary": canary, PREFIX + "canary-weight": weight}
    return made


def test_flagger(field: Field, plane: Plane) -> None:
    replay = begin(field, plane, "shop", "shop-canary")
    with replay.watched():
        field.put(flagger_clone("true", "0"))
        replay.becomes(0)
        replay.point("shop-canary", NEW)
        for weight in (10, 30, 50):
            replay.patch("shop-canary", canary="true", canary_weight=str(weight))
            replay.becomes(weight)
            assert field.answer(replay.serving, HOST, path="/help") == "main2"
        replay.patch(
            "shop-canary", canary="false", canary_weight="0"
        )  # rolled back: for a while a second plain Ingress
        replay.becomes(0)
        assert field.answer(replay.serving, HOST, path="/help") == "main2"
        replay.patch("shop-canary", canary="true", canary_weight="50")  # the next release
        replay.becomes(50)
        replay.point("shop", NEW)  # promoted: the new template is in the primary pods
        replay.patch("shop-canary", canary="false", canary_weight="0")
        replay.becomes(100)
        replay.point("shop-canary")  # scaled to zero
        replay.becomes(100)


def test_flagger_a_b_testing(field: Field, plane: Plane) -> None:
    """By match: the weight is not written, header and cookie are put on the clone and taken away again."""
    replay = begin(field, plane, "shop", "shop-canary")
    replay.point("shop-canary", NEW)
    field.put(flagger_clone("true", "0"))
    replay.becomes(0)
    replay.patch("shop-canary", canary_by_header="X-Canary", canary_by_header_value="insider", canary_weight=None)
    replay.becomes(100, ("X-Canary", "insider"))
    replay.becomes(0)
    replay.patch("shop-canary", canary_by_header=None, canary_by_header_value=None, canary_by_cookie="insiders")
    replay.becomes(100, ("Cookie", "insiders=always"))
    replay.becomes(0, ("X-Canary", "insider"))
    replay.patch("shop-canary", canary="false", canary_by_cookie=None, canary_weight="0")
    replay.becomes(0, ("Cookie", "insiders=always"))

"""What we read ourselves is known before kopf is through with its list, at the start and after a re-list."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from harness import raw
from harness.fake_server import FakeServer
from harness.mirror import Mirror, connected

from serin.cluster import rounds
from serin.cluster.kinds import INGRESS
from serin.cluster.scope import Feed
from serin.cluster.told import Told, read_known
from serin.cluster.watch import settings
from serin.cluster.watch.login import AGENT
from serin.refs import Ref

NS = "shop"
WEB = Ref("Ingress", NS, "web")


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as made:
        for name in ("a", "b", "c"):
            made.put(raw.ingress(name, NS, f"{name}.test"))
        yield made


def kopf_waits(
    may_go: asyncio.Event, *, first_page: bool, failures: int = 0
) -> Callable[[web.Request], Awaitable[web.Response | None]]:
    """kopf's lists are held back, at the first page or after it; of others so many of Ingresses break off."""
    left = failures

    async def hold(request: web.Request) -> web.Response | None:
        nonlocal left
        if "limit" in request.query and request.headers.get("User-Agent") != AGENT:
            if left and request.path.endswith("/ingresses"):
                left -= 1
                assert request.transport is not None
                request.transport.abort()
        elif "limit" in request.query and (first_page or "continue" in request.query):
            await may_go.wait()
        return None

    return hold


def hosts(mirror: Mirror) -> set[str]:
    return {view.rules[0].host for view in mirror.of("Ingress", NS).values()}


async def test_nobody_waits_until_kopf_lists(server: FakeServer) -> None:
    may_go = asyncio.Event()
    server.misbehave = kopf_waits(may_go, first_page=True)
    async with connected(lambda: server.connection) as mirror:
        assert hosts(mirror) == {"a.test", "b.test", "c.test"}
        server.put(raw.ingress("b", NS, "changed.test"))
        server.delete("Ingress", NS, "c")
        await mirror.wait(lambda: hosts(mirror) == {"a.test", "changed.test"}, "the changes")
        assert not server.watches("ingresses")
        may_go.set()
        await mirror.wait(lambda: server.watches("ingresses") and not server.bridges("ingresses"), "kopf alone")
        server.put(raw.ingress("c", NS, "again.test"))
        await mirror.wait(lambda: hosts(mirror) == {"a.test", "changed.test", "again.test"}, "a change by the watch")
        assert mirror.figure("store_ghosts_removed_total") == 0


@pytest.mark.parametrize("event", [{"type": "ERROR", "object": {"code": 410}}, {"type": "BOOKMARK"}, {}, None, 7])
async def test_a_bridge_that_fails_is_no_loss(server: FakeServer, event: Any) -> None:
    may_go = asyncio.Event()
    server.misbehave = kopf_waits(may_go, first_page=True)
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.bridges("ingresses"), "the bridge")
        server.say("ingresses", event)
        server.put(raw.ingress("b", NS, "changed.test"))
        may_go.set()
        await mirror.wait(lambda: hosts(mirror) == {"a.test", "changed.test", "c.test"}, "the change")


@pytest.mark.parametrize("failures", [0, 3])
async def test_changes_and_ghosts_are_found_while_kopf_lists_anew(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(settings, "CHUNK", 1)
    monkeypatch.setattr(rounds, "FRESH", 0.0)
    may_go = asyncio.Event()
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        watched = server.asked["watch", "ingresses"]
        server.misbehave = kopf_waits(may_go, first_page=False, failures=failures)
        server.delete("Ingress", NS, "b", silently=True)
        server.say("ingresses", {"type": "ERROR", "object": {"code": 410}})
        server.put(raw.ingress("c", NS, "changed.test"))
        await mirror.wait(lambda: hosts(mirror) == {"a.test", "changed.test"}, "what is there now")
        assert server.asked["watch", "ingresses"] == watched
        may_go.set()
        await mirror.wait(lambda: server.asked["watch", "ingresses"] > watched, "the watch")
        server.put(raw.ingress("a", NS, "again.test"))
        await mirror.wait(lambda: hosts(mirror) == {"again.test", "changed.test"}, "a change by the watch")


async def test_it_ends_while_another_run_of_the_watch_begins(server: FakeServer) -> None:
    async with asyncio.timeout(45):
        for turns in range(1, 6):
            async with connected(lambda: server.connection) as mirror:
                await mirror.wait(lambda: server.watches("ingresses"), "the watch")
                mirror.source._supervisor.restart("to end it at that moment")
                for _ in range(turns):
                    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("kind_of_event", "version", "expected"),
    [
        (None, "7", Told(Feed(INGRESS), WEB, "u1", "7", None, listed=True, known=True)),
        (None, "8", None),
        ("MODIFIED", "7", None),
        ("DELETED", "7", None),
    ],
)
def test_only_what_a_list_repeats_is_passed_over(
    kind_of_event: str | None, version: str, expected: Told | None
) -> None:
    meta = {"name": "web", "namespace": NS, "uid": "u1", "resourceVersion": version}
    event = {"type": kind_of_event, "object": {"metadata": meta}}
    assert read_known(Feed(INGRESS), event, lambda *asked: asked == (WEB, "u1", "7")) == expected


@pytest.mark.parametrize("found", [None, [], {}, {"metadata": None}, {"metadata": {"name": 1}}])
def test_what_is_no_object_is_not_known(found: object) -> None:
    assert read_known(Feed(INGRESS), {"type": None, "object": found}, lambda *_: True) is None

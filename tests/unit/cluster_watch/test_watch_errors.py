"""Answers of an API server that a real one gives rarely, and that end kopf or make it wait: the watch outlives them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from harness import raw
from harness.fake_server import FakeServer
from harness.mirror import Mirror, connected

from serin.cluster import audit, rounds
from serin.telemetry import log

NS = "shop"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeServer]:
    monkeypatch.setattr(rounds, "EVERY", 0.5)
    async with FakeServer() as made:
        made.put(raw.ingress("first", NS, "first.test"))
        yield made


def is_watch(request: web.Request, plural: str) -> bool:
    return "watch" in request.query and request.path.endswith(f"/{plural}")


async def appears(server: FakeServer, mirror: Mirror, name: str) -> None:
    server.put(raw.ingress(name, NS, f"{name}.test"))
    await mirror.wait(lambda: name in mirror.of("Ingress", NS), name)


async def test_changes_arrive(server: FakeServer) -> None:
    async with connected(lambda: server.connection) as mirror:
        assert "first" in mirror.of("Ingress", NS)
        await appears(server, mirror, "second")
        assert mirror.figure("watch_restarts_total") == 0


@pytest.mark.parametrize("status", [{"code": 500}, {"code": 400}, {}, None])
async def test_error_in_the_stream_other_than_410(server: FakeServer, status: Any) -> None:
    """kopf ends as a whole; what is known stays, and another run follows."""
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.say("ingresses", {"type": "ERROR", "object": status})
        await mirror.wait(lambda: mirror.figure("watch_restarts_total") >= 1, "another run")
        assert "first" in mirror.of("Ingress", NS)
        await appears(server, mirror, "second")


async def test_history_is_forgotten(server: FakeServer) -> None:
    """410: listed anew by the same run; what vanished is found by the audit."""
    server.put(raw.ingress("goes", NS, "goes.test"))
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        listed = server.asked["list", "ingresses"]
        server.delete("Ingress", NS, "goes", silently=True)
        server.say("ingresses", {"type": "ERROR", "object": {"code": 410}})
        await mirror.wait(lambda: server.asked["list", "ingresses"] > listed, "another list")
        await mirror.wait(lambda: "goes" not in mirror.of("Ingress", NS), "the ghost to go")
        await appears(server, mirror, "second")
        assert mirror.figure("watch_restarts_total") == 0
        assert mirror.figure("store_ghosts_removed_total") == 1


@pytest.mark.parametrize(
    ("status", "headers"),
    [(429, {"Retry-After": "1"}), (503, {}), (504, {}), (403, {})],
)
async def test_busy_or_forbidding_for_a_while(server: FakeServer, status: int, headers: dict[str, str]) -> None:
    left = 3

    async def busy(request: web.Request) -> web.Response | None:
        nonlocal left
        if is_watch(request, "ingresses") and left:
            left -= 1
            return web.json_response({"kind": "Status", "code": status}, status=status, headers=headers)
        return None

    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.misbehave = busy
        server.cut()
        await appears(server, mirror, "second")
        assert left == 0
        assert mirror.figure("watch_restarts_total") == 0


@pytest.mark.parametrize("body", ["<html>gateway</html>", "[]", '{"items": 1}', ""])
async def test_an_answer_that_is_no_list(server: FakeServer, body: str) -> None:
    """A proxy's page, say. kopf ends; the next run is right."""
    left = 1

    async def page(request: web.Request) -> web.Response | None:
        nonlocal left
        if request.path.endswith("/services") and "watch" not in request.query and left and listing:
            left -= 1
            return web.Response(text=body, content_type="text/html" if "html" in body else "application/json")
        return None

    listing = False
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("services"), "the watch")
        server.misbehave, listing = page, True
        server.say("services", {"type": "ERROR", "object": {"code": 410}})
        await mirror.wait(lambda: not left, "the page")
        server.put(raw.service("second", NS))
        await mirror.wait(lambda: "second" in mirror.of("Service", NS), "the Service")


async def test_refused_for_ever_is_asked_slowly(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """401: kopf asks for another login at once, and again; the login holds it back."""
    monkeypatch.setattr("serin.cluster.watch.login.LONGEST_WAIT", 0.5)
    refusing = False

    async def refuse(request: web.Request) -> web.Response | None:
        if refusing and request.headers.get("User-Agent") == "serin-watch":
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        return None

    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.misbehave, refusing = refuse, True
        before = server.asked.total()
        server.cut()
        await mirror.wait(lambda: server.asked.total() >= before + 6, "refusals")
        asked, began = server.asked.total(), asyncio.get_running_loop().time()
        await mirror.wait(lambda: asyncio.get_running_loop().time() - began > 2, "two seconds")
        # Six watches, twice a second each, and the audits; a loaded machine takes longer to look.
        assert server.asked.total() - asked < 40 * (asyncio.get_running_loop().time() - began)
        refusing = False
        await appears(server, mirror, "second")
        assert mirror.figure("watch_restarts_total") == 0


async def test_not_there_at_the_beginning(server: FakeServer) -> None:
    left = 5

    async def away(_: web.Request) -> web.Response | None:
        nonlocal left
        left -= 1
        return web.Response(status=503) if left > 0 else None

    server.misbehave = away
    async with connected(lambda: server.connection) as mirror:
        assert left <= 0
        assert "first" in mirror.of("Ingress", NS)


async def test_many_pages(server: FakeServer) -> None:
    for number in range(1200):
        server.put(raw.service(f"s{number}", NS))
    async with connected(lambda: server.connection) as mirror:
        assert len(mirror.of("Service", NS)) == 1200


async def test_watch_that_ends_at_once(server: FakeServer) -> None:
    """kopf begins it again at once; the login holds it back."""

    async def nothing(request: web.Request) -> web.Response | None:
        return web.Response(text="") if is_watch(request, "ingresses") else None

    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.misbehave = nothing
        server.cut()
        began, asked = asyncio.get_running_loop().time(), server.asked["watch", "ingresses"]
        await mirror.wait(lambda: asyncio.get_running_loop().time() - began > 2, "two seconds")
        await mirror.wait(lambda: server.asked["watch", "ingresses"] - asked >= 2, "the watch, again and again")
        assert server.asked["watch", "ingresses"] - asked <= 2 + 2 * (asyncio.get_running_loop().time() - began)
        server.misbehave = None
        await appears(server, mirror, "second")


async def test_object_that_is_none(server: FakeServer) -> None:
    """kopf itself cannot take it."""
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.say("ingresses", {"type": "ADDED", "object": {"kind": "Ingress"}})
        await mirror.wait(lambda: mirror.figure("watch_restarts_total") >= 1, "another run")
        await appears(server, mirror, "second")


async def test_an_end_that_a_backup_has_undone(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is known is of a later time than the lists; only what was told of the end is."""
    monkeypatch.setattr(rounds, "SOON", 0.2)
    monkeypatch.setattr(rounds, "LISTING", 0.5)
    monkeypatch.setattr(audit, "DEAD_AFTER", 0.2)
    for turn in range(10):
        server.put(raw.ingress("back", NS, f"back-{turn}.test"))
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.delete("Ingress", NS, "back")
        await mirror.wait(lambda: "back" not in mirror.of("Ingress", NS), "its end")
        server.rewind()
        server.put(raw.service("other", NS))
        server.put(raw.ingress("back", NS, "back.test"))
        await mirror.wait(lambda: "back" in mirror.of("Ingress", NS), "it to come back")


async def test_lists_without_end_do_not_keep_the_audit_from_its_work(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LONGEST_PEACE", 1.0)
    server.put(raw.ingress("goes", NS, "goes.test"))

    async def forget() -> None:
        while True:
            server.say("ingresses", {"type": "ERROR", "object": {"code": 410}})
            await asyncio.sleep(0.1)

    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        forgetting = asyncio.create_task(forget())
        try:
            server.delete("Ingress", NS, "goes", silently=True)
            await mirror.wait(lambda: "goes" not in mirror.of("Ingress", NS), "the ghost to go")
        finally:
            forgetting.cancel()


async def test_what_is_refused_for_long_is_said_once_a_minute(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A load balancer's 503 while the API servers behind it are away: for every kind, every few seconds."""
    monkeypatch.setattr(rounds, "SOON", 0.1)

    async def away(_: web.Request) -> web.Response | None:
        return web.Response(status=503)

    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        server.misbehave = away
        await mirror.wait(lambda: mirror.figure("store_audit_failures_total") > 30, "failures")
        assert 1 <= caplog.messages.count(log.AUDIT_FAILED) <= 7

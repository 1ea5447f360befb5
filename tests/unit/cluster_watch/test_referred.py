"""Secrets and ConfigMaps by name, on a server that refuses, forgets and comes back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from harness import raw
from harness.fake_server import FakeServer
from harness.mirror import Mirror, connected

from serin.cluster import referred, told
from serin.cluster.api import ApiError
from serin.refs import Ref
from serin.telemetry import log

NS = "shop"
OPTIONS, USERS = Ref("ConfigMap", NS, "options"), Ref("Secret", NS, "users")


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as made:
        made.put(raw.config_map("options", NS, key="one"))
        made.put(raw.secret("users", NS, auth="one"))
        yield made


def value(mirror: Mirror) -> str:
    view: Any = mirror.views.get(OPTIONS)
    return view.data["key"] if view is not None else ""


async def test_read_once_and_told(server: FakeServer) -> None:
    async with connected(lambda: server.connection, want=[OPTIONS, USERS]) as mirror:
        await mirror.wait(lambda: OPTIONS in mirror.views and USERS in mirror.views, "both")
        mirror.source.want(frozenset((OPTIONS, USERS)))
        await mirror.wait(lambda: server.watches("configmaps"), "the watch")
        assert server.asked["get", "configmaps"] == 1
        server.put(raw.config_map("options", NS, key="two"))
        await mirror.wait(lambda: value(mirror) == "two", "the change")
        assert server.asked["get", "configmaps"] == 2


async def test_read_by_name_is_no_re_list_of_the_watch(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else each change of a ConfigMap would begin the watch of everything anew."""
    monkeypatch.setattr("serin.cluster.rounds.EVERY", 0.2)
    monkeypatch.setattr("serin.cluster.rounds.AFTER_RELIST", 0.0)
    caplog.set_level("INFO")
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("ingresses"), "the watch")
        mirror.source.want(frozenset((OPTIONS, USERS)))
        await mirror.wait(lambda: OPTIONS in mirror.views and USERS in mirror.views, "both")
        seen = mirror.figure("store_audits_total")
        await mirror.wait(lambda: mirror.figure("store_audits_total") > seen + 2, "audits")
        await appears_in_the_watch(server, mirror)
    assert caplog.messages.count(log.WATCH_STARTED) == 1


async def appears_in_the_watch(server: FakeServer, mirror: Mirror) -> None:
    """Of this run, or of the next one."""
    server.put(raw.ingress("later", NS, "later.test"))
    await mirror.wait(lambda: mirror.of("Ingress", NS), "the Ingress")


async def test_nothing_is_followed_while_nothing_is_wanted(server: FakeServer) -> None:
    async with connected(lambda: server.connection) as mirror:
        await mirror.wait(lambda: server.watches("secrets"), "the watch of TLS Secrets")
        assert server.watches("configmaps") == 0
        assert server.watches("secrets") == 1


async def test_fetch_takes_the_reading_over(server: FakeServer) -> None:
    async with connected(lambda: server.connection) as mirror:
        mirror.source.want(frozenset((OPTIONS,)))
        view: Any = await mirror.source.fetch(OPTIONS)
        assert view.data == {"key": "one"}
        await mirror.wait(lambda: value(mirror) == "one", "the ConfigMap")
        async with asyncio.timeout(45):
            await mirror.source.settled()
        await mirror.wait(lambda: server.watches("configmaps"), "the watch")


async def test_history_of_the_watch_is_forgotten(server: FakeServer) -> None:
    async with connected(lambda: server.connection, want=[OPTIONS, USERS]) as mirror:
        await mirror.wait(lambda: server.watches("configmaps") and USERS in mirror.views, "the watch")
        server.delete("Secret", NS, "users", silently=True)
        server.say("configmaps", {"type": "ERROR", "object": {"code": 410}})
        server.say("secrets", {"type": "ERROR", "object": {"code": 410}})
        await mirror.wait(lambda: USERS not in mirror.views, "the Secret to go")
        await mirror.wait(lambda: server.watches("configmaps"), "the watch again")
        server.put(raw.config_map("options", NS, key="two"))
        await mirror.wait(lambda: value(mirror) == "two", "the change")


async def test_failures_are_tried_again(server: FakeServer) -> None:
    left = 2

    async def fail(request: web.Request) -> web.Response | None:
        nonlocal left
        if request.path.endswith("/configmaps/options") and left:
            left -= 1
            return web.Response(status=500)
        return None

    async with connected(lambda: server.connection) as mirror:
        server.misbehave = fail
        mirror.source.want(frozenset((OPTIONS,)))
        async with asyncio.timeout(45):
            await mirror.source.settled()
        assert value(mirror) == ""
        await mirror.wait(lambda: value(mirror) == "one", "the ConfigMap")


async def test_forbidden_until_allowed(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referred, "FORBIDDEN_AGAIN", 0.2)
    forbidding = True

    async def forbid(request: web.Request) -> web.Response | None:
        if "/configmaps" in request.path and forbidding:
            return web.json_response({"kind": "Status", "code": 403, "reason": "Forbidden"}, status=403)
        return None

    server.misbehave = forbid
    async with connected(lambda: server.connection, want=[OPTIONS]) as mirror:
        await mirror.wait(lambda: mirror.source.problems, "the problem")
        with pytest.raises(ApiError):
            await mirror.source.fetch(OPTIONS)
        forbidding = False
        await mirror.wait(lambda: value(mirror) == "one", "the ConfigMap")
        assert not mirror.source.problems


async def test_what_was_read_stays_while_it_is_forbidden(server: FakeServer) -> None:
    async with connected(lambda: server.connection, want=[OPTIONS]) as mirror:
        await mirror.wait(lambda: value(mirror) == "one", "the ConfigMap")
        server.misbehave = refuses("/configmaps/")
        before = server.asked["get", "configmaps"]
        server.put(raw.config_map("options", NS, key="two"))
        await mirror.wait(lambda: server.asked["get", "configmaps"] > before, "another reading")
        server.put(raw.service("later", NS))
        await mirror.wait(lambda: mirror.of("Service", NS), "something that came after it")
        assert value(mirror) == "one"
        server.misbehave = None
        await mirror.wait(lambda: value(mirror) == "two", "what it is now")


async def test_not_wanted_any_more(server: FakeServer) -> None:
    async with connected(lambda: server.connection, want=[OPTIONS, USERS]) as mirror:
        await mirror.wait(lambda: OPTIONS in mirror.views and USERS in mirror.views, "both")
        mirror.source.want(frozenset((USERS,)))
        await mirror.wait(lambda: OPTIONS not in mirror.views, "it to go")
        assert USERS in mirror.views
        read = server.asked["get", "configmaps"]
        server.put(raw.config_map("options", NS, key="two"))
        server.put(raw.secret("users", NS, auth="two"))
        await mirror.wait(lambda: mirror.views[USERS].data["auth"] == b"two", "the Secret's change")  # type: ignore[union-attr]
        assert server.asked["get", "configmaps"] == read


async def test_tls_secrets_come_without_reading(server: FakeServer) -> None:
    """All of them until somebody says which are wanted; then those alone."""
    for name in ("one", "two"):
        server.put(raw.tls_secret(name, NS))
    async with connected(lambda: server.connection, want=[Ref("Secret", NS, "one")]) as mirror:
        await mirror.wait(lambda: [*mirror.of("Secret", NS)] == ["one"], "one Secret")
        assert server.asked["get", "secrets"] == 0
        server.put(raw.tls_secret("one", NS, "changed"))
        await mirror.wait(lambda: mirror.of("Secret", NS)["one"].data["tls.key"] == b"changed", "the change")
        assert server.asked["get", "secrets"] == 0


def refuses(what: str) -> Any:
    """For FakeServer.misbehave: everything with that in its path is forbidden."""

    async def forbid(request: web.Request) -> web.Response | None:
        if what in request.path:
            return web.json_response({"kind": "Status", "code": 403, "reason": "Forbidden"}, status=403)
        return None

    return forbid


async def test_what_is_forbidden_is_not_asked_for_more_and_more_often(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object and the watch are both tried again, and each try of the watch asks for the object, too."""
    monkeypatch.setattr(referred, "FORBIDDEN_AGAIN", 0.05)
    server.misbehave = refuses("/configmaps")
    async with connected(lambda: server.connection, want=[OPTIONS]) as mirror:
        await mirror.wait(lambda: server.asked["list", "configmaps"] > 25, "tries of the watch")
        assert server.asked["get", "configmaps"] < 3 * server.asked["list", "configmaps"]


async def test_a_reader_that_gives_up_leaves_the_reading_to_others(server: FakeServer) -> None:
    """As admission does after its time: the object was queued, for it is new or has changed."""
    held = asyncio.Event()

    async def hold(request: web.Request) -> web.Response | None:
        if request.path.endswith("/configmaps/options") and not held.is_set():
            held.set()
            await asyncio.sleep(60)
        return None

    async with connected(lambda: server.connection) as mirror:
        server.misbehave = hold
        fetching = asyncio.create_task(mirror.source.fetch(OPTIONS))
        mirror.source.want(frozenset((OPTIONS,)))
        await held.wait()
        fetching.cancel()
        await mirror.wait(lambda: value(mirror) == "one", "the ConfigMap")


async def test_another_answer_than_the_object_asked_for(server: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again, and the others' readers go on."""
    left = 2

    async def other(request: web.Request) -> web.Response | None:
        nonlocal left
        if request.path.endswith("/configmaps/options") and left:
            left -= 1
            return web.json_response({} if left else raw.config_map("another", NS))
        return None

    server.misbehave = other
    async with connected(lambda: server.connection, want=[OPTIONS, USERS]) as mirror:
        await mirror.wait(lambda: value(mirror) == "one" and USERS in mirror.views, "both")
    assert log.WATCH_FAILED not in caplog.messages
    assert caplog.messages.count(log.OBJECT_UNREADABLE) == 2


async def test_a_failure_of_ours_is_tried_again(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left, real = 1, told.read_object

    def read(*arguments: Any) -> Any:
        nonlocal left
        if arguments[1] == OPTIONS and left:
            left -= 1
            raise RuntimeError("ours")
        return real(*arguments)

    monkeypatch.setattr(referred, "read_object", read)
    async with connected(lambda: server.connection, want=[OPTIONS]) as mirror:
        async with asyncio.timeout(45):
            await mirror.source.settled()
        await mirror.wait(lambda: value(mirror) == "one", "the ConfigMap")
    assert log.WATCH_FAILED not in caplog.messages


async def test_an_overloaded_server_keeps_nobody_deaf_for_a_minute(server: FakeServer) -> None:
    left = 1

    async def busy(request: web.Request) -> web.Response | None:
        nonlocal left
        if request.path.endswith("/configmaps") and left:
            left -= 1
            return web.json_response({"kind": "Status", "code": 429}, status=429)
        return None

    server.misbehave = busy
    async with connected(lambda: server.connection, want=[OPTIONS]) as mirror:
        await mirror.wait(lambda: server.watches("configmaps"), "the watch")


async def test_data_of_a_backup(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions begin anew at lower numbers, and a watch from a version that is yet to come tells nothing."""
    monkeypatch.setattr("serin.cluster.rounds.EVERY", 0.2)
    for turn in range(20):
        server.put(raw.ingress("web", NS, f"web-{turn}.test"))
    server.put(raw.config_map("options", NS, key="late"))
    async with connected(lambda: server.connection, want=[OPTIONS]) as mirror:
        await mirror.wait(lambda: value(mirror) == "late" and server.watches("configmaps"), "the ConfigMap")
        server.rewind()
        server.put(raw.ingress("web", NS, "web.test"))
        server.put(raw.config_map("options", NS, key="early"))
        server.cut()
        await mirror.wait(lambda: value(mirror) == "early", "the ConfigMap of the backup")
        await mirror.wait(lambda: server.watches("configmaps"), "the watch of what is there now")
        server.put(raw.config_map("options", NS, key="next"))
        await mirror.wait(lambda: value(mirror) == "next", "its change")

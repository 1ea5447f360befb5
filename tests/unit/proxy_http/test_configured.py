"""What the plan says of connections, taken up while connections are open."""

import pytest
from unit.proxy_http.http_rig import HOST, Rig, free_page, until

from serin.dataplane.proxy.connection_settings import ConnectionSettings
from serin.routing.wide import Connections

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
NAMES = ("X_Under: 1", "X.Dot: 2", "X-Plain: 3")


def test_the_plans_defaults_are_the_settings_own() -> None:
    settings = ConnectionSettings(page=free_page)
    assert settings.under(Connections()) == settings


def test_no_plan_asks_for_more_connections_than_there_are_descriptors_for() -> None:
    settings = ConnectionSettings(page=free_page, max_connections=100)
    assert settings.under(Connections(worker_connections=10)).max_connections == 10
    assert settings.under(Connections(worker_connections=1000)).max_connections == 100


@pytest.mark.parametrize(
    ("connections", "passed"),
    [
        (Connections(), {"X-Plain"}),
        (Connections(underscores=True), {"X-Plain", "X_Under"}),
        (Connections(ignore_invalid=False), {"X-Plain", "X_Under", "X.Dot"}),
    ],
)
async def test_names_of_headers_that_are_passed_on(rig: Rig, connections: Connections, passed: set[str]) -> None:
    rig.server.configure(rig.settings.under(connections))
    lines = "".join(f"{line}\r\n" for line in NAMES)
    assert (await rig.ask(f"GET / HTTP/1.1\r\n{HOST}{lines}\r\n")).status == 200
    sent = rig.endpoint.requests[0].decode()
    assert {name for name in ("X_Under", "X.Dot", "X-Plain") if f"\r\n{name}: " in sent} == passed


async def test_without_keep_alive_each_connection_serves_one_request(rig: Rig) -> None:
    rig.server.configure(rig.settings.under(Connections(keep_alive=0)))
    caller = await rig.call()
    assert (await caller.ask(GET)).headers["connection"] == "close"
    assert await caller.read_to_end() == b""


async def test_so_many_requests_on_a_connection(rig: Rig) -> None:
    rig.server.configure(rig.settings.under(Connections(keep_alive_requests=2)))
    caller = await rig.call()
    assert [(await caller.ask(GET)).headers["connection"] for _ in range(2)] == ["keep-alive", "close"]


async def test_heads_are_as_long_as_the_plan_allows(rig: Rig) -> None:
    long = f"GET / HTTP/1.1\r\n{HOST}X-Long: {'x' * 9000}\r\n\r\n"
    assert (await rig.ask(long)).status == 400
    rig.server.configure(rig.settings.under(Connections(large_headers_size=16384)))
    assert (await rig.ask(long)).status == 200


async def test_open_connections_keep_what_they_were_opened_with(rig: Rig) -> None:
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    rig.server.configure(rig.settings.under(Connections(keep_alive=0)))
    assert (await caller.ask(GET)).headers["connection"] == "keep-alive"


async def test_as_many_connections_to_endpoints_are_kept_as_the_plan_says(rig: Rig) -> None:
    assert (await rig.ask(GET)).status == 200
    assert rig.server.pool.idle == 1
    rig.server.configure(rig.settings.under(Connections(upstream_kept=0)))
    assert (await rig.ask(GET)).status == 200
    await until(lambda: rig.server.pool.idle == 0, "nothing to be kept")

"""The bar of the split: two workers, one draw; periodic requests fall in step with nothing."""

import collections
import http.client
import itertools

from harness.manifests import canary, put
from harness.world import HOST, World

KINDS = 10
REQUESTS = 20_000
CONNECTIONS = 16
"""Enough that both workers are sure to have some."""


def test_weight_ten_holds_for_any_window_and_every_kind(world: World) -> None:
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="10"))
    serving = world.serve("--access-log", "off")
    host, port = serving.door.http
    connections = [http.client.HTTPConnection(host, port, timeout=15) for _ in range(CONNECTIONS)]
    drawn = []
    for number, connection in zip(range(REQUESTS), itertools.cycle(connections), strict=False):
        connection.request("GET", f"/kind/{number % KINDS}", headers={"Host": HOST})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        drawn.append(answer.headers["X-Echo-Backend"] == "canary")
    for connection in connections:
        connection.close()

    assert windows(drawn, 100) <= {9, 10, 11}
    assert windows(drawn, 10_000) <= {999, 1000, 1001}
    shares = collections.Counter(number % KINDS for number, canary_ in enumerate(drawn) if canary_)
    for kind in range(KINDS):
        assert 0.07 <= shares[kind] / (REQUESTS / KINDS) <= 0.13


def windows(drawn: list[bool], length: int) -> set[int]:
    """How many of any `length` consecutive ones went to the canary."""
    sums = [0, *itertools.accumulate(drawn)]
    return {after - before for before, after in zip(sums, sums[length:], strict=False)}


def test_weights_do_not_count_what_a_rule_decided(world: World) -> None:
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="20", by_header="X-Try"))
    serving = world.serve()
    drawn = []
    for number in range(400):
        if number % 3 == 0:
            assert world.backend(serving, headers=(("X-Try", "always"),)) == "canary"
        if number % 7 == 0:
            assert world.backend(serving, headers=(("X-Try", "never"),)) == "main"
        drawn.append(world.backend(serving) == "canary")
    assert windows(drawn, 100) <= {19, 20, 21}

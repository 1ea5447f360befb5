"""The Lease in an API server that is played here; time is stepped by hand."""

import asyncio
from typing import Any

import pytest
from harness.fake_api import FakeApi

from serin.cluster.api import ApiError
from serin.cluster.election import AlwaysLeading, Election
from serin.cluster.election.lease import make_identity
from serin.cluster.kinds import LEASE

PATH = LEASE.path("infra", "serin")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def election(api: FakeApi, clock: Clock, identity: str, ttl: float = 30.0) -> Election:
    return Election(api, "infra", "serin", identity, ttl=ttl, clock=clock, random=lambda: 0.0)


def spec(api: FakeApi) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[PATH]["spec"]
    return found


async def test_the_first_makes_the_lease_and_the_second_waits(api: FakeApi, clock: Clock) -> None:
    first, second = election(api, clock, "a"), election(api, clock, "b")
    await first.attempt()
    await second.attempt()
    assert (first.leading, second.leading) == (True, False)
    assert (first.holder, second.holder) == ("a", "a")
    assert spec(api)["holderIdentity"] == "a"
    assert spec(api)["leaseDurationSeconds"] == 30
    assert spec(api)["leaseTransitions"] == 0
    assert spec(api)["acquireTime"].endswith("Z")


async def test_renewals_keep_the_time_of_the_acquisition_and_what_others_added(api: FakeApi, clock: Clock) -> None:
    first = election(api, clock, "a")
    await first.attempt()
    acquired, renewed = spec(api)["acquireTime"], spec(api)["renewTime"]
    api.put(PATH, {**api.objects[PATH], "metadata": {"labels": {"team": "x"}}})
    clock.now += 7
    await first.attempt()
    assert spec(api)["acquireTime"] == acquired
    assert spec(api)["renewTime"] != renewed
    assert api.objects[PATH]["metadata"]["labels"] == {"team": "x"}
    assert first.leading


async def test_a_renewal_is_one_call(api: FakeApi, clock: Clock) -> None:
    first = election(api, clock, "a")
    await first.attempt()
    api.calls.clear()
    await first.attempt()
    assert api.calls == [("replace", PATH)]


async def test_a_silent_holder_is_followed_after_its_ttl(api: FakeApi, clock: Clock) -> None:
    first, second = election(api, clock, "a"), election(api, clock, "b")
    await first.attempt()
    await second.attempt()
    clock.now += 29.9
    await second.attempt()
    assert not second.leading
    clock.now += 0.1
    await second.attempt()
    assert second.leading
    assert not first.leading
    assert spec(api)["leaseTransitions"] == 1


async def test_without_answers_leading_ends_at_half_the_ttl_and_returns_with_them(api: FakeApi, clock: Clock) -> None:
    first = election(api, clock, "a")
    await first.attempt()
    api.down = True
    clock.now += 14.9
    await first.attempt()
    assert first.leading
    clock.now += 0.1
    assert not first.leading
    api.down = False
    await first.attempt()
    assert first.leading
    assert spec(api)["leaseTransitions"] == 0


async def test_release_lets_a_successor_in_at_once(api: FakeApi, clock: Clock) -> None:
    first, second = election(api, clock, "a"), election(api, clock, "b")
    await first.attempt()
    await second.attempt()
    await first.release()
    assert not first.leading
    assert spec(api)["holderIdentity"] == ""
    await second.attempt()
    assert second.leading
    assert spec(api)["leaseTransitions"] == 1


async def test_release_wins_over_a_renewal_that_is_under_way(api: FakeApi, clock: Clock) -> None:
    first = election(api, clock, "a")
    await first.attempt()
    for order in ((first.attempt, first.release), (first.release, first.attempt)):
        await asyncio.gather(*(step() for step in order))
        assert spec(api)["holderIdentity"] == ""
    await first.attempt()
    assert spec(api)["holderIdentity"] == ""


async def test_release_leaves_the_lease_of_another_alone(api: FakeApi, clock: Clock) -> None:
    first, second = election(api, clock, "a"), election(api, clock, "b")
    await first.attempt()
    await second.attempt()
    before = len(api.wrote())
    await second.release()
    assert len(api.wrote()) == before


async def test_release_never_raises_and_ends_leading_without_an_api_server(api: FakeApi, clock: Clock) -> None:
    first = election(api, clock, "a")
    await first.attempt()
    api.down = True
    await first.release()
    assert not first.leading


async def test_a_lease_that_was_deleted_is_made_again(api: FakeApi, clock: Clock) -> None:
    first = election(api, clock, "a")
    await first.attempt()
    del api.objects[PATH]
    clock.now += 7
    await first.attempt()
    assert first.leading
    assert spec(api)["holderIdentity"] == "a"


async def test_of_two_that_take_over_at_once_one_leads(api: FakeApi, clock: Clock) -> None:
    await election(api, clock, "dead").attempt()
    candidates = [election(api, clock, name) for name in "abc"]
    await asyncio.gather(*(one.attempt() for one in candidates))
    clock.now += 31
    await asyncio.gather(*(one.attempt() for one in candidates))
    assert [one.leading for one in candidates].count(True) == 1
    assert spec(api)["holderIdentity"] in {"a", "b", "c"}


async def test_a_refusal_is_counted_and_tried_again(api: FakeApi, clock: Clock) -> None:
    api.refuse["get", PATH] = ApiError(403, "Forbidden", "no")
    first = election(api, clock, "a")
    await first.attempt()
    assert not first.leading
    assert {f.name: f.value for f in first.figures()}["lease_failures_total"] == 1
    api.refuse.clear()
    await first.attempt()
    assert first.leading


async def test_run_renews_until_cancelled(api: FakeApi) -> None:
    """Real time, short: the Lease is renewed several times, and it leads by that."""
    first = Election(api, "infra", "serin", "a", ttl=0.2)
    task = asyncio.create_task(first.run())
    try:
        async with asyncio.timeout(45):
            while len(api.wrote()) < 4 or not first.leading:
                await asyncio.sleep(0.01)
    finally:
        task.cancel()


async def test_always_leading_touches_nothing() -> None:
    alone = AlwaysLeading("a")
    assert alone.leading
    await alone.release()
    assert not alone.leading


def test_identities() -> None:
    assert make_identity("pod-1", "host", lambda n: b"\x01" * n) == "pod-1"
    assert make_identity("", "host", lambda n: b"\x01" * n) == "host_01010101"

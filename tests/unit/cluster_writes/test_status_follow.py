"""How often a watch for changes of the addresses is begun again; sleeps are recorded instead of slept."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace

import pytest
from harness.fake_api import FakeApi

from serin.cluster.api import ApiError, Listing, Object
from serin.cluster.kinds import SERVICE
from serin.cluster.own_pod import OwnPodReader
from serin.cluster.status import Publish, follow
from serin.cluster.status.follow import LONGEST_WAIT
from serin.refs import Ref

PUBLISH = Publish(service=Ref("Service", "infra", "lb"))


class Enough(BaseException):
    """So many waits were to be seen."""


async def waits(api: FakeApi, count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], int]:
    """The first `count` waits, and how often it was told until then that something may have changed."""
    slept: list[float] = []
    told: list[None] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == count:
            raise Enough
        await asyncio.sleep(0)

    monkeypatch.setattr(follow, "asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(Enough):
        await follow.follow(
            api, PUBLISH, OwnPodReader(api, "infra", ""), lambda: True, lambda: told.append(None), lambda: 1.0
        )
    return slept, len(told)


async def test_a_watch_that_is_refused_is_tried_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where listing is allowed."""
    api = FakeApi()
    api.refuse["watch", SERVICE.path("infra")] = ApiError(403, "Forbidden", "no")
    slept, told = await waits(api, 8, monkeypatch)
    assert slept == [2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    assert told == 8


class Recovering(FakeApi):
    """Lists from the third time on, and ends each watch as soon as it has begun."""

    async def list(self, path: str, **_: object) -> Listing:
        self.calls.append(("list", path))
        if len(self.calls) < 3:
            raise ApiError(500, "InternalError", "not yet")
        return Listing([], "1")

    async def watch(self, path: str, **_: object) -> AsyncGenerator[Object, None]:
        nothing: tuple[Object, ...] = ()
        for event in nothing:
            yield event


async def test_a_watch_that_ended_in_order_begins_anew_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    slept, _ = await waits(Recovering(), 5, monkeypatch)
    assert slept == [2, 4, 1, 1, 1]

"""Rights that are missing are told once in the log, and as Events for as long as they are missing."""

import asyncio
import inspect
from collections.abc import Sequence

import pytest

from serin.cluster.api import ApiUnreachableError
from serin.cluster.election import lease
from serin.cluster.status import StatusWriter
from serin.control import controller, rights
from serin.control.rights import OptionalRights


class Cluster:
    def __init__(self) -> None:
        self.missing: Sequence[str] = ()
        self.down = False
        self.told: list[Sequence[str]] = []
        self.rights = OptionalRights(self.check, self.tell)

    async def check(self) -> Sequence[str]:
        if self.down:
            raise ApiUnreachableError("nobody there")
        return self.missing

    def tell(self, code: str, sentences: Sequence[str]) -> None:
        assert code == "access-missing"
        self.told.append(sentences)


def lines(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.getMessage() == "access-missing" for record in caplog.records)


async def test_a_sentence_is_logged_once_and_told_until_it_is_repaired(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()
    cluster.missing = ["not allowed to get nodes"]
    await cluster.rights.ask()
    await cluster.rights.ask()
    assert lines(caplog) == 1
    cluster.missing = []
    await cluster.rights.ask()
    cluster.missing = ["not allowed to get nodes"]
    await cluster.rights.ask()
    assert lines(caplog) == 2
    assert cluster.told == [
        ["not allowed to get nodes"],
        ["not allowed to get nodes"],
        [],
        ["not allowed to get nodes"],
    ]


async def test_it_is_asked_again_also_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "EVERY", 0.0)
    cluster = Cluster()
    cluster.down = True
    task = asyncio.create_task(cluster.rights.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert cluster.told == []
    cluster.down = False
    async with asyncio.timeout(45):
        while len(cluster.told) < 2:
            await asyncio.sleep(0)
    task.cancel()


def test_the_last_writes_give_up_before_they_are_cut() -> None:
    """Else nothing says how many Ingresses kept their address, and the Lease is not tried."""
    assert inspect.signature(StatusWriter.clear).parameters["within"].default < controller.LEAVING
    assert lease.LONGEST_CALL < controller.LEAVING

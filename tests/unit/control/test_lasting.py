"""Work that goes on whatever happens in it."""

import asyncio

import pytest

from serin.control import lasting as module
from serin.control.lasting import LONGEST, STEADY, delay, lasting, together


def test_delays_double_up_to_a_bound() -> None:
    assert [delay(n, 0.0) for n in (1, 2, 3, 6, 100)] == [1, 2, 4, LONGEST, LONGEST]
    assert delay(1, 1.0) == 1.25


async def test_failures_are_told_and_the_work_begins_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.001)
    runs, done = 0, asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs > 3:
            done.set()
            await asyncio.Event().wait()
        raise RuntimeError("ours")

    task = asyncio.create_task(lasting("digging", work, jitter=lambda: 0.0))
    await asyncio.wait_for(done.wait(), 45)
    task.cancel()
    told = [record.serin_fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [fields["work"] for fields in told] == ["digging"] * 3
    assert "RuntimeError: ours" in told[0]["error"]


async def test_a_steady_run_forgets_earlier_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def pause(failures: int, jitter: float) -> float:
        counts.append(failures)
        return 0.0

    monkeypatch.setattr(module, "delay", pause)
    now, runs, done = 0.0, 0, asyncio.Event()

    async def work() -> None:
        nonlocal now, runs
        runs += 1
        now += STEADY + 1 if runs == 3 else 1
        if runs == 5:
            done.set()
        raise RuntimeError

    task = asyncio.create_task(lasting("x", work, clock=lambda: now))
    await asyncio.wait_for(done.wait(), 45)
    task.cancel()
    assert counts[:4] == [1, 2, 1, 2]


async def test_none_is_left_running_when_one_fails() -> None:
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fails() -> None:
        raise RuntimeError

    with pytest.raises(ExceptionGroup):
        await together(waits(), fails())
    assert cancelled.is_set()

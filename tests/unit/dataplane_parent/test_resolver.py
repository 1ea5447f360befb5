"""External names stay resolved: asked when due, kept when a server fails, checked each time."""

import asyncio
from collections.abc import Callable

import pytest

from serin.dataplane import resolver as module
from serin.dataplane.lookup import Answer, LookupFailedError
from serin.dataplane.resolver import Resolver


class World:
    """Answers by hand, and what was written."""

    def __init__(self) -> None:
        self.names = {"db.example": 3}
        self.answers: dict[str, Answer | LookupFailedError] = {"db.example": Answer(("10.0.0.1",), 60.0)}
        self.asked: list[str] = []
        self.written: list[tuple[str, tuple[str, ...]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, name: str) -> Answer:
        self.asked.append(name)
        await self.gate.wait()
        answer = self.answers[name]
        if isinstance(answer, LookupFailedError):
            raise answer
        return answer

    def write(self, cell: int, name: str, addresses: tuple[str, ...]) -> None:
        assert self.names[name] == cell
        self.written.append((name, addresses))

    def make(self, *, standalone: bool = False) -> Resolver:
        return Resolver(lambda: self.names, self.find, self.write, standalone=standalone, at_once=2)


@pytest.fixture
def world() -> World:
    return World()


async def settle(resolver: Resolver) -> None:
    resolver.look()
    while any(name.asking for name in resolver.state().values()):
        await asyncio.sleep(0)


def due(resolver: Resolver, name: str) -> float:
    return resolver.state()[name].due - asyncio.get_running_loop().time()


async def test_a_name_is_resolved_once_and_then_when_due(world: World) -> None:
    resolver = world.make()
    await settle(resolver)
    assert world.written == [("db.example", ("10.0.0.1",))]
    assert 59 < due(resolver, "db.example") <= 60
    await settle(resolver)
    assert world.asked == ["db.example"]
    resolver.state()["db.example"].due = 0.0
    await settle(resolver)
    assert world.asked == ["db.example"] * 2
    assert len(world.written) == 1, "an unchanged answer is not written again"


async def test_a_changed_answer_is_written(world: World) -> None:
    resolver = world.make()
    await settle(resolver)
    world.answers["db.example"] = Answer(("10.0.0.2",), 60.0)
    resolver.state()["db.example"].due = 0.0
    await settle(resolver)
    assert world.written[-1] == ("db.example", ("10.0.0.2",))


async def test_last_good_is_kept_and_retries_slow_down(world: World, caplog: pytest.LogCaptureFixture) -> None:
    resolver = world.make()
    await settle(resolver)
    world.answers["db.example"] = LookupFailedError("no name server answered")
    waits = []
    for _ in range(7):
        resolver.state()["db.example"].due = 0.0
        await settle(resolver)
        waits.append(round(due(resolver, "db.example")))
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert world.written == [("db.example", ("10.0.0.1",))]
    assert resolver.state()["db.example"].addresses == ("10.0.0.1",)
    failures = [r for r in caplog.records if r.getMessage() == "name-failed"]
    assert len(failures) == 1, "said once, not at each try"
    world.answers["db.example"] = Answer(("10.0.0.1",), 60.0)
    resolver.state()["db.example"].due = 0.0
    await settle(resolver)
    assert resolver.state()["db.example"].failures == 0


async def test_refused_addresses_are_left_out(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.answers["db.example"] = Answer(("10.0.0.1", "127.0.0.1", "169.254.169.254"), 60.0)
    await settle(world.make())
    assert world.written == [("db.example", ("10.0.0.1",))]
    refused = [r.__dict__["serin_fields"]["address"] for r in caplog.records if r.getMessage() == "address-refused"]
    assert refused == ["127.0.0.1", "169.254.169.254"]


async def test_a_name_that_moves_to_loopback_loses_its_addresses(world: World) -> None:
    resolver = world.make()
    await settle(resolver)
    world.answers["db.example"] = Answer(("127.0.0.1",), 60.0)
    resolver.state()["db.example"].due = 0.0
    await settle(resolver)
    assert world.written[-1] == ("db.example", ())


async def test_loopback_is_allowed_in_serve(world: World) -> None:
    world.answers["db.example"] = Answer(("127.0.0.1",), 60.0)
    await settle(world.make(standalone=True))
    assert world.written == [("db.example", ("127.0.0.1",))]


async def test_names_that_are_gone_are_not_asked_again(world: World) -> None:
    resolver = world.make()
    await settle(resolver)
    world.names = {}
    await settle(resolver)
    assert resolver.state() == {}
    world.names = {"db.example": 3}
    await settle(resolver)
    assert len(world.written) == 2, "a name that comes back is written again: its cell may be another"


async def test_a_name_that_got_another_cell_is_written_there(world: World) -> None:
    resolver = world.make()
    await settle(resolver)
    world.names = {"db.example": 4}
    await settle(resolver)
    assert len(world.written) == 2
    assert world.asked == ["db.example"]


async def test_settling_waits_for_answers_but_not_for_ever(world: World) -> None:
    resolver = world.make()
    world.gate.clear()
    await resolver.settle(0.01)
    assert world.written == []
    world.gate.set()
    await resolver.settle(10)
    assert world.written == [("db.example", ("10.0.0.1",))]


async def test_an_answer_that_comes_too_late_is_not_written(world: World) -> None:
    resolver = world.make()
    world.gate.clear()
    resolver.look()
    while not world.asked:
        await asyncio.sleep(0)
    world.names = {}
    resolver.look()
    world.gate.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.written == []


async def test_a_slow_name_does_not_hold_up_others_beyond_the_bound(world: World) -> None:
    world.names = {f"n{i}.example": i for i in range(5)}
    world.answers = {name: Answer(("10.0.0.1",), 60.0) for name in world.names}
    world.gate.clear()
    resolver = world.make()
    resolver.look()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(world.asked) == 2
    world.gate.set()
    await settle(resolver)
    assert len(world.written) == 5


async def test_run_goes_on_until_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    task = asyncio.create_task(world.make().run())
    await until(lambda: bool(world.written))
    world.names = {"other.example": 0}
    world.answers["other.example"] = Answer(("10.0.0.3",), 60.0)
    await until(lambda: len(world.written) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(0)


async def test_a_look_that_fails_is_not_the_last_one(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    resolver = world.make()
    names, world.names = world.names, None  # type: ignore[assignment]
    running = asyncio.create_task(resolver.run())
    async with asyncio.timeout(45):
        while "resolver-failed" not in caplog.messages:
            await asyncio.sleep(0)
        world.names = names
        while not world.written:
            await asyncio.sleep(0)
    running.cancel()
    assert world.written == [("db.example", ("10.0.0.1",))]

"""A controller's life over a real run directory: a source, an API server and a data plane that the test plays."""

import asyncio
import os
import pathlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from harness.casefile import self_signed
from harness.manifests import endpoint_slice, ingress, service, tls_secret

from serin.cluster.api import ApiUnreachableError
from serin.compile.options import Options
from serin.control import controller as module
from serin.control import lasting
from serin.control.controller import Cluster, Controller, Work
from serin.control.loop import Control
from serin.native.pools import PoolsFile
from serin.objects.parse import parse_object
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref
from serin.render.rundir import RunDirectory

HOST = "shop.example"


class Batch:
    def __init__(self, *manifests: dict[str, Any], deleted: Sequence[Ref] = ()) -> None:
        views = [parse_object(manifest, version=secrets.token_hex()).view for manifest in manifests]
        self.applied: tuple[View, ...] = tuple(view for view in views if view is not None)
        self.deleted = tuple(deleted)


WORLD = (
    service("main"),
    endpoint_slice("main", ["10.0.0.1"]),
    {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"}}
    | {"spec": {"controller": "serin.dev/ingress-controller"}},
)


class Played:
    """A cluster, and a data plane. `told` has what happened, in order."""

    problems: tuple[Problem, ...] = ()

    def __init__(self, *manifests: dict[str, Any]) -> None:
        self.told: list[str] = []
        self.manifests = manifests
        self.lists_are_there = asyncio.Event()
        self.reasons: list[Sequence[str]] = []
        self.start_failures: list[Exception] = []
        self.by_name: dict[str, dict[str, Any]] = {}
        self.wanted: frozenset[Ref] = frozenset()
        self.queue: asyncio.Queue[Batch] = asyncio.Queue()
        self.drained = asyncio.Event()
        self.drained_with = 0

    async def start(self) -> None:
        if self.start_failures:
            raise self.start_failures.pop(0)
        self.told.append("start")

    async def ready(self) -> None:
        await self.lists_are_there.wait()

    def load(self) -> Batch:
        return Batch(*WORLD, *self.manifests)

    async def changes(self) -> AsyncIterator[Batch]:
        while True:
            yield await self.queue.get()

    def want(self, refs: frozenset[Ref]) -> None:
        self.wanted = refs

    async def fetch(self, ref: Ref) -> View | None:
        self.told.append(f"fetch {ref.name}")
        found = self.by_name.get(ref.name)
        return None if found is None else Batch(found).applied[0]

    async def close(self) -> None:
        self.told.append("close")

    async def missing(self) -> Sequence[str]:
        return self.reasons.pop(0) if self.reasons else ()

    async def run(self) -> int:
        await self.drained.wait()
        return self.drained_with

    def end(self) -> None:
        self.told.append("end")


class Run:
    """A controller that runs, and what it left."""

    def __init__(self, played: Played, run_dir: RunDirectory) -> None:
        self.played = played
        self.run_dir = run_dir
        self.failures: list[Exception] = []
        self.worked = 0

    def begin(self) -> None:
        pools = PoolsFile.open(self.run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
        self.control = Control(self.played, Options(), self.run_dir, pools, lambda text, ignore_case: None)

        def leaves(name: str) -> Callable[[], Any]:
            async def leave() -> None:
                self.played.told.append(name)
                if name == "status":
                    raise ApiUnreachableError("gone")

            return leave

        cluster = Cluster(
            self.played,
            self.played.missing,
            (Work("election", self._work),),
            (leaves("status"), leaves("lease")),
            (leaves("api"),),
        )
        controller = Controller(self.control, cluster, self.played)
        self.task = asyncio.create_task(controller.run())
        self.task.add_done_callback(lambda task: pools.close())

    async def _work(self) -> None:
        self.worked += 1
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.Event().wait()

    def generation(self) -> int:
        return self.run_dir.read_generation()

    async def published(self, number: int) -> None:
        await until(lambda: self.generation() >= number)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    monkeypatch.setattr(lasting, "AGAIN", 0.01)
    run_dir = RunDirectory(tmp_path / "run", wall_clock=lambda: 0.0)
    run_dir.create_plan()
    made = Run(Played(ingress("main", HOST, "main")), run_dir)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


def contents(run_dir: RunDirectory) -> dict[pathlib.Path, bytes]:
    """The documents of plan/; in pools.bin the writer's own marks change when it is opened, but no block."""
    own = ("metrics", "lock", "pools.bin")
    return {path: path.read_bytes() for path in run_dir.plan.rglob("*") if path.is_file() and path.name not in own}


class Unexpected(BaseException):
    """What no part takes care of."""


def signal_us() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def test_before_everything_is_known_nothing_but_the_figures_is_written(run: Run) -> None:
    run.begin()
    await until((run.run_dir.plan / "metrics").exists)
    await until(lambda: "start" in run.played.told)
    assert run.generation() == 0
    assert not (run.run_dir.plan / "pools.bin").exists(), "workers see no table that is half known"
    run.played.lists_are_there.set()
    await run.published(1)
    assert set(run.run_dir.read_index().hosts) == {HOST}


async def test_the_plan_of_the_controller_before_stays_until_then(run: Run) -> None:
    run.played.lists_are_there.set()
    run.begin()
    await run.published(1)
    run.task.cancel()
    await asyncio.gather(run.task, return_exceptions=True)
    run.played.lists_are_there.clear()
    before, started = contents(run.run_dir), run.played.told.count("start")
    run.begin()
    await until(lambda: run.played.told.count("start") > started)
    assert contents(run.run_dir) == before


async def test_the_first_plan_has_its_certificates(run: Run) -> None:
    shop = ingress("main", HOST, "main")
    shop["spec"]["tls"] = [{"hosts": [HOST], "secretName": "shop"}]
    closed = ingress("closed", "closed.example", "main", auth_type="basic", auth_secret="absent")
    run.played.manifests = (shop, closed)
    run.played.by_name["shop"] = tls_secret("shop", *self_signed(HOST))
    run.played.lists_are_there.set()
    run.begin()
    await run.published(1)
    assert set(run.run_dir.read_index().certificates) == {HOST}
    assert {"fetch shop", "fetch absent"} <= set(run.played.told)
    assert run.played.wanted == {Ref("Secret", "drills", "shop"), Ref("Secret", "drills", "absent")}


async def test_what_is_missing_is_told_in_sentences_until_it_is_there(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run.played.reasons = [("may not list ingresses", "may not watch services"), ("may not list ingresses",)]
    run.played.lists_are_there.set()
    run.begin()
    await run.published(1)
    waiting = [r.serin_fields["why"] for r in caplog.records if r.getMessage() == "cluster-waiting"]  # type: ignore[attr-defined]
    assert waiting == ["may not list ingresses", "may not watch services", "may not list ingresses"]


async def test_an_api_server_that_does_not_answer_yet_is_no_end(run: Run) -> None:
    run.played.start_failures = [ApiUnreachableError("refused"), RuntimeError("ours")]
    run.played.lists_are_there.set()
    run.begin()
    await run.published(1)


async def test_parts_run_once_there_is_a_plan_and_again_when_they_fail(run: Run) -> None:
    run.failures = [RuntimeError("ours"), ApiUnreachableError("refused")]
    run.begin()
    await until(lambda: "start" in run.played.told)
    assert run.worked == 0, "nothing is written before everything is known"
    run.played.lists_are_there.set()
    await until(lambda: run.worked == 3)


async def test_at_the_end_the_writers_go_first_and_endpoints_are_followed_until_the_data_plane_is_gone(
    run: Run,
) -> None:
    run.played.lists_are_there.set()
    run.begin()
    await until(lambda: run.worked)
    signal_us()
    await until(lambda: "lease" in run.played.told)
    assert run.played.told[-3:] == ["end", "status", "lease"], "one that fails keeps no other from leaving"
    before = run.generation()
    run.played.queue.put_nowait(Batch(ingress("late", "late.example", "main")))
    await run.published(before + 1)
    assert "close" not in run.played.told
    run.played.drained.set()
    assert await asyncio.wait_for(run.task, 45) == 0
    assert run.played.told[-2:] == ["close", "api"]


async def test_what_the_data_plane_says_at_its_end_is_what_we_say(run: Run) -> None:
    run.played.lists_are_there.set()
    run.played.drained_with = 1
    run.begin()
    await run.published(1)
    signal_us()
    run.played.drained.set()
    assert await asyncio.wait_for(run.task, 45) == 1


async def test_a_data_plane_that_cannot_start_ends_us_too(run: Run) -> None:
    run.played.drained_with = 2
    run.played.drained.set()
    run.begin()
    assert await asyncio.wait_for(run.task, 45) == 2
    assert "lease" not in run.played.told, "there was nothing to leave"


async def test_an_end_that_nobody_asked_for_is_told_and_ends_us(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever supervises starts us anew; better than to live on and follow nothing."""

    async def follow(_: Control) -> None:
        raise Unexpected

    monkeypatch.setattr(Control, "follow", follow)
    run.played.lists_are_there.set()
    run.begin()
    assert await asyncio.wait_for(run.task, 45) == 1
    assert "CRITICAL" in caplog.text
    assert run.played.told[-2:] == ["close", "api"]


async def test_writes_that_hang_at_the_end_are_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(45):
        await module.bounded("leave", asyncio.sleep(60), 0.05)
    assert "control-failed" in caplog.text

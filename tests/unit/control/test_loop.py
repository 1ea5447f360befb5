"""Control over a real run directory, with a source that a test feeds."""

import asyncio
import json
import os
import pathlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness.manifests import canary, endpoint_slice, ingress, service

from serin.compile.options import Options
from serin.control import lasting as module
from serin.control import loop
from serin.control.loop import Control
from serin.native.pools import PoolsFile
from serin.objects.parse import parse_object
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref
from serin.render.rundir import RunDirectory

HOST = "shop.example"


@dataclass
class Batch:
    applied: tuple[View, ...] = ()
    deleted: tuple[Ref, ...] = ()


def batch(*manifests: dict[str, Any]) -> Batch:
    views = [parse_object(manifest, version=secrets.token_hex()).view for manifest in manifests]
    return Batch(tuple(view for view in views if view is not None))


class Fed:
    """A source whose changes are put into a queue; an exception in it is raised."""

    problems: tuple[Problem, ...] = ()

    def __init__(self, first: Batch) -> None:
        self._first = first
        self.queue: asyncio.Queue[Batch | Exception] = asyncio.Queue()

    def load(self) -> Batch:
        return self._first

    async def changes(self) -> AsyncIterator[Batch]:
        while True:
            item = await self.queue.get()
            if isinstance(item, Exception):
                raise item
            yield item


START = batch(service("main"), endpoint_slice("main", ["127.0.0.1"]), ingress("main", HOST, "main"))


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def run_dir(tmp_path: pathlib.Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run", wall_clock=lambda: 0.0)
    made.create()
    return made


@pytest.fixture
async def fed(run_dir: RunDirectory) -> AsyncIterator[tuple[Fed, Control]]:
    source = Fed(START)
    pools = PoolsFile.open(run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
    control = Control(source, Options(standalone=True), run_dir, pools, lambda text, ignore_case: None)
    control.start()
    task = asyncio.create_task(control.run())
    yield source, control
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    pools.close()


async def test_start_leaves_a_plan_and_figures(fed: tuple[Fed, Control], run_dir: RunDirectory) -> None:
    assert set(run_dir.read_index().hosts) == {HOST}
    assert run_dir.read_generation() == 1
    assert "serin_controller_hosts 1\n" in (run_dir.plan / "metrics").read_text()


async def test_changes_are_published(fed: tuple[Fed, Control], run_dir: RunDirectory) -> None:
    fed[0].queue.put_nowait(batch(ingress("more", "more.example", "main")))
    await until(lambda: run_dir.read_generation() == 2)
    assert set(run_dir.read_index().hosts) == {HOST, "more.example"}
    fed[0].queue.put_nowait(Batch(deleted=(Ref("Ingress", "drills", "more"),)))
    await until(lambda: run_dir.read_generation() == 3)
    assert set(run_dir.read_index().hosts) == {HOST}


async def test_a_weight_needs_no_new_generation(fed: tuple[Fed, Control], run_dir: RunDirectory) -> None:
    source, control = fed
    other = (service("next"), endpoint_slice("next", ["127.0.0.2"]))
    source.queue.put_nowait(batch(*other, canary("canary", HOST, "next", weight="10")))
    await until(lambda: run_dir.read_generation() == 2)
    source.queue.put_nowait(batch(canary("canary", HOST, "next", weight="20")))
    await until(lambda: control.engine.counts.revision == 7)
    assert control.engine.plan is not None
    (split,) = control.engine.plan.splits.values()
    assert split.shares[1].weight == 20
    await until(lambda: control.engine.due is None)
    assert run_dir.read_generation() == 2


async def test_an_object_that_cannot_be_stored_takes_no_other_with_it(
    fed: tuple[Fed, Control], run_dir: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, control = fed
    real = control._store.apply

    def apply(view: View) -> bool:
        if view.meta.ref.name == "bad":
            raise RuntimeError("ours")
        return real(view)

    monkeypatch.setattr(control._store, "apply", apply)
    before = run_dir.read_generation()
    await source.queue.put(batch(ingress("bad", "bad.example", "main"), ingress("good", "good.example", "main")))
    await until(lambda: run_dir.read_generation() != before)
    assert {HOST, "good.example"} <= run_dir.read_index().hosts.keys()


async def test_a_source_that_fails_is_followed_again(
    fed: tuple[Fed, Control], run_dir: RunDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.01)
    fed[0].queue.put_nowait(RuntimeError("a bug of ours"))
    fed[0].queue.put_nowait(batch(ingress("more", "more.example", "main")))
    await until(lambda: run_dir.read_generation() == 2)
    # Of ours alone: asyncio may have a word to say about tasks of tests before this one.
    said = [record.getMessage() for record in caplog.records if record.name == "serin.control"]
    assert said.count("control-failed") == 1


async def test_what_failed_half_way_is_published_without_another_change(
    fed: tuple[Fed, Control], run_dir: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    fed[0].queue.put_nowait(batch(ingress("one", "one.example", "main")))
    await until(lambda: run_dir.read_generation() == 2 and fed[1].engine.due is None)
    monkeypatch.setattr(fed[1].engine, "_endpoints", fail)
    fed[0].queue.put_nowait(batch(ingress("more", "more.example", "main")))
    await until(lambda: run_dir.read_generation() == 3)
    assert "more.example" in run_dir.read_index().hosts


async def test_on_a_full_disk_the_figures_still_show_that_we_live(
    fed: tuple[Fed, Control], run_dir: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor kills what leaves its heartbeat as it is."""
    path = run_dir.plan / "metrics"
    os.utime(path, (0, 0))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "write_file", full)
    fed[1]._write_figures()
    assert path.stat().st_mtime > 0


async def test_what_nginx_refused_is_a_problem_until_it_is_not(fed: tuple[Fed, Control], run_dir: RunDirectory) -> None:
    control = fed[1]
    entry = {"kind": "Ingress", "namespace": "drills", "name": "main", "host": HOST, "error": "no", "since": 1}
    path = run_dir.state / "quarantine.json"

    def write(*entries: dict[str, Any]) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"version": 1, "objects": entries}))
        fresh.replace(path)

    write(entry)
    await until(lambda: "nginx-refused" in [problem.code for problem in control.engine.problems])
    # Other news do not make it forgotten.
    fed[0].queue.put_nowait(batch(ingress("more", "more.example", "main")))
    await until(lambda: run_dir.read_generation() == 2)
    assert [problem.code for problem in control.plane_problems] == ["nginx-refused"]
    assert "nginx-refused" in [problem.code for problem in control.engine.problems]
    write()
    await until(lambda: "nginx-refused" not in [problem.code for problem in control.engine.problems])

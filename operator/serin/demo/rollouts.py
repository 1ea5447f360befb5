"""The demo's releases: requests at a steady rate, and how each rollout goes on, step by step, until it has ended.

What a rollout is at is read where `serin canary status --run-dir` reads it.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from serin.cli.terminal import Paint
from serin.echo import HEADER

WITHIN = 100.0
"""Seconds for all of them."""
LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Release:
    """A CanaryRoute of the namespace default, requests to `host`, and what is to come of it.

    `outcome` as in status.rollout; `most`: the largest weight that the version ever has.
    """

    name: str
    about: str
    host: str
    rps: float
    outcome: str
    most: str


@dataclass(slots=True)
class Seen:
    """What was seen of a release: weights in the order they came, answers by backend and status."""

    weights: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    outcome: str = ""


Say = Callable[[str], None]


async def watch(releases: tuple[Release, ...], port: int, run_dir: Path, paint: Paint, say: Say) -> int:
    """All at once; the number of those that did not end as expected."""
    started = time.monotonic()
    say("\n" + paint("bold", "releases") + "  the new version beside the one before, judged by its own requests")
    wide = max(len(release.name) for release in releases)
    made = [_Watch(release, f"{run_dir}/plan/canary/default.{release.name}.json", started) for release in releases]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        await asyncio.gather(*(one.run(session, port, wide, say) for one in made))
    wrong = 0
    for one in made:
        found = one.mismatches()
        mark = paint("error", "✗") if found else paint("good", "✓")
        say(f"  {mark} {one.release.name:{wide}}  {one.summary()}")
        for text in found:
            say(paint("error", f"    {text}"))
        wrong += bool(found)
    return wrong


class _Watch:
    def __init__(self, release: Release, file: str, started: float) -> None:
        self.release = release
        self.seen = Seen()
        self._file = Path(file)
        self._started = started
        self._told: tuple[str, ...] = ()

    async def run(self, session: aiohttp.ClientSession, port: int, wide: int, say: Say) -> None:
        """Until the run has ended, or the time is over."""
        sending = asyncio.create_task(self._send(session, f"http://127.0.0.1:{port}/"))
        try:
            while not self.seen.outcome and time.monotonic() - self._started < WITHIN:
                self._look(wide, say)
                await asyncio.sleep(LOOK_EVERY)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    def _look(self, wide: int, say: Say) -> None:
        status = _status(self._file)
        run = status.get("rollout") or {}
        weight, outcome = str(run.get("weight", "")), str(run.get("outcome", ""))
        if weight and weight not in self.seen.weights[-1:]:
            self.seen.weights.append(weight)
        told = (str(run.get("stepText", "")), weight, outcome, str(status.get("phase", "")))
        if run and told != self._told:
            self._told = told
            at = time.monotonic() - self._started
            say(f"  {at:5.1f} s  {self.release.name:{wide}}  {told[0]:>3}  {weight:>4}  {status.get('message', '')}")
        self.seen.outcome = outcome

    async def _send(self, session: aiohttp.ClientSession, url: str) -> None:
        """One request after the other at the release's rate; a slow answer does not hold up the next one."""
        async with asyncio.TaskGroup() as tasks:
            begun = time.monotonic()
            for number in itertools.count():
                await asyncio.sleep(max(0.0, begun + number / self.release.rps - time.monotonic()))
                tasks.create_task(self._ask(session, url))

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(url, headers={"Host": self.release.host}) as response:
                await response.read()
                self.seen.answers[response.headers.get(HEADER, ""), response.status] += 1

    def summary(self) -> str:
        answers = self.seen.answers
        failed = sum(count for (_, status), count in answers.items() if status >= 500)
        by = Counter[str]()
        for (backend, _), count in answers.items():
            by[backend or "nobody"] += count
        shares = "  ".join(f"{name} {count}" for name, count in sorted(by.items()))
        weights = " → ".join(self.seen.weights)
        return f"{self.release.about}: {weights}, {self.seen.outcome or 'not ended'}; {shares}, {failed} failed"

    def mismatches(self) -> list[str]:
        found = []
        if self.seen.outcome != self.release.outcome:
            found.append(f"{self.seen.outcome or 'not ended'} instead of {self.release.outcome}")
        most = max((float(weight.removesuffix("%")) for weight in self.seen.weights), default=0.0)
        if most != float(self.release.most.removesuffix("%")):
            found.append(f"a weight of {most:g}% instead of at most {self.release.most}")
        return found


def _status(file: Path) -> Mapping[str, Any]:
    """Empty while there is none."""
    with contextlib.suppress(OSError, ValueError):
        status = json.loads(file.read_bytes()).get("status")
        return status if isinstance(status, dict) else {}
    return {}

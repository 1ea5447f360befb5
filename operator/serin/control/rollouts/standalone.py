"""Control from files with its rollouts: `serin serve`. There is one replica, which always leads."""

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from serin.compile.options import Options
from serin.control.facts.look import OwnFacts
from serin.control.loop import Control, Source
from serin.control.outside.allowed import Allowed
from serin.control.outside.asking import Outside
from serin.control.patterns import check_pattern
from serin.control.publish import Blocks
from serin.control.rollouts.actions import Actions
from serin.control.rollouts.driver import Rollouts
from serin.control.rollouts.files import FileStatuses
from serin.control.rollouts.ports import Seen
from serin.control.rollouts.telling import Telling
from serin.native import trials
from serin.objects.store import Key
from serin.objects.views import CanaryRoute, View
from serin.refs import Ref
from serin.render.rundir import RunDirectory
from serin.telemetry.rollout_metrics import RolloutMetrics
from serin.telemetry.told import Told

MOST = 1.0
"""Longest time in seconds between two looks at a rollout: somebody is watching."""
NUMBERS = 1.5
"""Seconds after which newer numbers are written: a file costs nothing."""


class Standalone:
    """`control` is started, and `works` are run beside it."""

    def __init__(
        self,
        source: Source,
        options: Options,
        run_dir: RunDirectory,
        blocks: Blocks,
        told: Told = Told(),  # noqa: B008
    ) -> None:
        statuses = FileStatuses(source, run_dir.plan / "canary")
        metrics = RolloutMetrics()
        self.control = control = Control(
            statuses,
            options,
            run_dir,
            blocks,
            check_pattern,
            observers=(self._compiled,),
            told=told,
            texts=lambda snapshot: metrics.text(snapshot.canary_routes.values()),
        )
        statuses.put = control.add
        self._outside = Outside(self._secret, Allowed(standalone=True))
        facts = OwnFacts(partial(trials.read, run_dir.path), lambda: control.engine.trials)
        self._rollouts = Rollouts(
            self._seen,
            options,
            facts,
            self._outside,
            statuses,
            lambda: True,
            (Telling(metrics, time.time),),
            most=MOST,
            numbers=NUMBERS,
        )
        self._actions = Actions(run_dir.actions, self._find, statuses.act, time.monotonic)

    @property
    def works(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {"rollouts": self._rollouts.run, "actions": self._actions.run}

    async def close(self) -> None:
        """What is asked of others is given up."""
        await self._outside.close()

    def _compiled(self, *_: object) -> None:
        self._rollouts.news()

    def _seen(self) -> Seen | None:
        return seen(self.control)

    def _find(self, key: Key) -> CanaryRoute | None:
        view = self.control.engine.snapshot.find(Ref("CanaryRoute", *key))
        return view if isinstance(view, CanaryRoute) else None

    async def _secret(self, ref: Ref) -> View | None:
        return self.control.engine.snapshot.find(ref)


def seen(control: Control) -> Seen | None:
    """None before the first compile."""
    engine = control.engine
    return None if engine.compiled is None else Seen(engine.snapshot, engine.compiled, engine.problems)

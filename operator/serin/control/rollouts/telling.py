"""What is told of a rollout when its status has been written: lines of the log, Events, figures."""

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.rollout.situation import Advance
from serin.telemetry import log
from serin.telemetry.rollout_metrics import RolloutMetrics

_log = logging.getLogger("serin.control.rollouts")


class Recorder(Protocol):
    """serin.cluster.events.EventRecorder."""

    def happened(self, ref: Ref, reason: str, message: str, *, warning: bool) -> None: ...


class Telling:
    """`recorder` None: there is no cluster. `ingresses` gives those that a CanaryRoute shares out."""

    def __init__(
        self,
        metrics: RolloutMetrics,
        wall: Callable[[], float],
        recorder: Recorder | None = None,
        ingresses: Callable[[Ref], Iterable[Ref]] = lambda _: (),
    ) -> None:
        self._metrics = metrics
        self._wall = wall
        self._recorder = recorder
        self._ingresses = ingresses

    def __call__(self, view: CanaryRoute, decided: Advance) -> None:
        """`view` is what it was decided on, with the status of before."""
        ref = view.meta.ref
        self._metrics.wrote(view, decided.status, self._wall())
        for told in decided.events:
            level = logging.WARNING if told.warning else logging.INFO
            of = f"{ref.namespace}/{ref.name}"
            log.event(_log, log.ROLLOUT, level=level, object=of, reason=told.reason, note=told.note)
            if self._recorder is None:
                continue
            self._recorder.happened(ref, told.reason, told.note, warning=told.warning)
            for ingress in self._ingresses(ref) if told.on_ingress else ():
                note = f"CanaryRoute {ref.name}: {told.note}"
                self._recorder.happened(ingress, told.reason, note, warning=told.warning)

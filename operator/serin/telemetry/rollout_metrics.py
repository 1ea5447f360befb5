"""The rollouts in Prometheus' text format, made of the status of CanaryRoutes: of those that are there, and no others.

Bounded by the objects: 8 versions, 8 checks, 7 phases each. Every replica tells the same of what status says; runs that
ended are counted by whoever wrote so.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from serin.objects.canary_status import OUTCOMES, PHASES, VERDICTS, WHOLE, CanaryStatus, RunStatus
from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.telemetry.exposition import Page, label_text

BOUNDS = (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200, 604800)
"""Upper bounds in seconds of how long a run took: a minute to a week."""
_NUMBER = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)\s*(%|us|µs|ms|s|m|x)?\s*", re.ASCII)
_UNITS = {"%": 0.01, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "x": 1.0, None: 1.0}

_OF_STATUS = (
    ("canaryroute_weight_ratio", "A version's share of the requests that no rule decides, of 1"),
    ("canaryroute_phase", "1 for the phase that a CanaryRoute is in"),
    ("canaryroute_check_verdict", "1 for the verdict of a check in the running step"),
    ("canaryroute_check_value", "What a check measured: a ratio, seconds, or a query's number"),
)

_Shown = tuple[CanaryStatus, tuple[str, ...]]
"""The lines that were made of a status, by family."""


@dataclass(slots=True)
class _Ended:
    outcomes: Counter[str] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


_NONE = _Ended()


class RolloutMetrics:
    """`wrote` is told of each status that this replica wrote; `text` makes the lines of all there is."""

    def __init__(self) -> None:
        self._ended: dict[Ref, _Ended] = {}
        self._known: dict[Ref, _Shown] = {}

    def wrote(self, view: CanaryRoute, status: CanaryStatus, now: float) -> None:
        """`view` has the status of before. A run that is superseded ends in the history, not in the run."""
        run, before = status.run, None if view.status is None else view.status.run
        ended = self._ended.setdefault(view.meta.ref, _Ended())
        if before is not None and not before.outcome and (run is None or not _same(run, before)):
            _count(ended, "Superseded", now - before.started_at)
        if run is not None and run.outcome and (before is None or not before.outcome or not _same(run, before)):
            _count(ended, run.outcome, now - run.started_at)

    def text(self, views: Iterable[CanaryRoute]) -> str:
        """In the order of names; of objects that are gone nothing is left."""
        ordered = sorted(views, key=lambda view: view.meta.ref)
        there = {view.meta.ref for view in ordered}
        self._ended = {ref: ended for ref, ended in self._ended.items() if ref in there}
        self._known = {view.meta.ref: self._shown(view.meta.ref, view.status) for view in ordered if view.status}
        page = Page()
        if ordered:
            for place, (name, about) in enumerate(_OF_STATUS):
                page.family(name, "gauge", about)
                page.text("".join(lines[place] for _, lines in self._known.values()))
            self._of_runs(page, [view.meta.ref for view in ordered if view.rollout is not None])
        return page.encode().decode()

    def _shown(self, ref: Ref, status: CanaryStatus) -> _Shown:
        """Made once of each status: of a thousand all of it would take half a second."""
        known = self._known.get(ref)
        return (
            known if known is not None and known[0] is status else (status, _lines_of(label_text(_named(ref)), status))
        )

    def _of_runs(self, page: Page, refs: Sequence[Ref]) -> None:
        runs = [(label_text(_named(ref)), self._ended.get(ref, _NONE)) for ref in refs]
        page.family("canaryroute_rollouts_total", "counter", "Runs that ended, as far as this replica led")
        for labels, ended in runs:
            for outcome in OUTCOMES:
                count = ended.outcomes[outcome]
                page.sample("canaryroute_rollouts_total", f'{labels},outcome="{outcome}"', count)
        page.family("canaryroute_rollout_seconds", "histogram", "From the beginning of a run to its end")
        for labels, ended in runs:
            if any(ended.buckets):
                up_to = [sum(ended.buckets[: end + 1]) for end in range(len(ended.buckets))]
                bounds = [str(bound) for bound in BOUNDS]
                page.histogram("canaryroute_rollout_seconds", labels, bounds, up_to, ended.seconds)


def _lines_of(labels: str, status: CanaryStatus) -> tuple[str, ...]:
    """Of each family of _OF_STATUS the samples of one object."""
    weights = [(label_text({"version": found.version}), found.weight / WHOLE) for found in status.weights]
    phases = [(f'phase="{phase}"', float(status.phase == phase)) for phase in PHASES]
    verdicts = [
        (label_text({"check": check.name, "verdict": verdict}), float(check.verdict == verdict))
        for check in status.checks
        for verdict in VERDICTS
    ]
    values = [
        (label_text({"check": check.name, "side": side}), value)
        for check in status.checks
        for side, text in (("candidate", check.candidate), ("baseline", check.baseline))
        if (value := number(text)) is not None
    ]
    families = zip(_OF_STATUS, (weights, phases, verdicts, values), strict=True)
    return tuple(
        "".join(f"{name}{{{labels},{more}}} {value:.15g}\n" for more, value in samples)
        for (name, _), samples in families
    )


def number(text: str) -> float | None:
    """`0.21%` as 0.0021, `130ms` as 0.13, a plain number as it is; None for anything else."""
    found = _NUMBER.fullmatch(text)
    return None if found is None else float(found[1]) * _UNITS[found[2]]


def _count(ended: _Ended, outcome: str, seconds: float) -> None:
    taken = max(0.0, seconds)
    ended.outcomes[outcome] += 1
    ended.buckets[sum(taken > bound for bound in BOUNDS)] += 1
    ended.seconds += taken


def _same(one: RunStatus, other: RunStatus) -> bool:
    """Whether they are one run: it may begin again on demand."""
    return (one.run_id, int(one.started_at)) == (other.run_id, int(other.started_at))


def _named(ref: Ref) -> Mapping[str, str]:
    return {"namespace": ref.namespace, "name": ref.name}

"""A rollout to be played: an object, a clock, verdicts that a test gives. Every status is written and read again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serin.objects.canary_status import CanaryStatus, CheckStatus, RunStatus
from serin.objects.canary_status_reading import read_status
from serin.objects.fields import Fields, Report
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute
from serin.problems import Problem
from serin.rollout.facts import Facts, OutsideResult
from serin.rollout.machine import advance
from serin.rollout.situation import Advance, Situation, Told
from serin.rollout.standing import run_id, standing
from serin.rollout.status_document import to_document

NOON = 1_795_262_400.0

STEPS: list[dict[str, Any]] = [
    {"weight": "5%", "duration": "1m"},
    {"weight": "25%", "duration": "5m", "approval": "Required"},
    {"weight": "100%", "duration": "10m"},
]
CHECKS: list[dict[str, Any]] = [{"name": "errors", "type": "Errors", "maxRatio": "1.5", "warmup": "30s"}]


def canary(
    *,
    steps: list[dict[str, Any]] | None = None,
    checks: list[dict[str, Any]] | None = None,
    revision: str = "1",
    versions: list[dict[str, Any]] | None = None,
    paused: bool = False,
    **rollout: Any,
) -> CanaryRoute:
    """`rollout`: more fields of spec.rollout."""
    spec: dict[str, Any] = {
        "paused": paused,
        "versions": versions
        or [
            {"name": "v1", "service": {"name": "shop-v1"}, "weight": 3},
            {"name": "v2", "service": {"name": "shop-v2"}},
            {"name": "v3", "service": {"name": "shop-v3"}, "weight": 1},
        ],
        "rollout": {
            "version": "v2",
            "revision": revision,
            "steps": STEPS if steps is None else steps,
            "checks": CHECKS if checks is None else checks,
            **rollout,
        },
    }
    return parsed(spec)


def parsed(spec: Mapping[str, Any], status: object = None) -> CanaryRoute:
    raw = {
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "CanaryRoute",
        "metadata": {"name": "shop", "namespace": "prod", "generation": 1},
        "spec": {key: value for key, value in spec.items() if value is not None},
        "status": status,
    }
    found = parse_object(raw)
    assert isinstance(found.view, CanaryRoute)
    assert list(found.problems) == []
    return found.view


def reread(view: CanaryRoute, status: CanaryStatus) -> CanaryStatus:
    document: Any = to_document(status)
    return read_status(Fields(document, "status", Report(view.meta.ref)))


@dataclass
class Verdicts:
    """Stands for the statistics. `verdict` is that of all checks but those of `of`."""

    verdict: str = "Pass"
    of: dict[str, str] = field(default_factory=dict)
    failures: int = 0
    frozen: bool = True
    needs: int = 0
    looked: int = 0

    def freeze(
        self, view: CanaryRoute, checks: tuple[CheckStatus, ...], facts: Facts
    ) -> tuple[CheckStatus, ...] | None:
        assert standing(view) is not None
        return checks if self.frozen else None

    def judge(
        self,
        view: CanaryRoute,
        checks: tuple[CheckStatus, ...],
        facts: Facts,
        outside: Mapping[str, OutsideResult],
        now: float,
    ) -> tuple[CheckStatus, ...]:
        self.looked += 1
        return tuple(
            replace(
                check,
                verdict=self.of.get(check.name, self.verdict),
                failures=self.failures,
                needs=self.needs,
                requests=self.looked,
            )
            for check in checks
        )


class Played:
    """`tick` is one look, after which the status is written and read again, as another leader would find it."""

    def __init__(self, view: CanaryRoute, **verdicts: Any) -> None:
        self.view = view
        self.now = NOON
        self.judgement = Verdicts(**verdicts)
        self.ready = {version.name: 3 for version in view.versions}
        self.serving = (2, 2)
        self.missing: tuple[str, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.written_at = 0.0
        self.events: list[Told] = []
        self.writes = 0

    @property
    def situation(self) -> Situation:
        return Situation(
            view=self.view,
            now=self.now,
            ready=self.ready,
            judgement=self.judgement,
            facts=Facts((), self.missing),
            serving=self.serving,
            problems=self.problems,
            written_at=self.written_at,
        )

    def tick(self, seconds: float = 0.0) -> Advance:
        self.now += seconds
        found = advance(self.situation)
        if found.write:
            self.view = replace(self.view, status=reread(self.view, found.status))
            self.written_at = self.now
            self.writes += 1
            self.events += found.events
        return found

    def settle(self, seconds: float = 0.0) -> "Played":
        """Ticks without time going by until nothing is written any more."""
        self.tick(seconds)
        for _ in range(20):
            if not self.tick().write:
                return self
        raise AssertionError("it never settles")

    def wait(self, seconds: float, every: float = 10.0) -> "Played":
        end = self.now + seconds
        while self.now < end:
            self.settle(min(every, end - self.now))
        return self

    def edit(self, view: CanaryRoute) -> "Played":
        """A new spec, with the status and the annotation of before."""
        generation = self.view.generation + 1
        self.view = replace(view, status=self.view.status, action=self.view.action, generation=generation)
        return self

    def act(self, action: str) -> "Played":
        self.view = replace(self.view, action=action)
        return self

    @property
    def status(self) -> CanaryStatus:
        assert self.view.status is not None
        return self.view.status

    @property
    def run(self) -> RunStatus:
        assert self.status.run is not None
        return self.status.run

    @property
    def at(self) -> tuple[str, int, int]:
        """Phase, step and weight in per cent."""
        return self.status.phase, self.run.step, self.run.weight // 1000

    @property
    def told(self) -> list[str]:
        """Reasons of the events since this was asked last."""
        found = [event.reason for event in self.events]
        self.events.clear()
        return found

    @property
    def result(self) -> str:
        assert self.status.last_action is not None
        return self.status.last_action.result

    def reason(self, kind: str = "Promoted") -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(condition for condition in self.status.conditions if condition.type == kind)
        return found.status, found.reason

    def token(self, step: int | None = None) -> str:
        return f"{run_id(self.view)}.{self.run.step if step is None else step}.1795262400"


def played(view: CanaryRoute | None = None, **verdicts: Any) -> Played:
    """At its first step, 5 %, whose warm-up is not over."""
    return Played(canary() if view is None else view, **verdicts).settle()


def at_step(number: int, **rollout: Any) -> Played:
    """Of the usual steps, just begun."""
    found = played(canary(**rollout))
    while found.run.step < number:
        if found.status.phase == "AwaitingApproval":
            found.act(f"promote/{found.now}")
        found.settle(10)
    found.told  # noqa: B018
    return found

"""The judgement as the state machine asks for it: a view and the facts of a look in, checks out. Keeps nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from serin.objects.canary_status import CheckStatus
from serin.objects.views import CanaryRoute
from serin.rollout import judgement
from serin.rollout.facts import Facts, OutsideResult
from serin.rollout.observed import Observed, observe
from serin.rollout.standing import current_run, standing


@dataclass(frozen=True, slots=True)
class Judging:
    """A serin.rollout.situation.Judges. The view has a run, and the status of this moment."""

    def freeze(
        self, view: CanaryRoute, checks: tuple[CheckStatus, ...], facts: Facts
    ) -> tuple[CheckStatus, ...] | None:
        assert view.rollout is not None
        return judgement.freeze(view.rollout, checks, _observed(view, facts))

    def judge(
        self,
        view: CanaryRoute,
        checks: tuple[CheckStatus, ...],
        facts: Facts,
        outside: Mapping[str, OutsideResult],
        now: float,
    ) -> tuple[CheckStatus, ...]:
        run = current_run(view)
        assert view.rollout is not None
        assert run is not None
        by_user = view.split_by is not None and view.split_by.type != "Request"
        return judgement.judge(view.rollout, run, checks, _observed(view, facts), outside, now, by_user=by_user)


def _observed(view: CanaryRoute, facts: Facts) -> Observed:
    stand = standing(view)
    assert stand is not None
    return observe(view, stand.trial, facts)

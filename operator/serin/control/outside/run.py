"""What a check is told of the run that it is asked about."""

from dataclasses import dataclass

from serin.objects.views import CanaryRoute
from serin.rollout.percent import percent
from serin.rollout.standing import current_run


@dataclass(frozen=True, slots=True)
class AskedRun:
    """`weight` as per cent. `service`: the candidate's. `baseline`: the version that it is compared with."""

    namespace: str
    name: str
    run_id: str
    version: str
    service: str
    revision: str
    baseline: str
    step: int
    weight: str
    started_at: float

    @property
    def variables(self) -> dict[str, str]:
        """Of queries, by name."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "version": self.version,
            "service": self.service,
            "baseline": self.baseline,
        }


def asked_run(view: CanaryRoute) -> AskedRun | None:
    """None while nothing is judged: no run, over, or still warming up."""
    run, rollout = current_run(view), view.rollout
    if run is None or rollout is None or run.outcome or not run.judged_since:
        return None
    ref = view.meta.ref
    return AskedRun(
        namespace=ref.namespace,
        name=ref.name,
        run_id=run.run_id,
        version=rollout.version,
        service=next(version.service for version in view.versions if version.name == rollout.version),
        revision=rollout.revision,
        baseline=run.baseline or rollout.baseline,
        step=run.step,
        weight=percent(run.weight),
        started_at=run.started_at,
    )

"""What the review that was judged last has cost, for ingress-nginx's gauges of its admission.

Gauges of one review say little beside sums, which serin_controller_admission_* has; dashboards made for ingress-nginx
ask for these.
"""

from dataclasses import dataclass

from serin.telemetry.figure import Figure


@dataclass(frozen=True, slots=True)
class LastReview:
    """All zero before the first one.

    `ingresses`: of the plan that the object was judged in. `judging` is the making and weighing of that plan,
    `testing` the same with Secrets fetched and its turn waited for, `whole` from the head to the answer; in seconds.
    `size`: bytes of the review, 0 where its head does not say.
    """

    ingresses: int = 0
    judging: float = 0.0
    testing: float = 0.0
    whole: float = 0.0
    size: int = 0

    def figures(self) -> list[Figure]:
        told = (
            ("admission_last_ingresses", "Ingresses of the plan that the last review was judged in.", self.ingresses),
            ("admission_last_judging_seconds", "Making and weighing of that plan.", self.judging),
            ("admission_last_testing_seconds", "The same, with Secrets fetched and its turn waited for.", self.testing),
            ("admission_last_review_seconds", "From that review's head to its answer.", self.whole),
            ("admission_last_review_bytes", "Its size.", self.size),
        )
        return [Figure(name, "gauge", text, float(value)) for name, text, value in told]

"""Requests of CanaryRoutes' versions on the page of a data plane, under the name of who shares them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serin.telemetry.exposition import Page, label_text


@dataclass(frozen=True, slots=True, order=True)
class CanaryNames:
    """`namespace` and `name` of the CanaryRoute; `version` as in its spec."""

    namespace: str
    name: str
    version: str

    @property
    def labels(self) -> str:
        return label_text({"namespace": self.namespace, "name": self.name, "version": self.version})


class Sum(Protocol):
    """Requests by class, how many took up to each bound, and the time of all in µs."""

    @property
    def classes(self) -> Sequence[int]: ...
    @property
    def cumulative(self) -> Sequence[int]: ...
    @property
    def latency_us(self) -> int: ...


def canary_families(
    page: Page, sums: Mapping[CanaryNames, Sum], classes: Sequence[str], always: frozenset[str], bounds: Sequence[str]
) -> None:
    """`classes` are the names of those in each sum; `always` the ones that are shown when nobody had them, too."""
    if not sums:
        return
    name = "canaryroute_requests_total"
    page.family(name, "counter", "Requests answered for a CanaryRoute, by version and class of the status")
    for names, found in sums.items():
        for code, count in zip(classes, found.classes, strict=True):
            if count or code in always:
                page.sample(name, f'{names.labels},class="{code}"', count)
    name = "canaryroute_request_duration_seconds"
    page.family(name, "histogram", "From the choice of an endpoint to the end of its answer, by version")
    for names, found in sums.items():
        page.histogram(name, names.labels, bounds, found.cumulative, found.latency_us / 1e6)

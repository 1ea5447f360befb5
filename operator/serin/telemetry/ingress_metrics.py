"""Requests under ingress-nginx's names and labels (`nginx_ingress_controller_requests` and the others).

Dashboards, Flagger and Argo Rollouts ask by them. One series is one (rule, version, status, method): no request can
make a label, and those of a rule that is gone go. Labels that nobody asks a histogram for are left out of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from serin.native.stats import DETAIL_BOUNDS_US, DETAIL_SIZES, Detail, Totals
from serin.telemetry.exposition import Page, label_text
from serin.telemetry.route_names import Key, Series
from serin.telemetry.told import Told

PREFIX = "nginx_ingress_controller_"
REQUESTS = "requests"
LATENCY = "ingress_upstream_latency_seconds"
"""A summary that older tools ask for; its sum and count are those of response_duration_seconds."""
RESPONSE = "response_duration_seconds"
MICRO = 1e-6


@dataclass(frozen=True, slots=True)
class Histogram:
    """`of` reads sum and buckets; `unit`: what one of the sum is in the family's unit.

    `method`, `status`: the labels that it has beside those of its rule and version.
    """

    name: str
    help: str
    of: Callable[[Detail], tuple[int, Sequence[int]]]
    method: bool
    status: bool
    bounds: tuple[str, ...]
    unit: float = 1


_SECONDS = tuple(f"{us / 1e6:g}" for us in DETAIL_BOUNDS_US)
_BYTES = tuple(str(size) for size in DETAIL_SIZES)
HISTOGRAMS = (
    Histogram(
        "request_duration_seconds",
        "From the first byte of the request to the last of the answer",
        lambda d: (d.request_us, d.requests),
        True,
        True,
        _SECONDS,
        MICRO,
    ),
    Histogram(
        RESPONSE,
        "From sending to the endpoint that answered to the last byte of its answer",
        lambda d: (d.response_us, d.responses),
        True,
        True,
        _SECONDS,
        MICRO,
    ),
    Histogram(
        "header_duration_seconds",
        "From sending to the endpoint that answered to the first byte of its answer",
        lambda d: (d.header_us, d.headers),
        False,
        False,
        _SECONDS,
        MICRO,
    ),
    Histogram(
        "connect_duration_seconds",
        "Until the endpoint was connected; next to nothing where the connection was kept",
        lambda d: (d.connect_us, d.connects),
        False,
        False,
        _SECONDS,
        MICRO,
    ),
    Histogram(
        "request_size",
        "Bytes received: request line, headers and body",
        lambda d: (d.received, d.received_sizes),
        True,
        False,
        _BYTES,
    ),
    Histogram(
        "response_size",
        "Bytes sent: status line, headers and body",
        lambda d: (d.sent, d.sent_sizes),
        True,
        False,
        _BYTES,
    ),
    Histogram("bytes_sent", "Deprecated name of response_size", lambda d: (d.sent, d.sent_sizes), False, False, _BYTES),
)


@dataclass(slots=True)
class _Counted:
    buckets: list[int]
    total: int = 0

    @property
    def cumulative(self) -> list[int]:
        reached, sums = 0, []
        for count in self.buckets:
            reached += count
            sums.append(reached)
        return sums


@dataclass(slots=True)
class _Sums:
    """By label text; in the order in which they were met. `histograms` beside HISTOGRAMS."""

    requests: dict[str, int] = field(default_factory=dict)
    histograms: tuple[dict[str, _Counted], ...] = field(default_factory=lambda: tuple({} for _ in HISTOGRAMS))

    def add(self, base: str, status: str, detail: Detail) -> None:
        with_method = f'{base},method="{detail.method}"'
        whole = f'{with_method},status="{status}"'
        self.requests[whole] = self.requests.get(whole, 0) + detail.count
        for family, sums in zip(HISTOGRAMS, self.histograms, strict=True):
            total, buckets = family.of(detail)
            if not any(buckets):
                continue
            labels = whole if family.status else with_method if family.method else base
            known = sums.get(labels)
            if known is None:
                sums[labels] = _Counted(list(buckets), total)
            else:
                known.buckets = [a + b for a, b in zip(known.buckets, buckets, strict=True)]
                known.total += total


def request_families(page: Page, totals: Totals, series: Mapping[Key, Series], told: Told) -> None:
    sums = add_up(totals, series, told)
    if shown(REQUESTS, told):
        page.family(PREFIX + REQUESTS, "counter", "Requests of clients")
        for labels, count in sums.requests.items():
            page.sample(PREFIX + REQUESTS, labels, count)
    for family, found in zip(HISTOGRAMS, sums.histograms, strict=True):
        if shown(family.name, told):
            _histogram(page, family, found)
        if family.name == RESPONSE and shown(LATENCY, told):
            _summary(page, family, found)
    page.family("serin_requests_undetailed_total", "counter", "Requests in none of the series of ingress-nginx's names")
    lost = sum(v.undetailed for v in totals.versions.values())
    page.sample("serin_requests_undetailed_total", "", lost)


def shown(name: str, told: Told) -> bool:
    """Whether --exclude-socket-metrics leaves it; names are taken with and without the prefix."""
    return name not in told.excluded and PREFIX + name not in told.excluded


def add_up(totals: Totals, series: Mapping[Key, Series], told: Told) -> _Sums:
    """Sums by labels: rules that differ in nothing that is shown are one. Rules that are gone are left out."""
    sums = _Sums()
    found = sorted((series[key], counts) for key, counts in totals.versions.items() if key in series)
    for whose, counts in found:
        base = label_text(_labels(whose, told))
        for detail in sorted(counts.details, key=lambda d: (d.status, d.method)):
            if detail.count:
                sums.add(base, status_text(detail.status, told), detail)
    return sums


def status_text(status: int, told: Told) -> str:
    return f"{status // 100}xx" if told.status_classes and 100 <= status < 600 else str(status)


def _labels(whose: Series, told: Told) -> dict[str, str]:
    labels = {
        **told.labels,
        "namespace": whose.namespace,
        "ingress": whose.ingress,
        "service": whose.service,
        "canary": whose.canary,
        "path": whose.path,
    }
    return {**labels, "host": whose.host} if told.per_host else labels


def _histogram(page: Page, family: Histogram, found: Mapping[str, _Counted]) -> None:
    name = PREFIX + family.name
    page.family(name, "histogram", family.help)
    for labels, counted in found.items():
        page.histogram(name, labels, family.bounds, counted.cumulative, counted.total * family.unit)


def _summary(page: Page, family: Histogram, found: Mapping[str, _Counted]) -> None:
    name = PREFIX + LATENCY
    page.family(name, "summary", f"Deprecated: see {family.name}")
    for labels, counted in found.items():
        page.sample(f"{name}_sum", labels, counted.total * family.unit)
        page.sample(f"{name}_count", labels, sum(counted.buckets))

"""Requests under ingress-nginx's names and labels (`nginx_ingress_controller_requests` and the others).

Dashboards, Flagger and Argo Rollouts ask by them. One series is one (rule, version, status, method): no request can
make a label, and those of a rule that is gone go. Labels that nobody asks the histograms for are left out of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from serin.native.stats import DETAIL_BOUNDS_US, Detail, Totals
from serin.telemetry.exposition import Page, label_text
from serin.telemetry.route_names import Key, Series
from serin.telemetry.told import Told

PREFIX = "nginx_ingress_controller_"
REQUESTS = "requests"
TIMES = {
    "request_duration_seconds": "From the first byte of the request to the last of the answer",
    "response_duration_seconds": "From sending to the endpoint that answered to the last byte of its answer",
}
SIZES = {
    "request_size": "Bytes received: request line, headers and body",
    "response_size": "Bytes sent: status line, headers and body",
    "bytes_sent": "Deprecated name of response_size",
}
LATENCY = "ingress_upstream_latency_seconds"
"""A summary that older tools ask for; its sum and count are those of response_duration_seconds."""
_LE = tuple(f"{us / 1e6:g}" for us in DETAIL_BOUNDS_US)


@dataclass(slots=True)
class _Times:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_LE) + 1))
    total_us: int = 0

    def add(self, buckets: Sequence[int], total_us: int) -> None:
        self.buckets = [a + b for a, b in zip(self.buckets, buckets, strict=True)]
        self.total_us += total_us

    @property
    def cumulative(self) -> list[int]:
        reached, sums = 0, []
        for count in self.buckets:
            reached += count
            sums.append(reached)
        return sums


@dataclass(slots=True)
class _Sizes:
    count: int = 0
    received: int = 0
    sent: int = 0


@dataclass(slots=True)
class _Sums:
    """By label text; in the order in which they were met."""

    requests: dict[str, int] = field(default_factory=dict)
    durations: dict[str, tuple[_Times, _Times]] = field(default_factory=dict)
    sizes: dict[str, _Sizes] = field(default_factory=dict)

    def add(self, base: str, status: str, detail: Detail) -> None:
        count = detail.count
        whole = f'{base},method="{detail.method}",status="{status}"'
        self.requests[whole] = self.requests.get(whole, 0) + count
        request, response = self.durations.setdefault(f'{base},status="{status}"', (_Times(), _Times()))
        request.add(detail.requests, detail.request_us)
        response.add(detail.responses, detail.response_us)
        size = self.sizes.setdefault(base, _Sizes())
        size.count += count
        size.received += detail.received
        size.sent += detail.sent


def request_families(page: Page, totals: Totals, series: Mapping[Key, Series], told: Told) -> None:
    sums = add_up(totals, series, told)
    if shown(REQUESTS, told):
        page.family(PREFIX + REQUESTS, "counter", "Requests of clients")
        for labels, count in sums.requests.items():
            page.sample(PREFIX + REQUESTS, labels, count)
    for number, (name, text) in enumerate(TIMES.items()):
        if shown(name, told):
            _histogram(page, PREFIX + name, text, ((la, both[number]) for la, both in sums.durations.items()))
    for name, text in SIZES.items():
        if shown(name, told):
            _sizes(page, PREFIX + name, text, sums.sizes, received=name == "request_size")
    if shown(LATENCY, told):
        name = PREFIX + LATENCY
        page.family(name, "summary", "Deprecated: see response_duration_seconds")
        for labels, (_, response) in sums.durations.items():
            if any(response.buckets):
                page.sample(f"{name}_sum", labels, response.total_us / 1e6)
                page.sample(f"{name}_count", labels, sum(response.buckets))
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


def _histogram(page: Page, name: str, text: str, found: Iterable[tuple[str, _Times]]) -> None:
    page.family(name, "histogram", text)
    for labels, times in found:
        if any(times.buckets):
            page.histogram(name, labels, _LE, times.cumulative, times.total_us / 1e6)


def _sizes(page: Page, name: str, text: str, found: Mapping[str, _Sizes], *, received: bool) -> None:
    """Histograms of one bucket: nobody asks for more than their sum and number."""
    page.family(name, "histogram", text)
    for labels, size in found.items():
        page.histogram(name, labels, (), (size.count,), size.received if received else size.sent)

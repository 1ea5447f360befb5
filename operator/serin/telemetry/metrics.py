"""The page at /metrics: a data plane's figures in Prometheus' text format. docs/observability.md lists them.

Pure: everything comes in as values. Counts of the same names are added up, so that one series is one (namespace,
ingress, service, version), however many rules and hosts it has.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from serin import __version__
from serin.native.stats import BOUNDS_US, Totals
from serin.telemetry.canary_metrics import CanaryNames, canary_families
from serin.telemetry.exposition import Page, label_text
from serin.telemetry.ingress_metrics import request_families
from serin.telemetry.nginx_figures import OUTCOMES, NginxFigures, nginx_families
from serin.telemetry.plane_metrics import PlaneState, Processes, plane_families
from serin.telemetry.route_names import Key, Names, Series
from serin.telemetry.told import Told, read_told

CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
"""By the status' first digit; none: the client was gone before there was an answer."""
ALWAYS = frozenset({"2xx", "5xx"})
"""Classes shown even when zero, for versions that had any request: ratios of errors are made of these."""
SHOWN_US = (1000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000)
"""Upper bounds shown, a selection of those that are counted: each costs a series for every version."""
CONTROLLER_PREFIX = "serin_controller_"
N = TypeVar("N", bound=Names | CanaryNames)
CONTROLLER_NAMES = tuple(
    f"nginx_ingress_controller_{name}"
    for name in (
        *("ssl_expire_time_seconds", "ssl_certificate_info", "leader_election_status", "orphan_ingress"),
        *("check_success", "check_errors", "admission_tested_ingresses", "admission_tested_duration"),
        *("admission_render_ingresses", "admission_render_duration", "admission_roundtrip_duration"),
        "admission_config_size",
    )
)
"""What the controller tells under ingress-nginx's names."""
ROLLOUT_NAMES = tuple(
    f"canaryroute_{name}"
    for name in ("weight_ratio", "phase", "check_verdict", "check_value", "rollouts_total", "rollout_seconds")
)
"""What it tells of CanaryRoutes; their requests are the data plane's to tell."""
_BEGINNINGS = ("", "# HELP ", "# TYPE ")
_UP_TO = tuple(BOUNDS_US.index(us) + 1 for us in SHOWN_US)
_LE = tuple(f"{us / 1e6:g}" for us in SHOWN_US)


@dataclass(frozen=True, slots=True)
class ExternalName:
    addresses: int
    failures: int
    """Lookups that failed since the last that did not."""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """The parent's own view. `workers` has the generation served by each place, None while it is being replaced."""

    ready: bool
    generation: int
    workers: tuple[int | None, ...]
    processes: int
    died: int
    replaced: int
    connections: Mapping[str, int]
    external: Mapping[str, ExternalName] = field(default_factory=dict)
    nginx: NginxFigures | None = None
    plans: int = 0
    """Plans that came since the start."""
    came: tuple[int, int] = (0, 0)
    """Connections of clients since the start: all, and those that were not closed at once."""


@dataclass(frozen=True, slots=True)
class Controller:
    """plan/metrics as the controller left it, and its age in seconds."""

    text: str
    age: float


@dataclass(slots=True)
class _Sum:
    classes: list[int]
    cumulative: list[int]
    latency_us: int = 0
    failures: int = 0


def metrics_page(
    totals: Totals,
    names: Mapping[Key, Names],
    dataplane: DataPlane,
    controller: Controller | None,
    series: Mapping[Key, Series] | None = None,
    processes: Processes | None = None,
    canaries: Mapping[Key, CanaryNames] | None = None,
) -> bytes:
    """`series` are the labels of ingress-nginx's names; None: these are left out. `canaries`: of CanaryRoutes."""
    page = Page()
    page.family("serin_build_info", "gauge", "Version of Serin; always 1")
    page.sample("serin_build_info", label_text({"version": __version__, "python": platform.python_version()}), 1)
    _requests(page, add_up(totals, names), totals.others)
    canary_families(page, add_up(totals, canaries or {}), CLASSES, ALWAYS, _LE)
    _dataplane(page, dataplane)
    told = Told() if controller is None else read_told(controller.text)
    if series is not None:
        request_families(page, totals, series, told)
    if processes is not None:
        plane_families(page, plane_state(dataplane, totals), processes, told)
    if controller is not None:
        age = "serin_controller_metrics_age_seconds"
        page.gauge(age, "How old the figures of the controller are", round(controller.age, 3))
        page.text(controller_lines(controller.text))
    return page.encode()


def add_up(totals: Totals, names: Mapping[Key, N]) -> dict[N, _Sum]:
    """Sums by names, in their order. Counts without a name are of rules that are gone, and left out."""
    sums: dict[N, _Sum] = {}
    for key, counts in totals.versions.items():
        whose = names.get(key)
        if whose is None:
            continue
        s = sums.get(whose)
        if s is None:
            s = sums[whose] = _Sum([0] * len(CLASSES), [0] * (len(_UP_TO) + 1))
        s.classes = [a + b for a, b in zip(s.classes, counts.classes, strict=True)]
        shown = [*(sum(counts.buckets[:end]) for end in _UP_TO), sum(counts.buckets)]
        s.cumulative = [a + b for a, b in zip(s.cumulative, shown, strict=True)]
        s.latency_us += counts.latency_us
        s.failures += counts.failures
    return dict(sorted(sums.items()))


def controller_lines(text: str) -> str:
    """Only what bears the controller's own names: nothing in that file can stand for the data plane's figures."""
    names = (CONTROLLER_PREFIX, *CONTROLLER_NAMES, *ROLLOUT_NAMES)
    prefixes = tuple(f"{begin}{name}" for name in names for begin in _BEGINNINGS)
    return "".join(line + "\n" for line in text.split("\n") if line.startswith(prefixes))


def plane_state(d: DataPlane, totals: Totals) -> PlaneState:
    """The data plane in the words of ingress-nginx's metrics; the proxy takes each plan without a reload."""
    n = d.nginx
    active, waiting = d.connections.get("active", 0), d.connections.get("waiting", 0)
    requests = sum(v.requests for v in totals.versions.values()) + sum(totals.others)
    if n is None:
        return PlaneState(active, waiting, requests, str(d.generation), d.plans, 0, ok=True, came=d.came)
    failed = n.reloads.get(OUTCOMES[1], 0) + n.reloads.get(OUTCOMES[2], 0)
    ok = n.last is None or n.last.outcome == OUTCOMES[0]
    ended = 0.0 if n.last is None else n.last.ended_at
    taken = n.reloads.get(OUTCOMES[0], 0)
    return PlaneState(active, waiting, requests, n.digest, taken, failed, ok=ok, ended_at=ended, came=d.came)


def _requests(page: Page, sums: Mapping[Names, _Sum], other: Sequence[int]) -> None:
    labels = {names: names.labels for names in sums}
    name = "serin_requests_total"
    page.family(name, "counter", "Requests answered, by class of the status; without names: those that no rule took")
    for names, s in sums.items():
        for code, count in zip(CLASSES, s.classes, strict=True):
            if count or code in ALWAYS:
                page.sample(name, f'{labels[names]},class="{code}"', count)
    nobody = Names("", "", "", "").labels
    for code, count in zip(CLASSES, other, strict=True):
        if count:
            page.sample(name, f'{nobody},class="{code}"', count)
    name = "serin_request_duration_seconds"
    page.family(name, "histogram", "From the choice of an endpoint to the end of its answer")
    for names, s in sums.items():
        page.histogram(name, labels[names], _LE, s.cumulative, s.latency_us / 1e6)
    name = "serin_upstream_failures_total"
    page.family(name, "counter", "Attempts at endpoints that failed, those that were tried again included")
    for names, s in sums.items():
        page.sample(name, labels[names], s.failures)


def _dataplane(page: Page, d: DataPlane) -> None:
    page.gauge("serin_ready", "1 when /readyz answers 200", int(d.ready))
    page.gauge("serin_plan_generation", "Number of the newest plan", d.generation)
    page.family("serin_worker_plan_generation", "gauge", "Number of the plan that a worker serves")
    for number, generation in enumerate(d.workers):
        if generation is not None:
            page.sample("serin_worker_plan_generation", f'worker="{number}"', generation)
    page.gauge("serin_worker_processes", "Worker processes, those that are ending included", d.processes)
    page.family("serin_worker_restarts_total", "counter", "Workers replaced, after their death or in order")
    for reason, count in (("died", d.died), ("orderly", d.replaced)):
        page.sample("serin_worker_restarts_total", f'reason="{reason}"', count)
    page.family(
        "serin_connections", "gauge", "Open connections: of clients, by what they do, and idle ones to endpoints"
    )
    for state, count in d.connections.items():
        page.sample("serin_connections", f'state="{state}"', count)
    if d.nginx is not None:
        nginx_families(page, d.nginx)
    if d.external:
        page.family("serin_external_name_addresses", "gauge", "Addresses in force of an ExternalName")
        for name, external in sorted(d.external.items()):
            page.sample("serin_external_name_addresses", label_text({"name": name}), external.addresses)
        page.family("serin_external_name_failures", "gauge", "Failed lookups since the last good one")
        for name, external in sorted(d.external.items()):
            page.sample("serin_external_name_failures", label_text({"name": name}), external.failures)

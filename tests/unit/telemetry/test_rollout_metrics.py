"""Figures of rollouts are what Prometheus reads, are of the objects that are there, and count each end once."""

from dataclasses import replace

import pytest
from harness.rollouts import canary_route, step
from prometheus_client.parser import text_string_to_metric_families

from serin.native.stats import Totals, VersionTotals
from serin.objects.canary_status import PHASES, CanaryStatus, CheckStatus, RunStatus, VersionStatus
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute
from serin.telemetry.canary_metrics import CanaryNames
from serin.telemetry.metrics import DataPlane, controller_lines, metrics_page
from serin.telemetry.rollout_metrics import RolloutMetrics, number

RUN = RunStatus("0" * 16, "canary", started_at=1000.0)
STATUS = CanaryStatus(
    phase="Progressing",
    weights=(VersionStatus("main", 75_000, 2), VersionStatus("canary", 25_000, 1)),
    run=RUN,
    checks=(CheckStatus("errors", "Pass", "0.21%", "0.2%"), CheckStatus("p95", "NeedsData", "130ms", "")),
)
PLANE = DataPlane(ready=True, generation=1, workers=(), processes=0, died=0, replaced=0, connections={})


def route(name: str = "shop", status: CanaryStatus | None = STATUS) -> CanaryRoute:
    view = parse_object(canary_route(step("25%"), name=name)).view
    assert isinstance(view, CanaryRoute)
    return replace(view, status=status)


def ended(outcome: str, at: float = 1000.0) -> CanaryStatus:
    return replace(STATUS, run=replace(RUN, outcome=outcome, started_at=at))


def values(text: str, name: str) -> dict[tuple[str, ...], float]:
    """By the labels' values, without namespace."""
    return {
        tuple(value for key, value in sample.labels.items() if key != "namespace"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_what_status_says_is_told() -> None:
    text = RolloutMetrics().text([route()])
    assert values(text, "canaryroute_weight_ratio") == {("shop", "main"): 0.75, ("shop", "canary"): 0.25}
    phases = values(text, "canaryroute_phase")
    assert {key for key, value in phases.items() if value} == {("shop", "Progressing")}
    assert len(phases) == len(PHASES)
    verdicts = values(text, "canaryroute_check_verdict")
    assert {key for key, value in verdicts.items() if value} == {
        ("shop", "errors", "Pass"),
        ("shop", "p95", "NeedsData"),
    }
    found = values(text, "canaryroute_check_value")
    assert found[("shop", "errors", "candidate")] == pytest.approx(0.0021)
    assert found[("shop", "p95", "candidate")] == pytest.approx(0.13)
    assert ("shop", "p95", "baseline") not in found


def test_each_end_is_counted_once_and_how_long_it_took() -> None:
    metrics = RolloutMetrics()
    metrics.wrote(route(), ended("RolledBack"), 1090.0)
    metrics.wrote(route(status=ended("RolledBack")), ended("RolledBack"), 1100.0)
    again = replace(STATUS, run=replace(RUN, started_at=2000.0))
    metrics.wrote(route(status=ended("RolledBack")), again, 2000.0)
    metrics.wrote(route(status=again), ended("Promoted", 2000.0), 2030.0)
    text = metrics.text([route()])
    counts = values(text, "canaryroute_rollouts_total")
    assert {key[1]: value for key, value in counts.items() if value} == {"RolledBack": 1, "Promoted": 1}
    assert values(text, "canaryroute_rollout_seconds_sum") == {("shop",): 120.0}
    assert values(text, "canaryroute_rollout_seconds_bucket")["shop", "60"] == 1
    assert values(text, "canaryroute_rollout_seconds_count") == {("shop",): 2}


def test_a_run_that_another_one_replaces_is_superseded() -> None:
    metrics = RolloutMetrics()
    other = replace(STATUS, run=replace(RUN, run_id="1" * 16, started_at=1500.0))
    metrics.wrote(route(), other, 1500.0)
    counts = values(metrics.text([route()]), "canaryroute_rollouts_total")
    assert {key[1]: value for key, value in counts.items() if value} == {"Superseded": 1}


def test_of_a_deleted_object_nothing_is_left() -> None:
    metrics = RolloutMetrics()
    metrics.wrote(route(), ended("Promoted"), 1100.0)
    assert metrics.text([]) == ""
    assert "blog" in metrics.text([route("blog")])
    counts = values(metrics.text([route()]), "canaryroute_rollouts_total")
    assert not any(counts.values()), "one of the same name is another one"


def test_one_without_status_or_rollout_is_no_trouble() -> None:
    bare = replace(route(status=None), rollout=None)
    assert values(RolloutMetrics().text([bare]), "canaryroute_phase") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.21%", 0.0021),
        ("130ms", 0.13),
        ("1.5s", 1.5),
        ("800µs", 0.0008),
        ("0.98", 0.98),
        ("-3", -3),
        ("", None),
        ("no answer", None),
    ],
)
def test_texts_of_status_as_numbers(text: str, expected: float | None) -> None:
    assert number(text) == (None if expected is None else pytest.approx(expected))


def test_the_data_plane_hands_on_what_is_the_controllers_and_nothing_else() -> None:
    text = RolloutMetrics().text([route()])
    assert controller_lines(text) == text
    assert controller_lines('canaryroute_requests_total{name="x"} 5\nother_total 1\n') == ""


def test_requests_are_the_data_planes() -> None:
    names = {("s1", "v1"): CanaryNames("web", "shop", "main"), ("s2", "v1"): CanaryNames("web", "shop", "main")}
    counted = VersionTotals((0, 0, 3, 0, 0, 1), failures=1, latency_us=2_000_000, buckets=(4,) + (0,) * 31)
    totals = Totals(dict.fromkeys(names, counted), (0,) * 6)
    text = metrics_page(totals, {}, PLANE, None, canaries=names).decode()
    assert values(text, "canaryroute_requests_total") == {("shop", "main", "2xx"): 6, ("shop", "main", "5xx"): 2}
    assert values(text, "canaryroute_request_duration_seconds_sum") == {("shop", "main"): 4.0}
    assert "canaryroute" not in metrics_page(totals, {}, PLANE, None).decode()

"""The metrics page is what Prometheus reads, and its sums never fall because a rule is gone."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serin.native.stats import BOUNDS_US, Totals, VersionTotals
from serin.telemetry.exposition import label_text
from serin.telemetry.metrics import (
    SHOWN_US,
    Controller,
    DataPlane,
    ExternalName,
    controller_lines,
    metrics_page,
)
from serin.telemetry.route_names import Key, Names

SHOP = Names("prod", "shop", "web", "web")
CANARY = replace(SHOP, version="web-v2")
DATAPLANE = DataPlane(
    ready=True,
    generation=7,
    workers=(7, None, 6),
    processes=3,
    died=2,
    replaced=5,
    connections={"active": 3, "waiting": 4, "upstream": 2},
)


def counted(classes: tuple[int, ...] = (0, 0, 3, 0, 1, 2), buckets: tuple[int, ...] = (1,) * 32) -> VersionTotals:
    return VersionTotals(classes, failures=4, latency_us=1_500_000, buckets=buckets)


def totals(*keys: Key, others: tuple[int, ...] = (0,) * 6, counts: VersionTotals | None = None) -> Totals:
    return Totals({key: counts or counted() for key in keys}, others)


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(page.decode())
        for s in family.samples
    }


def value(page: bytes, name: str, /, **labels: str) -> float | None:
    return samples(page).get((name, tuple(sorted(labels.items()))))


def of(names: Names, **more: str) -> dict[str, str]:
    return {
        "namespace": names.namespace,
        "ingress": names.ingress,
        "service": names.service,
        "version": names.version,
        **more,
    }


def page(counts: Totals, names: Mapping[Key, Names], controller: Controller | None = None) -> bytes:
    return metrics_page(counts, names, DATAPLANE, controller)


def test_requests_by_version_and_class() -> None:
    text = page(totals(("s1", "v1"), ("s1", "v2")), {("s1", "v1"): SHOP, ("s1", "v2"): CANARY})
    assert value(text, "serin_requests_total", **of(SHOP, **{"class": "2xx"})) == 3
    assert value(text, "serin_requests_total", **of(CANARY, **{"class": "5xx"})) == 2
    assert value(text, "serin_requests_total", **of(CANARY, **{"class": "3xx"})) is None
    assert value(text, "serin_upstream_failures_total", **of(SHOP)) == 4


def test_rules_of_the_same_names_are_one_series() -> None:
    names = {("s1", "v1"): SHOP, ("s2", "v1"): SHOP}
    text = page(totals(("s1", "v1"), ("s2", "v1")), names)
    assert value(text, "serin_requests_total", **of(SHOP, **{"class": "4xx"})) == 2
    assert value(text, "serin_request_duration_seconds_count", **of(SHOP)) == 64
    assert value(text, "serin_request_duration_seconds_sum", **of(SHOP)) == 3


def test_counts_of_rules_that_are_gone_are_left_out() -> None:
    text = page(totals(("old", "v1")), {})
    assert not [key for key in samples(text) if key[0].startswith("serin_requests")]


def test_answers_without_a_rule_have_empty_names() -> None:
    text = page(totals(others=(0, 0, 0, 0, 9, 0)), {})
    assert value(text, "serin_requests_total", **of(Names("", "", "", ""), **{"class": "4xx"})) == 9


def test_errors_are_shown_as_zero_rather_than_not_at_all() -> None:
    text = page(totals(("s1", "v1"), counts=counted(classes=(0, 0, 1, 0, 0, 0))), {("s1", "v1"): SHOP})
    assert value(text, "serin_requests_total", **of(SHOP, **{"class": "5xx"})) == 0


@given(buckets=st.lists(st.integers(0, 2**40), min_size=32, max_size=32))
def test_histograms_are_cumulative(buckets: list[int]) -> None:
    text = page(totals(("s1", "v1"), counts=counted(buckets=tuple(buckets))), {("s1", "v1"): SHOP})
    got = {
        float(dict(labels)["le"]): n for (name, labels), n in samples(text).items() if name.endswith("seconds_bucket")
    }
    expected = {
        us / 1e6: sum(n for n, bound in zip(buckets, BOUNDS_US, strict=False) if bound <= us) for us in SHOWN_US
    }
    assert got == {**expected, math.inf: sum(buckets)}


def test_shown_bounds_are_counted_ones_and_hold_ingress_nginx_s() -> None:
    assert set(SHOWN_US) <= set(BOUNDS_US)
    theirs = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
    assert {round(s * 1e6) for s in theirs} <= set(SHOWN_US)


def test_data_plane_figures() -> None:
    external = {"db.example": ExternalName(addresses=2, failures=1)}
    text = metrics_page(totals(), {}, replace(DATAPLANE, external=external), None)
    assert value(text, "serin_ready") == 1
    assert value(text, "serin_plan_generation") == 7
    assert value(text, "serin_worker_plan_generation", worker="0") == 7
    assert value(text, "serin_worker_plan_generation", worker="1") is None
    assert value(text, "serin_worker_processes") == 3
    assert value(text, "serin_worker_restarts_total", reason="died") == 2
    assert value(text, "serin_worker_restarts_total", reason="orderly") == 5
    assert value(text, "serin_connections", state="waiting") == 4
    assert value(text, "serin_external_name_addresses", name="db.example") == 2
    assert value(text, "serin_external_name_failures", name="db.example") == 1


def test_the_controller_s_figures_and_their_age() -> None:
    text = page(totals(), {}, Controller("# TYPE serin_controller_hosts gauge\nserin_controller_hosts 5", 2.5))
    assert value(text, "serin_controller_hosts") == 5
    assert value(text, "serin_controller_metrics_age_seconds") == 2.5
    assert value(page(totals(), {}), "serin_controller_metrics_age_seconds") is None


@pytest.mark.parametrize("line", ["serin_ready 0", "# TYPE serin_ready gauge", "", "}garbage", "xserin_controller_a 1"])
def test_the_controller_speaks_for_itself_alone(line: str) -> None:
    assert controller_lines(f"serin_controller_a 1\n{line}\n") == "serin_controller_a 1\n"


@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), st.text(), min_size=1))
def test_any_label_value_is_read_back(labels: dict[str, str]) -> None:
    printable = {k: v.replace("\r", "") for k, v in labels.items()}
    (family,) = text_string_to_metric_families(f"# TYPE x gauge\nx{{{label_text(printable)}}} 1\n")
    assert family.samples[0].labels == printable

"""What dashboards, Flagger and Argo Rollouts ask of ingress-nginx's metrics gets right answers from our page.

Their expressions are evaluated by hand over two pages, a minute apart: selectors and arithmetic are theirs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serin.native.stats import Detail, Totals, VersionTotals
from serin.telemetry.metrics import Controller, DataPlane, metrics_page
from serin.telemetry.nginx_figures import NginxFigures, Reload
from serin.telemetry.plane_metrics import Processes
from serin.telemetry.route_names import Series
from serin.telemetry.told import Told, read_told

P = "nginx_ingress_controller_"
TOLD = Told("k8s.io/ingress-nginx", "ingress", "serin-0")
MAIN = Series("prod", "shop", "web", "", "shop.example.com", "/")
CANARY = replace(MAIN, canary="prod-web-canary-80")
ADMIN = replace(MAIN, path="/admin")
OTHER = Series("prod", "blog", "blog", "", "blog.example.com", "/")
KEYS = {("s1", "m"): MAIN, ("s1", "c"): CANARY, ("s2", "m"): ADMIN, ("s3", "m"): OTHER}
PLANE = DataPlane(True, 7, (7,), 1, 0, 0, {"active": 3, "waiting": 4}, came=(90, 88))
Labels = Mapping[str, str]
Samples = list[tuple[str, Labels, float]]


def detail(status: int, count: int, *, method: str = "GET", ms: int = 20, responses: bool = True) -> Detail:
    """`count` requests of 100 bytes received and 1000 sent, that took `ms` each, half of it before the answer began.

    Connections took 1 ms.
    """

    def times(each: float, there: bool = True) -> tuple[int, tuple[int, ...]]:
        bounds = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
        at = next((i for i, bound in enumerate(bounds) if each <= bound), 11)
        return int(each * 1000 * count * there), tuple(count if i == at and there else 0 for i in range(12))

    request, response, connect, header = times(ms), times(ms, responses), times(1, responses), times(ms / 2, responses)
    return Detail(
        status,
        method,
        received=100 * count,
        sent=1000 * count,
        request_us=request[0],
        response_us=response[0],
        connect_us=connect[0],
        header_us=header[0],
        requests=request[1],
        responses=response[1],
        connects=connect[1],
        headers=header[1],
        received_sizes=(0, count, *(0,) * 6),
        sent_sizes=(0, 0, count, *(0,) * 5),
    )


def version(*details: Detail, undetailed: int = 0) -> VersionTotals:
    return VersionTotals((0, 0, sum(d.count for d in details), 0, 0, 0), 0, 0, (0,) * 32, details, undetailed)


FIRST = Totals({}, (0,) * 6)
SECOND = Totals(
    {
        ("s1", "m"): version(detail(200, 540), detail(404, 60)),
        ("s1", "c"): version(
            detail(200, 50, ms=200), detail(201, 7, ms=200, method="POST"), detail(503, 3, ms=200, responses=False)
        ),
        ("s2", "m"): version(detail(200, 30, ms=2000), detail(500, 30, ms=2000)),
        ("s3", "m"): version(detail(503, 6, responses=False)),
    },
    (0,) * 6,
)


def page(totals: Totals, told: Told = TOLD, dataplane: DataPlane = PLANE) -> bytes:
    processes = Processes(2, 1.5, 10, 20, 1 << 20, 1 << 30, 12.0)
    return metrics_page(totals, {}, dataplane, Controller(told.line, 1.0), KEYS, processes)


def samples(text: bytes) -> Samples:
    """By hand: the client library renames counters that do not end in `_total`, which Prometheus does not."""
    found: Samples = []
    for line in text.decode().splitlines():
        if line.startswith("#"):
            continue
        name, rest = re.fullmatch(r"([a-z_]+)(.*)", line).groups()  # type: ignore[union-attr]
        labels, _, value = rest.rpartition(" ")
        found.append((name, dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels)), float(value)))
    return found


def test_the_page_is_in_the_format() -> None:
    assert list(text_string_to_metric_families(page(SECOND).decode()))


def select(found: Samples, name: str, **wanted: str) -> Samples:
    """`a="x"` equal; a value that begins with `!`, `~`, `!~` compares as PromQL's `!=`, `=~`, `!~` do."""

    def fits(labels: Labels) -> bool:
        return all(_fits(labels.get(label, ""), value) for label, value in wanted.items())

    return [sample for sample in found if sample[0] == P + name and fits(sample[1])]


def _fits(value: str, wanted: str) -> bool:
    if wanted.startswith("!~"):
        return re.fullmatch(wanted[2:], value) is None
    if wanted.startswith("~"):
        return re.fullmatch(wanted[1:], value) is not None
    return value != wanted[1:] if wanted.startswith("!") else value == wanted


def rate(name: str, *by: str, **wanted: str) -> dict[tuple[str, ...], float]:
    return rate_as(TOLD, name, *by, **wanted)


def rate_as(told: Told, name: str, *by: str, **wanted: str) -> dict[tuple[str, ...], float]:
    """`sum by (BY) (rate(NAME{WANTED}[1m]))`: the second page's values, since the first has none of these series."""
    before = select(samples(page(FIRST, told)), name, **wanted)
    assert not before
    sums: dict[tuple[str, ...], float] = {}
    for _, labels, value in select(samples(page(SECOND, told)), name, **wanted):
        key = tuple(labels.get(label, "") for label in by)
        sums[key] = sums.get(key, 0.0) + value / 60
    return sums


def total(name: str, **wanted: str) -> float:
    return rate(name, **wanted)[()]


CONTROLLER = {
    "controller_pod": "~serin-0",
    "controller_class": "~k8s.io/ingress-nginx",
    "controller_namespace": "~ingress",
}


def test_flagger_s_success_rate_of_a_canary() -> None:
    asked = {"namespace": "prod", "ingress": "shop", "canary": "!"}
    good = total("requests", status="!~5.*", **asked)
    assert 100 * good / total("requests", **asked) == pytest.approx(95.0)


@pytest.mark.parametrize("name", ["response_duration_seconds", "ingress_upstream_latency_seconds"])
def test_flagger_s_latency_of_a_canary(name: str) -> None:
    asked = {"namespace": "prod", "ingress": "shop", "canary": "!"}
    assert 1000 * total(f"{name}_sum", **asked) / total(f"{name}_count", **asked) == pytest.approx(200)


def test_an_argo_analysis_of_one_canary_service() -> None:
    asked = {"ingress": "shop", "canary": "prod-web-canary-80"}
    assert total("requests", status="~[4-5].*", **asked) / total("requests", **asked) == pytest.approx(3 / 60)


def test_dashboard_request_volume_and_success_rate() -> None:
    assert total("requests", **CONTROLLER) == pytest.approx(726 / 60)
    good = total("requests", status="!~[4-5].*", **CONTROLLER)
    assert good / total("requests", **CONTROLLER) == pytest.approx(627 / 726)


def test_dashboard_volume_by_ingress() -> None:
    found = rate("requests", "ingress", "namespace", ingress="~.*", **CONTROLLER)
    assert found == {("shop", "prod"): pytest.approx(12), ("blog", "prod"): pytest.approx(0.1)}


def test_dashboard_success_rate_by_ingress_sees_a_backend_without_endpoints() -> None:
    assert rate("requests", "ingress", ingress="blog", status="!~[4-5].*") == {}
    assert rate("requests", "ingress", ingress="blog") == {("blog",): pytest.approx(0.1)}


def test_dashboard_network() -> None:
    assert total("request_size_sum", **CONTROLLER) == pytest.approx(72600 / 60)
    assert total("response_size_sum", **CONTROLLER) == pytest.approx(726000 / 60)
    assert total("bytes_sent_sum") == total("response_size_sum")


def quantile(q: float, buckets: Mapping[tuple[str, ...], float]) -> float:
    """PromQL's histogram_quantile over `sum by (le)`."""
    ordered = sorted((float(le[0]), value) for le, value in buckets.items())
    wanted, below, reached = q * ordered[-1][1], 0.0, 0.0
    for le, value in ordered:
        if value >= wanted:
            return below + (le - below) * (wanted - reached) / (value - reached)
        below, reached = le, value
    raise AssertionError("no bucket")


def test_sizes_have_ingress_nginx_s_buckets() -> None:
    found = rate("response_size_bucket", "le", ingress="shop")
    bounds = ["10", "100", "1000", "10000", "100000", "1000000", "10000000", "+Inf"]
    assert [le for (le,) in found] == bounds
    assert found["100",] == 0
    assert found["1000",] == found["+Inf",] == pytest.approx(12)
    assert rate("bytes_sent_bucket", "le", ingress="shop") == found
    assert rate("request_size_bucket", ingress="shop", le="100")[()] == pytest.approx(12)


@pytest.mark.parametrize(("name", "mean"), [("connect", 0.001), ("header", 0.1)])
def test_times_until_endpoints_are_connected_and_begin_to_answer(name: str, mean: float) -> None:
    asked = {"ingress": "shop", "canary": "!"}
    sums, counts = (total(f"{name}_duration_seconds_{part}", **asked) for part in ("sum", "count"))
    assert counts == pytest.approx(57 / 60)
    assert sums / counts == pytest.approx(mean)
    assert quantile(0.5, rate(f"{name}_duration_seconds_bucket", "le", **asked)) <= 0.1


def test_where_no_endpoint_answered_there_are_no_series_of_its_times() -> None:
    for name in ("connect", "header", "response"):
        assert not select(samples(page(SECOND)), f"{name}_duration_seconds_count", ingress="blog")
    assert total("request_duration_seconds_count", ingress="blog") == pytest.approx(0.1)


def test_performance_dashboard_by_method_and_path() -> None:
    by = ("method", "path")
    median = rate("response_duration_seconds_bucket", "le", *by, ingress="~shop", canary="!")
    posts: dict[tuple[str, ...], float] = {
        (le,): value for (le, method, _), value in median.items() if method == "POST"
    }
    assert 0.1 < quantile(0.5, posts) <= 0.25
    bad = rate("request_duration_seconds_count", *by, ingress="~shop", status="~[4-5].*")
    all_ = rate("request_duration_seconds_count", *by, ingress="~shop")
    assert {key: value / all_[key] for key, value in bad.items()} == {
        ("GET", "/"): pytest.approx(63 / 653),
        ("GET", "/admin"): pytest.approx(0.5),
    }
    volume = rate("request_duration_seconds_count", "status", *by, ingress="~shop", status="~[4-5].*")
    assert volume["404", "GET", "/"] == pytest.approx(1)
    sums, counts = (rate(f"response_size_{part}", *by, ingress="~shop") for part in ("sum", "count"))
    assert sums.keys() == {("GET", "/"), ("POST", "/"), ("GET", "/admin")}
    assert all(sums[key] / counts[key] == pytest.approx(1000) for key in sums)
    times, number = (
        rate(f"ingress_upstream_latency_seconds_{part}", *by, ingress="~shop") for part in ("sum", "count")
    )
    assert times["POST", "/"] / number["POST", "/"] == pytest.approx(0.2)


def test_a_histogram_without_status_is_one_series_for_all_of_them() -> None:
    found = select(samples(page(SECOND)), "header_duration_seconds_count", ingress="shop", path="/", canary="")
    assert [(value, "status" in labels, "method" in labels) for _, labels, value in found] == [(600, False, False)]


def test_dashboard_percentiles() -> None:
    buckets = rate("request_duration_seconds_bucket", "le", ingress="shop", **CONTROLLER)
    assert 0.01 < quantile(0.5, buckets) <= 0.025
    assert 1 < quantile(0.99, buckets) <= 2.5
    main = rate("response_duration_seconds_bucket", "le", ingress="shop", path="/admin")
    assert 1 < quantile(0.5, main) <= 2.5


def test_performance_dashboard_error_rate_by_path() -> None:
    bad = rate("request_duration_seconds_count", "path", ingress="~shop", status="~[4-5].*")
    all_ = rate("request_duration_seconds_count", "path", ingress="~shop")
    assert {path: bad[path] / all_[path] for path in bad} == {
        ("/",): pytest.approx(63 / 660),
        ("/admin",): pytest.approx(0.5),
    }


def test_performance_dashboard_sizes_and_times_by_path() -> None:
    sums, counts = (rate(f"response_size_{part}", "path", ingress="~shop") for part in ("sum", "count"))
    assert {path: sums[path] / counts[path] for path in sums} == {("/",): 1000, ("/admin",): 1000}
    assert rate("response_duration_seconds_sum", "path", ingress="shop")["/admin",] == pytest.approx(2)


def test_dashboard_stats_of_the_controller() -> None:
    n = NginxFigures("1.22.1", True, True, "ab", {"taken": 3, "late": 1}, Reload("taken", 12.5, 0.1), 0, 0, 0, 0)
    found = samples(page(SECOND, dataplane=replace(PLANE, nginx=n)))

    def one(name: str, **wanted: str) -> float:
        ((_, _, value),) = select(found, name, **CONTROLLER, **wanted)
        return value

    assert one("nginx_process_connections", state="active") == 7
    assert one("nginx_process_connections_total", state="accepted") == 90
    assert one("nginx_process_connections_total", state="handled") == 88
    assert one("success") == 3
    assert one("errors") == 1
    assert one("config_last_reload_successful") == 1
    assert one("config_last_reload_successful_timestamp_seconds") == 12.5
    assert one("nginx_process_resident_memory_bytes") == 1 << 20
    assert one("nginx_process_cpu_seconds_total") == 1.5
    assert one("nginx_process_requests_total") == 726
    assert one("build_info") == 1


def test_a_refused_reload_shows() -> None:
    n = NginxFigures("1.22.1", True, True, "ab", {"refused": 1}, Reload("refused", 12.5, 0.1), 0, 0, 0, 0)
    ((_, _, value),) = select(samples(page(SECOND, dataplane=replace(PLANE, nginx=n))), "config_last_reload_successful")
    assert value == 0


def test_labels_are_ingress_nginx_s() -> None:
    found = select(samples(page(SECOND)), "requests", method="POST")
    assert [dict(labels) for _, labels, _ in found] == [
        {
            "canary": "prod-web-canary-80",
            "controller_class": "k8s.io/ingress-nginx",
            "controller_namespace": "ingress",
            "controller_pod": "serin-0",
            "host": "shop.example.com",
            "ingress": "shop",
            "method": "POST",
            "namespace": "prod",
            "path": "/",
            "service": "web",
            "status": "201",
        }
    ]


def test_counts_of_rules_that_are_gone_are_in_no_series() -> None:
    gone = Totals({("old", "m"): version(detail(200, 5))}, (0,) * 6)
    assert not select(samples(page(gone)), "requests")


def test_without_the_label_host_rules_of_other_hosts_are_one_series() -> None:
    keys = {("s1", "m"): MAIN, ("s2", "m"): replace(MAIN, host="www.example.com")}
    both = Totals({key: version(detail(200, 5)) for key in keys}, (0,) * 6)
    text = metrics_page(both, {}, PLANE, Controller(replace(TOLD, per_host=False).line, 0), keys)
    ((_, labels, value),) = select(samples(text), "requests")
    assert (value, "host" in labels) == (10, False)


def test_status_classes() -> None:
    found = rate_as(replace(TOLD, status_classes=True), "requests", "status", ingress="shop", canary="!")
    assert found == {("2xx",): pytest.approx(57 / 60), ("5xx",): pytest.approx(3 / 60)}


@pytest.mark.parametrize("named", ["bytes_sent", P + "bytes_sent"])
def test_excluded_series_are_left_out(named: str) -> None:
    text = page(SECOND, replace(TOLD, excluded=(named,)))
    assert not select(samples(text), "bytes_sent_sum")
    assert select(samples(text), "response_size_sum")


def test_what_had_no_room_is_told() -> None:
    text = page(Totals({("s1", "m"): version(detail(200, 5), undetailed=4)}, (0,) * 6))
    ((_, _, value),) = [s for s in samples(text) if s[0] == "serin_requests_undetailed_total"]
    assert value == 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line[:-5],
        lambda line: line.replace('"serin-0"', "5"),
        lambda line: line.replace("controller_pod", "pod"),
        lambda line: line.replace("# serin", "# other"),
        lambda line: "# serin [1]\n",
    ],
)
def test_what_the_controller_tells_counts_whole_or_not_at_all(spoil: Callable[[str], str]) -> None:
    assert read_told(spoil(TOLD.line)) == Told()


def test_what_the_controller_tells_arrives() -> None:
    told = Told('a"\\\n', "ns", "pod", per_host=False, status_classes=True, excluded=("x",))
    assert read_told("# HELP x y\n" + told.line + "x 1\n") == told

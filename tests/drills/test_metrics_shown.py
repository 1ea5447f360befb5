"""Metrics under ingress-nginx's names, and a log format of a ConfigMap, with real requests over both planes."""

import json
import re
from collections import Counter

import pytest
from harness.fixtures import world
from harness.manifests import NAMESPACE, canary, ingress, put, service
from harness.planes import NGINX, PROXY, Plane, parameter, require
from harness.serving import Serving
from harness.streams import config_map
from harness.waiting import until
from harness.wire import Request
from harness.world import HOST, World

__all__ = ["world"]

EMPTY, LOCKED, UNSURE = "empty.example", "locked.example", "unsure.example"
FORMAT = (
    '{"host":"$host","uri":"$request_uri","agent":"$http_user_agent","ns":"$namespace","status":$status,'
    '"ip":"$the_real_ip","canary":"$proxy_alternative_upstream_name","method":"$request_method","tag":"$http_x_tag"}'
)


@pytest.fixture(params=[parameter(PROXY), parameter(NGINX)])
def plane(request: pytest.FixtureRequest) -> Plane:
    found: Plane = request.param
    require(found)
    return found


def requests(serving: Serving, ingress_name: str) -> Counter[tuple[str, str, str]]:
    """How many of (canary, method, status) an Ingress had."""
    found = Counter[tuple[str, str, str]]()
    for labels, value in re.findall(r"^nginx_ingress_controller_requests\{(.*)\} (.*)$", page(serving), re.MULTILINE):
        of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if of["ingress"] == ingress_name:
            found[of["canary"], of["method"], of["status"]] += int(value)
    return found


def page(serving: Serving) -> str:
    return serving.get("/metrics")[1]


def send(serving: Serving, host: str = HOST, **request: object) -> int:
    return serving.door.send(Request(host=host, **request)).status  # type: ignore[arg-type]


def test_requests_are_counted_exactly_under_their_names(world: World) -> None:
    put(world.folder / "canary.yaml", canary("beside", HOST, "canary", by_header="X-Canary"))
    put(world.folder / "empty.yaml", ingress("empty", EMPTY, "nobody"), service("nobody"))
    put(world.folder / "locked.yaml", ingress("locked", LOCKED, "main", denylist_source_range="127.0.0.0/8"))
    put(world.folder / "unsure.yaml", ingress("unsure", UNSURE, "main", auth_url="http://127.0.0.1:9/"))
    serving = world.serve()
    before = requests(serving, "main")
    for _ in range(7):
        assert send(serving) == 200
    for _ in range(3):
        assert send(serving, method="POST", headers=(("X-Canary", "always"),)) == 200
    assert send(serving, path="/?status=418") == 418
    assert send(serving, host=EMPTY) == 503
    assert send(serving, host=LOCKED) == 403
    assert send(serving, host=UNSURE) == 500
    assert send(serving, host="nobody.example") == 404
    wanted = Counter(
        {
            ("", "GET", "200"): 7,
            (f"{NAMESPACE}-canary-80", "POST", "200"): 3,
            ("", "GET", "418"): 1,
        }
    )
    until(lambda: requests(serving, "main") - before == wanted, "the counts")
    assert requests(serving, "empty") == {("", "GET", "503"): 1}
    assert requests(serving, "locked") == {("", "GET", "403"): 1}
    assert requests(serving, "unsure") == {("", "GET", "500"): 1}
    assert "nobody.example" not in page(serving)


def sums(serving: Serving, name: str, **wanted: str) -> float:
    """PromQL's sum of the samples whose labels are these."""
    found = 0.0
    for labels, value in re.findall(rf"^nginx_ingress_controller_{name}\{{(.*)\}} (.*)$", page(serving), re.MULTILINE):
        of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if wanted.items() <= of.items():
            found += float(value)
    return found


def test_times_and_sizes_are_in_histograms(world: World) -> None:
    put(world.folder / "timed.yaml", ingress("timed", "timed.example", "main"))
    serving = world.serve()
    for _ in range(6):
        assert send(serving, host="timed.example") == 200
    of = {"ingress": "timed"}
    counts = [f"{time}_duration_seconds_count" for time in ("request", "response", "header", "connect")]
    counts += [f"{size}_count" for size in ("request_size", "response_size", "bytes_sent")]
    until(lambda: [sums(serving, name, **of) for name in counts] == [6] * len(counts), "the counts")
    assert sums(serving, "response_duration_seconds_count", method="GET", status="200", **of) == 6
    assert sums(serving, "response_size_count", method="GET", **of) == 6
    assert sums(serving, "request_size_bucket", le="10", **of) == 0
    assert sums(serving, "request_size_bucket", le="10000", **of) == 6
    assert 6 * 10 < sums(serving, "request_size_sum", **of) < 6 * 10_000
    assert 0 < sums(serving, "response_size_sum", **of) == sums(serving, "bytes_sent_sum", **of)
    rounding = 6 * 0.001
    times = [sums(serving, f"{time}_duration_seconds_sum", **of) for time in ("connect", "header", "response")]
    assert times[0] <= times[1] + rounding
    assert times[1] <= times[2] + rounding
    assert times[2] <= sums(serving, "request_duration_seconds_sum", **of) + rounding
    until(lambda: sums(serving, "nginx_process_connections_total", state="accepted") >= 1, "a connection")
    until(lambda: sums(serving, "nginx_process_connections_total", state="handled") >= 1, "a connection")


def test_where_nobody_answered_there_are_no_times_of_an_endpoint(world: World) -> None:
    put(world.folder / "empty.yaml", ingress("empty", EMPTY, "nobody"), service("nobody"))
    serving = world.serve()
    assert send(serving, host=EMPTY) == 503
    until(lambda: sums(serving, "request_duration_seconds_count", ingress="empty") == 1, "the count")
    assert [
        sums(serving, f"{t}_duration_seconds_count", ingress="empty") for t in ("response", "header", "connect")
    ] == [
        0,
        0,
        0,
    ]


def test_series_of_an_ingress_that_is_gone_go(world: World) -> None:
    put(world.folder / "more.yaml", ingress("more", "more.example", "main"))
    serving = world.serve()
    assert send(serving, host="more.example") == 200
    until(lambda: requests(serving, "more"), "its series")
    (world.folder / "more.yaml").unlink()
    until(lambda: not requests(serving, "more"), "its series to go")


def test_a_log_format_of_the_config_map(world: World) -> None:
    options = {"log-format-upstream": FORMAT, "log-format-escape-json": "true"}
    put(world.folder / "config.yaml", config_map("config", options))
    serving = world.serve("--configmap", f"{NAMESPACE}/config")
    headers = (("User-Agent", 'a"b\\c'), ("X-Tag", "t\té"))
    assert send(serving, path="/x?y=1", headers=headers) == 200

    def line() -> dict[str, object] | None:
        found = [text for text in serving.output().splitlines() if text.startswith('{"host":') and "/x?y=1" in text]
        return json.loads(found[-1]) if found else None

    logged = until(line, "the line")
    assert logged == {
        "host": HOST,
        "uri": "/x?y=1",
        "agent": 'a"b\\c',
        "ns": NAMESPACE,
        "status": 200,
        "ip": "127.0.0.1",
        "canary": "",
        "method": "GET",
        "tag": "t\té",
    }

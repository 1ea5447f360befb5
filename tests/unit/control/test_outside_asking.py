"""Prometheus and webhooks asked over real sockets: verdicts, pace, credentials, and whatever must not be asked."""

import asyncio
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from golden.certificates import make_pair
from unit.control.outside_world import NOW, REF, listening, prometheus, route, secret, webhook

from serin.control.outside import asking as asking_module
from serin.control.outside import prometheus as prometheus_module
from serin.control.outside import webhook as webhook_module
from serin.control.outside.allowed import FLAG, read_allowed
from serin.control.outside.asking import AT_ONCE_EACH, Outside
from serin.errors import SerinError
from serin.objects.views import CanaryRoute, Secret, View
from serin.refs import Ref
from serin.rollout.facts import OutsideResult

ALONE = read_allowed([], standalone=True)


async def nobody(_: Ref) -> View | None:
    return None


async def answers(outside: Outside, view: CanaryRoute, now: float = NOW) -> Mapping[str, OutsideResult]:
    """Once every check of `view` has one."""
    assert view.rollout is not None
    async with asyncio.timeout(45):
        while len(found := outside.look(view, now)) < len(view.rollout.checks):
            await asyncio.sleep(0.005)
    return found


async def one(view: CanaryRoute, allowed: Any = ALONE, secrets: Any = nobody) -> OutsideResult:
    outside = Outside(secrets, allowed)
    try:
        [found] = (await answers(outside, view)).values()
    finally:
        await outside.close()
    return found


def saying(body: Any, status: int = 200) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    return handle


def result(kind: str, value: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": value}}


def vector(*values: str) -> dict[str, Any]:
    return result("vector", [{"metric": {}, "value": [1.0, value]} for value in values])


# --- Prometheus ---


@pytest.mark.parametrize(
    ("said", "limits", "verdict", "value", "message"),
    [
        (vector("0.98"), {}, "Pass", "0.98", ""),
        (vector("0.5"), {}, "Pass", "0.5", ""),
        (vector("0.4"), {}, "Fail", "0.4", "0.4 is below 0.5"),
        (result("scalar", [1.0, "3"]), {"most": 2.0}, "Fail", "3", "3 is above 2"),
        (result("scalar", [1.0, "2"]), {"most": 2.0}, "Pass", "2", ""),
        (vector("+Inf"), {"most": 2.0}, "Fail", "inf", "inf is above 2"),
        (vector("NaN"), {}, "NeedsData", "", "the result is not a number (NaN)"),
        (vector(), {}, "NeedsData", "", "the query has no result"),
        (vector("1", "1"), {}, "Fail", "", "the query has 2 series, expected one: sum() or avg() make one of them"),
        (result("matrix", []), {}, "Fail", "", "the query has a matrix as its result, expected one number"),
        (result("string", [1, "x"]), {}, "Fail", "", "the query has a string as its result, expected one number"),
        (vector("many"), {}, "Fail", "", "the server's answer cannot be read"),
        (result("vector", [{}]), {}, "Fail", "", "the server's answer cannot be read"),
        (result("vector", {"a": 1}), {}, "Fail", "", "the server's answer cannot be read"),
        ("<html>", {}, "Fail", "", "the server answers 200, which is no answer of Prometheus"),
        ([], {}, "Fail", "", "the server answers 200, which is no answer of Prometheus"),
        ("[" * 9000, {}, "Fail", "", "the server answers 200, which is no answer of Prometheus"),
    ],
)
async def test_what_prometheus_says(said: Any, limits: Any, verdict: str, value: str, message: str) -> None:
    async with listening(saying(said)) as port:
        found = await one(route(prometheus(f"http://127.0.0.1:{port}", **limits)))
    assert (found.verdict, found.value, found.message) == (verdict, value, message)


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (400, {"status": "error", "error": "parse error: unexpected\nend"}, "400: parse error: unexpected end"),
        (422, {"status": "error", "error": "x" * 500}, "422: " + "x" * 200),
        (401, "no", "the server answers 401"),
        (302, "", "the server answers 302: redirects are not followed"),
    ],
)
async def test_refusals_are_told(status: int, said: Any, message: str) -> None:
    async with listening(saying(said, status)) as port:
        found = await one(route(prometheus(f"http://127.0.0.1:{port}")))
    assert found.verdict == "Fail"
    assert found.message.endswith(message)


async def test_the_query_knows_the_run() -> None:
    seen = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.method, request.path, request.query["query"]))
        return web.json_response(vector("1"))

    query = 'a{ns="{{namespace}}",n="{{ name }}",v="{{version}}",s="{{service}}",b="{{baseline}}"} + 1%2'
    async with listening(handle) as port:
        found = await one(route(prometheus(f"http://127.0.0.1:{port}/base/", query)))
    filled = 'a{ns="shop",n="web",v="v2",s="shop-v2",b="v1"} + 1%2'
    assert seen == [("GET", "/base/api/v1/query", filled)]
    assert (found.query, found.verdict) == (filled, "Pass")


async def test_a_long_query_goes_as_a_form() -> None:
    seen = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        from_form = (await request.read()).decode() if request.method == "POST" else ""
        seen.append((request.method, from_form[:9]))
        return web.json_response(vector("1"))

    async with listening(handle) as port:
        found = await one(route(prometheus(f"http://127.0.0.1:{port}", "a" * 4000)))
    assert (seen, found.verdict) == ([("POST", "query=aaa")], "Pass")


async def test_unknown_variables_are_told_and_not_sent() -> None:
    found = await one(route(prometheus("http://127.0.0.1:1", "up{x='{{pod}}'}")))
    assert found.verdict == "NeedsData"
    assert found.message.startswith("the query has {{pod}}; expected one of {{namespace}}, {{name}}")


def test_a_variable_that_is_no_name_is_not_filled_in() -> None:
    with pytest.raises(prometheus_module.QueryError):
        prometheus_module.fill("a{{version}}", {"version": 'x"} or up'})


async def test_a_large_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus_module, "MOST_BYTES", 1000)
    async with listening(saying(" " * 5000)) as port:
        found = await one(route(prometheus(f"http://127.0.0.1:{port}")))
    assert (found.verdict, found.message) == ("Fail", "the server answers more than 1000 bytes")


# --- webhooks ---


@pytest.mark.parametrize(
    ("status", "text", "verdict", "message"),
    [
        (200, "fine\nindeed", "Pass", "fine"),
        (202, "", "Pass", ""),
        (204, "", "NeedsData", "the webhook answers 204: not enough data yet"),
        (425, "soon", "NeedsData", "the webhook answers 425: not enough data yet"),
        (500, "broken", "Fail", "the webhook answers 500: broken"),
        (404, "", "Fail", "the webhook answers 404"),
        (302, "", "Fail", "the webhook answers 302: redirects are not followed"),
        (403, "x" * 5000, "Fail", "the webhook answers 403: " + "x" * 200),
    ],
)
async def test_what_webhooks_say(status: int, text: str, verdict: str, message: str) -> None:
    async with listening(saying(text, status)) as port:
        found = await one(route(webhook(f"http://127.0.0.1:{port}/")))
    assert (found.verdict, found.value, found.message) == (verdict, str(status), message)


async def test_a_webhook_is_told_of_the_run() -> None:
    seen: list[Any] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.method, request.path_qs, request.content_type, json.loads(await request.read())))
        return web.Response()

    async with listening(handle) as port:
        view = route(webhook(f"http://127.0.0.1:{port}/gate?of=shop"))
        await one(view)
    assert view.status is not None
    assert view.status.run is not None
    told = {
        "namespace": "shop",
        "name": "web",
        "runId": view.status.run.run_id,
        "version": "v2",
        "service": "shop-v2",
        "revision": "1.8",
        "baseline": "v1",
        "step": 2,
        "weight": "25%",
        "check": "gate",
    }
    assert seen == [("POST", "/gate?of=shop", "application/json", told)]


async def test_a_redirect_is_not_followed() -> None:
    seen = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with listening(handle) as port:
        found = await one(route(webhook(f"http://127.0.0.1:{port}/gate")))
    assert (found.verdict, seen) == ("Fail", ["/gate"])


async def test_a_slow_webhook_fails_in_its_time() -> None:
    late = asyncio.Event()

    async def never(_: web.BaseRequest) -> web.StreamResponse:
        await late.wait()
        return web.Response()

    async with listening(never) as port:
        found = await one(route(webhook(f"http://127.0.0.1:{port}/", timeout=0.2)))
        late.set()
    assert (found.verdict, found.message) == ("Fail", "127.0.0.1 gave no answer in 0.2 s")


async def test_nobody_there_is_a_failure() -> None:
    async with listening(saying("")) as port:
        gone = port
    found = await one(route(webhook(f"http://127.0.0.1:{gone}/")))
    assert found.verdict == "Fail"
    assert found.message.startswith("127.0.0.1 cannot be reached: ")


# --- what must not be asked ---


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"),
        *(
            "[::ffff:7f00:1]",
            "0.0.0.0",
            "[::]",
            "LOCALHOST",
            "localhost.",
            "１２７.0.0.1",
            "127.0.0.1.",
            "[::127.0.0.1]",
        ),
        *("[64:ff9b::7f00:1]", "[::1%25lo]"),
    ],
)
async def test_this_machine_is_never_asked_in_a_cluster(host: str) -> None:
    reached = []

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        reached.append(1)
        return web.Response()

    everything = read_allowed(["localhost", "0.0.0.0/0", "::/0", "*.example.com", "0x7f000001"])
    async with listening(handle) as port:
        found = await one(route(webhook(f"http://{host}:{port}/")), everything)
    assert found.verdict != "Pass"
    assert reached == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "[fe80::1]"])
@pytest.mark.parametrize("allowed", [ALONE, read_allowed(["0.0.0.0/0", "::/0"])], ids=["serve", "cluster"])
async def test_metadata_and_links_are_never_asked(host: str, allowed: Any) -> None:
    found = await one(route(prometheus(f"http://{host}")), allowed)
    assert found.verdict == "NeedsData"
    assert "may not be asked" in found.message


async def test_a_name_that_leads_home_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is resolved: what is connected to is what was looked at."""
    asked = []

    def home(host: str, port: int, **more: Any) -> Any:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port)), (2, 1, 6, "", ("169.254.169.254", port))]

    reached = []

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        reached.append(1)
        return web.Response()

    async with listening(handle) as port:
        monkeypatch.setattr("socket.getaddrinfo", home)
        found = await one(route(webhook(f"http://prom.example.com:{port}/")), read_allowed(["prom.example.com"]))
        monkeypatch.undo()
    assert found.verdict == "NeedsData"
    assert found.message == "prom.example.com may not be asked: 127.0.0.1 is a loopback address"
    assert (asked, reached) == (["prom.example.com"], [])


@pytest.mark.parametrize("listed", [[], ["other.example.com"]])
async def test_names_that_are_not_listed_are_not_even_resolved(listed: list[str], monkeypatch: Any) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("resolved")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    found = await one(route(prometheus("http://prom.example.com")), read_allowed(listed))
    assert found.verdict == "NeedsData"
    assert FLAG in found.message


async def test_a_name_that_nobody_answers_for_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread goes on when its check has given up, and counts as a call of its namespace for as long."""
    answer, looked = threading.Event(), []

    def silent(host: str, *_: Any, **__: Any) -> Any:
        looked.append(host)
        answer.wait(20)
        raise OSError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", silent)
    hosts = [f"h{number}.example.com" for number in range(AT_ONCE_EACH + 2)]
    checks = [replace(webhook(f"http://{host}/", timeout=0.05), name=host) for host in hosts]
    outside = Outside(nobody, ALONE)
    try:
        async with asyncio.timeout(45):
            while len(found := outside.look(route(*checks), NOW)) < AT_ONCE_EACH:
                await asyncio.sleep(0.005)
            assert await asyncio.to_thread(lambda: "free") == "free"
            assert {each.message for each in found.values()} == {f"{each} gave no answer in 0.05 s" for each in found}
            assert len(looked) == AT_ONCE_EACH
            answer.set()
            while len(outside.look(route(*checks), NOW)) < len(hosts):
                await asyncio.sleep(0.005)
    finally:
        answer.set()
        await outside.close()
    assert sorted(looked) == hosts


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0177.0.0.1", "0", "127.0.0.1."])
async def test_odd_ways_to_write_an_address_are_refused_before_anybody_reads_them(host: str) -> None:
    found = await one(route(webhook(f"http://{host}:1/")), read_allowed(["0.0.0.0/0"]))
    assert (found.verdict, "may not be asked" in found.message) == ("NeedsData", True)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    async def proxy(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response()

    async with listening(proxy) as port, listening(saying("", 200)) as other:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        found = await one(route(webhook(f"http://127.0.0.1:{other}/")))
    assert (found.verdict, seen) == ("Pass", [])


# --- credentials ---


@pytest.mark.parametrize(
    ("given", "header"),
    [
        (secret(token="hushhush\n"), "Bearer hushhush"),
        (secret("kubernetes.io/basic-auth", username="u", password="p:w"), "Basic dTpwOnc="),
        (secret("", token="hushhush", username="u", password="p"), "Bearer hushhush"),
    ],
)
async def test_credentials_are_sent(given: Secret, header: str) -> None:
    seen = []
    asked = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return web.json_response(vector("1"))

    async def secrets(ref: Ref) -> View | None:
        asked.append(ref)
        return given

    async with listening(handle) as port:
        await one(route(prometheus(f"http://127.0.0.1:{port}", secret="keys")), secrets=secrets)
        await one(route(webhook(f"http://127.0.0.1:{port}", secret="keys")), secrets=secrets)
        await one(route(webhook(f"http://127.0.0.1:{port}")), secrets=secrets)
    assert seen == [header, header, None]
    assert asked == [Ref("Secret", "shop", "keys")] * 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "there is no Secret keys"),
        (secret("kubernetes.io/service-account-token", token="hushhush"), "which is not sent anywhere"),
        (secret("kubernetes.io/tls", token="hushhush"), "which is not sent anywhere"),
        (secret(), "expected the key token, or username and password"),
        (secret(username="u"), "expected the key token, or username and password"),
        (secret(token="two\nlines"), "expected one line of text under the key token"),
        (secret(token=""), "expected text under the key token"),
        (secret(username="u\r\nX: y", password="p"), "expected one line of text under the key username"),
    ],
)
async def test_other_secrets_are_not(given: Secret | None, said: str) -> None:
    reached = []

    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        reached.append(1)
        return web.Response()

    async def secrets(_: Ref) -> View | None:
        return given

    async with listening(handle) as port:
        found = await one(route(webhook(f"http://127.0.0.1:{port}", secret="keys")), secrets=secrets)
    assert (found.verdict, reached) == ("NeedsData", [])
    assert said in found.message
    assert "hushhush" not in found.message


async def test_a_secret_that_cannot_be_read_says_so() -> None:
    async def secrets(_: Ref) -> View | None:
        raise SerinError("forbidden")

    found = await one(route(webhook("http://127.0.0.1:1", secret="keys")), secrets=secrets)
    assert (found.verdict, found.message) == ("NeedsData", "the Secret keys cannot be read: forbidden")


async def test_certificates_are_checked_by_the_secret_s_authority(tmp_path: Any) -> None:
    chain, key = make_pair("localhost")
    (tmp_path / "c").write_bytes(chain)
    (tmp_path / "k").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")

    async def secrets(_: Ref) -> View | None:
        return secret(ca_crt=chain.decode())

    async def wrong(_: Ref) -> View | None:
        return secret(ca_crt="no certificate")

    async with listening(saying(""), ssl=context) as port:
        url = f"https://localhost:{port}/"
        believed = await one(route(webhook(url, secret="keys")), secrets=secrets)
        unknown = await one(route(webhook(url)))
        broken = await one(route(webhook(url, secret="keys")), secrets=wrong)
    assert believed.verdict == "Pass"
    assert (unknown.verdict, "its certificate is not believed" in unknown.message) == ("Fail", True)
    assert (broken.verdict, broken.message.startswith("ca.crt of its Secret cannot be used")) == ("NeedsData", True)


# --- pace ---


class Counting:
    """Fails, and counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, _: web.BaseRequest) -> web.StreamResponse:
        self.times += 1
        return web.Response(status=500, text=str(self.times))


async def test_each_interval_is_one_question() -> None:
    counting = Counting()
    async with listening(counting) as port:
        outside = Outside(nobody, ALONE)
        view = route(webhook(f"http://127.0.0.1:{port}/"))
        first = (await answers(outside, view))["gate"]
        assert first.at in (NOW, NOW + 1)
        for later in (1, 30, 59):
            assert outside.look(view, NOW + later)["gate"] is first
        assert counting.times == 1
        outside.look(view, NOW + 60)
        async with asyncio.timeout(45):
            while outside.look(view, NOW + 60)["gate"] is first:
                await asyncio.sleep(0.005)
        assert (outside.look(view, NOW + 61)["gate"].at, counting.times) == (NOW + 61, 2)
        await outside.close()


async def test_a_new_leader_goes_on_at_the_old_one_s_pace() -> None:
    counting = Counting()
    async with listening(counting) as port:
        outside = Outside(nobody, ALONE)
        view = route(webhook(f"http://127.0.0.1:{port}/"), asked=NOW - 20)
        assert outside.look(view, NOW) == {}
        assert outside.look(view, NOW + 39) == {}
        assert (await answers(outside, view, NOW + 40))["gate"].verdict == "Fail"
        assert counting.times == 1
        await outside.close()


@pytest.mark.parametrize("change", [{"step": 3}, {"weight": 50_000}, {"started_at": 2.0}])
async def test_an_answer_belongs_to_its_step(change: Any) -> None:
    counting = Counting()
    async with listening(counting) as port:
        outside = Outside(nobody, ALONE)
        check = webhook(f"http://127.0.0.1:{port}/")
        first = (await answers(outside, route(check)))["gate"]
        assert outside.look(route(check, **change), NOW + 1) == {}
        assert (await answers(outside, route(check, **change), NOW + 1))["gate"] is not first
        await outside.close()


@pytest.mark.parametrize("change", [{"judged": 0.0}, {"outcome": "RolledBack"}])
async def test_nobody_is_asked_while_nothing_is_judged(change: Any) -> None:
    counting = Counting()
    async with listening(counting) as port:
        outside = Outside(nobody, ALONE)
        check = webhook(f"http://127.0.0.1:{port}/")
        await answers(outside, route(check))
        assert outside.look(route(check, **change), NOW + 100) == {}
        assert outside.look(replace(route(check), rollout=None), NOW + 100) == {}
        assert outside.look(replace(route(check), status=None), NOW + 100) == {}
        await asyncio.sleep(0)
        assert counting.times == 1
        await outside.close()


async def test_a_clock_that_was_put_back_stops_nothing() -> None:
    counting = Counting()
    async with listening(counting) as port:
        outside = Outside(nobody, ALONE)
        view = route(webhook(f"http://127.0.0.1:{port}/"))
        first = (await answers(outside, view))["gate"]
        outside.look(view, NOW - 500)
        async with asyncio.timeout(45):
            while outside.look(view, NOW - 500)["gate"] is first:
                await asyncio.sleep(0.005)
        await outside.close()


async def test_a_slow_server_keeps_only_its_own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    late = asyncio.Event()
    waiting = []

    async def never(_: web.BaseRequest) -> web.StreamResponse:
        waiting.append(1)
        await late.wait()
        return web.Response()

    monkeypatch.setattr(asking_module, "AT_ONCE_EACH", 2)
    async with listening(never) as slow, listening(saying("")) as quick:
        outside = Outside(nobody, ALONE)
        routes = [route(webhook(f"http://127.0.0.1:{slow}/"), ref=replace(REF, name=f"r{i}")) for i in range(6)]
        for view in routes:
            assert outside.look(view, NOW) == {}
        other = route(webhook(f"http://127.0.0.1:{quick}/"), ref=Ref("CanaryRoute", "blog", "web"))
        assert (await answers(outside, other))["gate"].verdict == "Pass"
        async with asyncio.timeout(45):
            while len(waiting) < 2:
                await asyncio.sleep(0.005)
        assert len(waiting) == 2
        late.set()
        for view in routes:
            assert (await answers(outside, view))["gate"].verdict == "Pass"
        await outside.close()


async def test_what_is_gone_is_forgotten() -> None:
    late = asyncio.Event()
    ended = []

    async def never(_: web.BaseRequest) -> web.StreamResponse:
        try:
            await late.wait()
        finally:
            ended.append(1)
        return web.Response()

    async with listening(never) as port:
        outside = Outside(nobody, ALONE)
        view = route(webhook(f"http://127.0.0.1:{port}/"))
        outside.look(view, NOW)
        outside.keep([REF])
        assert outside._known
        outside.keep([])
        assert not outside._known
        await outside.close()


async def test_a_fault_of_ours_takes_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(webhook_module, "read", fail)
    async with listening(saying("")) as port:
        found = await one(route(webhook(f"http://127.0.0.1:{port}/")))
    assert (found.verdict, found.message) == ("NeedsData", "it could not be asked: ZeroDivisionError('oops')")

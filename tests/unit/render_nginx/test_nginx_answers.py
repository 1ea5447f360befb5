"""A real nginx with rendered hosts answers what routing.outcome says, and passes on the target that it says."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import SOURCE, Running, one, serving

from serin.native.pattern import Pattern
from serin.routing.match import HostTable, find_route
from serin.routing.outcome import Asked, Pass, Reply, before_proxying, before_routing, rewrite_searcher
from serin.routing.paths import normalize
from serin.routing.plan import (
    AppRoot,
    Closed,
    Globals,
    Host,
    PathKind,
    Policy,
    Rewrite,
    TlsRedirect,
    Upstream,
    UrlRedirect,
    WwwRedirect,
)

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")


HTTPS = TlsRedirect(308, False, SOURCE)
KEPT = TlsRedirect(301, True, SOURCE, ("spared.example", "**.deep.example"))


def away(target: str) -> Rewrite:
    return Rewrite("/(.*)", target, True, SOURCE)


def rewrite(pattern: str, target: str) -> Rewrite:
    return Rewrite(pattern, target, False, SOURCE)


def all_hosts() -> list[Host]:
    exact = PathKind.EXACT
    regex = PathKind.REGEX
    first = (
        one(1, "/", Policy(app_root=AppRoot("/app", SOURCE)), exact),
        one(2, "/closed", Policy(closed=Closed(503, "x", SOURCE))),
        replace(one(3, "/slash é\n", Policy(), exact, proxied=False), slash_redirect=True),
        one(4, "/away", Policy(redirect=UrlRedirect(301, "https://new.example/$host?x=1", SOURCE))),
        one(5, "/here", Policy(redirect=UrlRedirect(307, "/there", SOURCE))),
        one(6, "/many", Policy(redirect=UrlRedirect(300, "https://many.example", SOURCE))),
        one(7, "/small", Policy(max_body=10, tls_redirect=HTTPS)),
        one(8, "/https", Policy(tls_redirect=HTTPS)),
        one(9, "/kept", Policy(tls_redirect=KEPT)),
        one(10, "/nobody", Policy(), proxied=False),
        one(11, "/nobody-https", Policy(tls_redirect=HTTPS), proxied=False),
        one(12, "/a/", Policy()),
        one(13, "/a", Policy(upstream=Upstream(vhost="v.$host"))),
        one(14, "/prefix", Policy(forwarded_prefix="/pre")),
    )
    second = (
        one(20, "/go/(.*)", Policy(rewrite=away("https://x.example/$1"), tls_redirect=HTTPS), regex),
        one(21, "/re/(\\w+)/(.*)", Policy(rewrite=rewrite("/re/(\\w+)/(.*)", "/$2/$1")), regex),
        one(22, "/bare/(.*)", Policy(rewrite=rewrite("/bare/(.*)", "$1")), regex),
        one(23, "/whole", Policy(rewrite=rewrite("/whole.*", "/x$0")), regex),
        one(24, "/other", Policy(rewrite=rewrite("/never", "/x"), tls_redirect=HTTPS), regex),
        one(25, "/exact", Policy(), exact),
    )
    www = Host("www.example", www=WwwRedirect("example.com", 308, SOURCE))
    aliases = ("spared.example", "**.deep.example", "alias.example")
    wild = Host("*.wild.example", (one(30, "/", Policy()),))
    return [
        Host("h.example", first, aliases),
        Host("r.example", second),
        www,
        wild,
        Host("", (one(40, "/x", Policy()),)),
    ]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("answers"), all_hosts()) as found:
        yield found


def expected(
    running: Running, name: str, target: str, *, tls: bool, method: str = "GET", length: int = -1
) -> Reply | Pass:
    path = normalize(target.encode())
    assert path is not None
    bare = name.lower().partition(":")[0].removesuffix(".")
    host = HostTable(running.hosts).find(bare)
    asked = Asked(method, tls, bare, name.encode(), target.encode(), path, length)
    globals_ = Globals()
    reply = before_routing(asked, host, globals_)
    if reply is not None:
        return reply
    assert host is not None
    route = find_route(host, path, Pattern)
    if route is None:
        return Reply(404, None)  # type: ignore[arg-type]
    return before_proxying(route, asked, globals_, rewrite_searcher(route, Pattern))


def check(running: Running, name: str, target: str, *, tls: bool = False, method: str = "GET", body: str = "") -> None:
    wanted = expected(running, name, target, tls=tls, method=method, length=len(body) if body else -1)
    answer, content = running.ask(name, target, tls=tls, method=method, body=body)
    if isinstance(wanted, Pass):
        assert answer.status == 200, (name, target, answer.status, answer.getheaders())
        assert json.loads(content)["target"].encode("latin-1") == wanted.target
        assert answer.getheader("X-Accel-Redirect") is None
        return
    assert answer.status == wanted.status, (name, target, answer.getheaders())
    assert (answer.getheader("Location") or "").encode("latin-1") == wanted.location
    if wanted.body is not None:
        assert content == wanted.body


TARGETS = (
    *(
        "/",
        "/closed",
        "/closed/x",
        "/slash%20%C3%A9%0A",
        "/slash%20%C3%A9%0A?a=b",
        "/away",
        "/away/x?y",
        "/here",
        "/many",
    ),
    *("/small", "/https", "/https/", "/https/x?y=/", "/https/%0d%0aX: 1".replace(" ", "%20"), "/kept/", "/nobody"),
    *("/nobody-https/", "/a", "/a/", "/a/b%2Fc//d?e#f", "/a/../a/./x", "/ab", "/prefix/x", "/none", "/healthz"),
    *("/nginx_status", "/go/x", "/go/a%20b?c=d", "/go/%0d%0aSet-Cookie:x", "/GO/a+b", "/re/one/two%3F%25?q", "/bare/"),
    *("/bare/x", "/bare//x", "/whole/y?z", "/other", "/exact", "/exactly", "/re/%E2%82%AC/x", "/go/%2e%2e/x", "/x"),
)


@pytest.mark.parametrize("name", ["h.example", "r.example", "www.example", "one.wild.example", "nobody.example"])
@pytest.mark.parametrize("tls", [False, True])
def test_as_the_plan_says(running: Running, name: str, tls: bool) -> None:
    for target in TARGETS:
        check(running, name, target, tls=tls)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("H.Example:8080", "/https/"),
        ("H.Example:8080", "/here"),
        ("h.example.", "/here"),
        ("H.example:81", "/"),
        ("spared.example", "/kept/"),
        ("spared.example", "/https/"),
        ("x.y.deep.example", "/kept/"),
        ("alias.example", "/kept/"),
        ("two.one.wild.example", "/healthz"),
        ("www.example:8080", "/a/"),
    ],
)
def test_names(running: Running, name: str, target: str) -> None:
    check(running, name, target)


def test_methods_and_bodies(running: Running) -> None:
    check(running, "h.example", "/a", method="TRACE")
    check(running, "h.example", "/small", method="POST", body="x" * 11)
    check(running, "h.example", "/small", method="POST", body="x" * 10)
    check(running, "h.example", "/small", method="POST", body="x" * 10, tls=True)
    check(running, "h.example", "/away", method="POST", body="x" * 11)


def test_what_endpoints_get(running: Running) -> None:
    headers = json.loads(running.ask("h.example:8080", "/a/x", tls=True)[1])["headers"]
    assert headers["host"] == "h.example:8080"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-original-forwarded-for"] == "9.9.9.9"
    assert headers["x-forwarded-host"] == "h.example:8080"
    assert headers["x-forwarded-port"] == "443"
    assert {headers[f"x-{n}"] for n in ("forwarded-proto", "forwarded-scheme", "scheme")} == {"https"}
    assert len(headers["x-request-id"]) == 32
    assert "x-forwarded-prefix" not in headers
    headers = json.loads(running.ask("h.example", "/a")[1])["headers"]
    assert headers["host"] == "v.h.example"
    assert headers["x-forwarded-port"] == "80"
    assert json.loads(running.ask("h.example", "/prefix")[1])["headers"]["x-forwarded-prefix"] == "/pre"


def test_hsts(running: Running) -> None:
    """Of the settings over TLS, the endpoint's own on plain HTTP; not where ingress-nginx answers before."""
    told = {
        (name, target, tls): running.ask(name, target, tls=tls)[0].getheader("Strict-Transport-Security")
        for name, target in (("h.example", "/a/x"), ("h.example", "/"), ("h.example", "/none"), ("www.example", "/"))
        for tls in (False, True)
    }
    ours = "max-age=31536000; includeSubDomains"
    assert told[("h.example", "/a/x", True)] == ours
    assert told[("h.example", "/a/x", False)] == "endpoint"
    assert told[("h.example", "/none", True)] == ours
    assert told[("h.example", "/none", False)] is None
    assert told[("h.example", "/", True)] is None
    assert told[("www.example", "/", True)] is None


segments = st.lists(
    st.sampled_from(
        ("a", "b", "go", "re", "bare", "https", "%0d%0a", "%2F", "%3F", "%25", "..", ".", "", "é", "%20", "x+y")
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(("h.example", "r.example")), segments, st.sampled_from(("", "?", "?a=b/", "?x%0a")), st.booleans()
)
def test_any_target(running: Running, name: str, parts: list[str], query: str, tls: bool) -> None:
    target = "/" + "/".join(parts) + query
    if normalize(target.encode()) is not None:
        check(running, name, target, tls=tls)


def test_json_log(running: Running) -> None:
    running.ask("h.example", '/a/"logged')
    found = wait_for_line(running.log, '\\"logged')
    assert (found["status"], found["upstream_status"], found["service"], found["ingress"]) == (200, 200, "web", "main")
    assert found["request"] == 'GET /a/"logged HTTP/1.1'
    assert found["upstream_addr"].startswith("127.0.0.1:")


def wait_for_line(path: Path, text: str) -> dict[str, Any]:
    """nginx writes its lines once a second."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in path.read_text().splitlines():
            if text in line:
                found: dict[str, Any] = json.loads(line)
                return found
        time.sleep(0.05)
    raise AssertionError(f"{text} was not logged")

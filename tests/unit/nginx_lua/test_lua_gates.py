"""External authentication with Lua: the rendered files over a run directory, asked by a balancer of its own."""

import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection

import pytest
from harness.behind_nginx import Answer, Endpoints, MakeEndpoint, listed, silent
from harness.shared_memory import Rig, in_flight, make_pool, make_split
from harness.waiting import until
from unit.render_nginx.nginx_text import settings_in, write_files

from serin.dataplane.nginx.assets import library
from serin.dataplane.nginx.components import Components
from serin.refs import Ref, Source
from serin.render.nginx.settings import LuaPaths
from serin.routing.access import CacheTime, ExternalAuth
from serin.routing.beside import Beside
from serin.routing.plan import Algorithm, Host, PathKind, PathMatch, Policy, Route, RuleId, Split, VersionRoute

REF = Ref("Ingress", "shop", "main")
SOURCE = Source(REF, "metadata")


def route(path: str, split: Split, auth: ExternalAuth | None) -> Route:
    version = VersionRoute(split.shares[0].ident, "main", REF, "web", "80", split.shares[0].pool)
    rule = RuleId("a.example", path, "Prefix")
    policy = Policy(external_auth=auth)
    return Route(PathMatch(PathKind.PREFIX, path), rule, REF, split.id, (version,), policy, source=SOURCE)


class Asking:
    """A server that is asked, endpoints behind it, and nginx with rendered files in front of both."""

    def __init__(self, rig: Rig, components: Components, server: Endpoints, behind: Endpoints) -> None:
        self.server, self.behind, self._rig = server, behind, rig
        pools = make_pool(1, listed([behind])), make_pool(2, listed([server]), Algorithm.LEAST_CONN)
        main, beside = make_split(1, [(pools[0], 100)]), make_split(2, [(pools[1], 100)])
        rig.put(main, pools[0])
        rig.put(beside, pools[1])
        self._to = Beside(beside.id, beside.shares[0].ident, pools[1].spec.id, "shop-auth-80")
        kept = self._auth("/kept", cache_key="$http_x_who", cache_times=(CacheTime((200, 401), 300),))
        routes = [
            route("/kept", main, kept),
            route("/signin", main, self._auth("/check", signin="https://login.example/?s=$escaped_request_uri")),
            route("/plain", main, None),
            route("/", main, self._auth("/check?of=$uri", response_headers=("X-Name",))),
        ]
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.port = int(held.getsockname()[1])
        user = "root" if os.geteuid() == 0 else ""
        lua = LuaPaths(components.package_path, str(library()))
        made = settings_in(rig.path, http=(f"127.0.0.1:{self.port}",), https=(), user=user, access_log="off")
        made = replace(made, lua=lua, modules=components.modules)
        main_file = write_files(rig.path, [Host("a.example", tuple(routes))], made)
        line = [components.binary, "-p", f"{rig.path}/", "-e", str(rig.path / "error.log"), "-c", str(main_file)]
        self._process = subprocess.Popen(line, env={**os.environ, **dict(components.environment)})
        until(self._answers, "nginx answers")

    def _auth(self, target: str, **more: object) -> ExternalAuth:
        return ExternalAuth(self._to, f"http://auth{target}", "auth", target, SOURCE, **more)  # type: ignore[arg-type]

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._rig.path / "error.log").read_text()
        try:
            return self.get("/plain").status == 200
        except OSError:
            return False

    def get(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        link = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            link.request(method, path, body, {"Host": "a.example", **sent})
            found = link.getresponse()
            return Answer(found.status, found.read().decode("latin-1"), {k.lower(): v for k, v in found.getheaders()})
        finally:
            link.close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def judge(end: Endpoints, link: socket.socket, head: bytes, nth: int) -> bool:
    """401 for who is called eve, else 200 with the name."""
    who = next((line[7:] for line in head.split(b"\r\n") if line.lower().startswith(b"x-who: ")), b"")
    status = b"401 No" if who == b"eve" else b"200 OK"
    cookies = b"".join(b"Set-Cookie: c%d=%b\r\n" % (n, who) for n in range({b"one": 1, b"five": 5}.get(who, 0)))
    link.sendall(b"HTTP/1.1 %b\r\nContent-Length: 0\r\nX-Name: <%b>\r\n%b\r\n" % (status, who, cookies))
    return True


@pytest.fixture
def asking(rig: Rig, components: Components, endpoint: MakeEndpoint) -> Iterator[Asking]:
    made = Asking(rig, components, endpoint("server", judge), endpoint("behind"))
    yield made
    made.stop()


def lines(head: bytes) -> dict[str, str]:
    pairs = (line.decode().partition(": ") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value for name, _, value in pairs}


def test_what_is_asked(asking: Asking) -> None:
    answer = asking.get("/a/b?c=d", method="POST", body=b"secret", X_Who="ann", X_Name="spoof", X_Original_URI="spoof")
    assert (answer.status, answer.text) == (200, "behind")
    asked = asking.server.heads[-1]
    assert asked.split(b"\r\n")[0] == b"GET /check?of=/a/b HTTP/1.1"
    sent = lines(asked)
    assert (sent["host"], sent["x-original-method"]) == ("auth", "POST")
    assert not {"x-original-uri", "x-scheme"} & sent.keys()  # with a method of its own alone, as in ingress-nginx
    assert sent["x-original-url"] == "http://a.example/a/b?c=d"
    assert sent["x-auth-request-redirect"] == "/a/b?c=d"
    assert "content-length" not in sent
    assert lines(asking.behind.heads[-1])["x-name"] == "<ann>"
    assert asking.get("/a", X_Who="eve").status == 401


def test_many_at_once_keep_to_their_own(asking: Asking) -> None:
    """The subrequest's endpoint and the request's are chosen side by side, by one worker."""

    def one(number: int) -> tuple[int, str]:
        answer = asking.get(f"/n{number}", X_Who="eve" if number % 3 == 0 else f"u{number}")
        return answer.status, answer.text

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(one, range(120)))
    assert [status for status, _ in found] == [401 if n % 3 == 0 else 200 for n in range(120)]
    assert {text for status, text in found if status == 200} == {"behind"}
    names = {lines(head)["x-name"] for head in asking.behind.heads if b"/n" in head.split(b"\r\n")[0]}
    assert names == {f"<u{n}>" for n in range(120) if n % 3}


def test_cookies_of_the_server(asking: Asking) -> None:
    """Each line by itself, up to four; `Answer` keeps the last of a name."""
    found = {who: asking.get("/x", X_Who=who).headers.get("set-cookie") for who in ("one", "five", "none")}
    assert found == {"one": "c0=one", "five": "c3=five", "none": None}


def test_the_server_is_done_when_it_has_answered(asking: Asking, rig: Rig) -> None:
    """Not with the request, which may go on for hours."""
    asking.behind.behave = silent
    with socket.create_connection(("127.0.0.1", asking.port), 10) as link:
        link.sendall(b"GET /x HTTP/1.1\r\nHost: a.example\r\nX-Who: ann\r\n\r\n")
        until(lambda: any(b"GET /x " in head for head in asking.behind.heads), "the endpoint is asked")
        assert in_flight(rig) == 1
    until(lambda: in_flight(rig) == 0, "nothing in flight")


def test_kept_answers(asking: Asking) -> None:
    statuses = [asking.get("/kept", X_Who=who).status for who in ("ann", "ann", "eve", "eve", "ann")]
    assert statuses == [200, 200, 401, 401, 200]
    assert len([head for head in asking.server.heads if head.startswith(b"GET /kept ")]) == 2


def test_no_answer_is_no_entry(asking: Asking) -> None:
    asking.server.refuse()
    assert asking.get("/x", X_Who="ann").status == 500


def test_signing_in(asking: Asking) -> None:
    answer = asking.get("/signin/b?c=d&e=f%20g", X_Who="eve")
    address = "%2Fsignin%2Fb%3Fc%3Dd%26e%3Df%2520g"
    assert answer.status == 302
    assert answer.headers["location"] == f"https://login.example/?s={address}&rd=http://a.example{address}"

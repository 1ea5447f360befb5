"""Error pages and fallbacks with Lua: the rendered files over a run directory, endpoints that fail as a test says."""

import os
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path

import pytest
from harness.behind_nginx import Answer, Endpoints, MakeEndpoint, hang_up, listed, once, with_status
from harness.shared_memory import Rig, in_flight, make_pool, make_split
from harness.waiting import until
from unit.render_nginx.nginx_text import settings_in, write_files

from serin.dataplane.nginx.assets import library
from serin.dataplane.nginx.components import Components
from serin.native import stats
from serin.refs import Ref, Source
from serin.render.nginx.settings import LuaPaths
from serin.routing.answers import ErrorPages
from serin.routing.beside import Beside, Mirror
from serin.routing.plan import Affinity, Host, PathKind, PathMatch, Policy, Route, RuleId, Split, Upstream, VersionRoute

REF = Ref("Ingress", "shop", "main")
SOURCE = Source(REF, "metadata")
COOKIE = Affinity("stick", "/", persistent=True, change_on_failure=True)


def route(path: str, split: Split, policy: Policy) -> Route:
    version = VersionRoute(split.shares[0].ident, "main", REF, "web", "80", split.shares[0].pool)
    return Route(
        PathMatch(PathKind.PREFIX, path), RuleId("a", path, "Prefix"), REF, split.id, (version,), policy, source=SOURCE
    )


@dataclass
class Front:
    """nginx before two endpoints, somebody who has pages, and a split that nobody is in."""

    rig: Rig
    behind: list[Endpoints]
    pages: Endpoints
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, components: Components) -> None:
        main, pages, nobody = make_pool(1, listed(self.behind)), make_pool(2, listed([self.pages])), make_pool(3, 0)
        splits = [make_split(number, [(pool, 100)]) for number, pool in enumerate((main, pages, nobody), 1)]
        for split, pool in zip(splits, (main, pages, nobody), strict=True):
            self.rig.put(split, pool)
        by = Beside(splits[1].id, splits[1].shares[0].ident, pages.spec.id, "shop-pages-80")
        none = Beside(splits[2].id, splits[2].shares[0].ident, nobody.spec.id, "shop-nobody-80")
        errors = ErrorPages((404, 502, 503), by, SOURCE)
        retried = Upstream(next_upstream=("error", "http_503"))
        copies = Mirror(by, "copy", "$request_uri", True, SOURCE)
        routes = [
            route("/pages", splits[0], Policy(errors=errors, upstream=retried)),
            route("/sticky", splits[0], Policy(errors=errors, affinity=COOKIE)),
            route("/away", splits[0], Policy(errors=replace(errors, by=none))),
            route("/gone", splits[2], Policy(errors=errors)),
            route("/fallback", splits[2], Policy(fallback=by)),
            route("/fallback-gone", splits[2], Policy(fallback=none, errors=errors)),
            route("/copied", splits[0], Policy(mirror=copies, upstream=retried)),
            route("/plain", splits[0], Policy()),
        ]
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.port = int(held.getsockname()[1])
        user = "root" if os.geteuid() == 0 else ""
        made = settings_in(self.rig.path, http=(f"127.0.0.1:{self.port}",), https=(), user=user, access_log="off")
        made = replace(made, lua=LuaPaths(components.package_path, str(library())), modules=components.modules)
        main_file = write_files(self.rig.path, [Host("a", tuple(routes))], made)
        self._process = self._run(components, main_file)
        until(self._answers, "nginx answers")

    def _run(self, components: Components, file: Path) -> subprocess.Popen[bytes]:
        line = [components.binary, "-p", f"{self.rig.path}/", "-e", str(self.rig.path / "error.log"), "-c", str(file)]
        return subprocess.Popen(line, env={**os.environ, **dict(components.environment)}, stderr=subprocess.DEVNULL)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.rig.path / "error.log").read_text()
        try:
            return self.get("/plain").status == 200
        except OSError:
            return False

    def get(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        link = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, path, body, {"Host": "a", **headers})
            found = link.getresponse()
            return Answer(found.status, found.read().decode("latin-1"), {k.lower(): v for k, v in found.getheaders()})
        finally:
            link.close()

    def code(self) -> str:
        """X-Code of the last request for a page."""
        lines = self.pages.heads[-1].split(b"\r\n")
        return next(line[8:].decode() for line in lines if line.startswith(b"X-Code: "))

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


@pytest.fixture
def front(rig: Rig, components: Components, endpoint: MakeEndpoint) -> Iterator[Front]:
    made = Front(rig, [endpoint("one"), endpoint("two")], endpoint("pages", with_status(418)))
    made.start(components)
    yield made
    made.stop()
    until(lambda: in_flight(rig) == 0, "nothing in flight")


def behave(front: Front, *behaviours: object) -> None:
    for end, behaviour in zip(front.behind, behaviours, strict=True):
        end.behave = behaviour  # type: ignore[assignment]


def test_an_answer_of_an_endpoint(front: Front) -> None:
    behave(front, with_status(404), with_status(404))
    for _ in range(4):
        answer = front.get("/pages/x?a=b", method="POST", body=b"abc")
        assert (answer.status, answer.text, front.code()) == (418, "pages", "404")
    assert front.pages.heads[-1].startswith(b"POST /?a=b HTTP/1.0\r\n")
    until(lambda: in_flight(front.rig) == 0, "nothing in flight")


def test_an_endpoint_s_own_500_stays(front: Front) -> None:
    behave(front, with_status(500), with_status(500))
    answer = front.get("/pages")
    assert answer.status == 500
    assert answer.text in {"one", "two"}
    assert front.pages.heads == []


def test_retries_come_first(front: Front) -> None:
    behave(front, with_status(503), with_status(200))
    assert {front.get("/pages").text for _ in range(8)} == {"two"}
    behave(front, with_status(503), with_status(503))
    assert (front.get("/pages").status, front.code()) == (418, "503")


def test_endpoints_that_fail(front: Front) -> None:
    behave(front, hang_up, hang_up)
    assert (front.get("/pages").status, front.code()) == (418, "502")


def test_kept_connections_that_are_dead(front: Front) -> None:
    behave(front, once, once)
    assert [front.get("/pages").status for _ in range(6)] == [200] * 6


def test_nobody_is_there(front: Front) -> None:
    assert (front.get("/gone").status, front.code()) == (418, "503")
    front.pages.behave = hang_up
    assert front.get("/gone").status == 502


def test_nobody_has_pages(front: Front) -> None:
    behave(front, with_status(404), with_status(404))
    assert front.get("/away").status == 503


def test_fallback(front: Front) -> None:
    answer = front.get("/fallback/x?a=b", method="PUT", body=b"abc")
    assert (answer.status, answer.text, front.code()) == (418, "pages", "503")
    assert front.pages.heads[-1].startswith(b"PUT /fallback/x?a=b HTTP/1.1\r\n")


def test_no_fallback_either(front: Front) -> None:
    answer = front.get("/fallback-gone")
    assert answer.status == 503
    assert "nginx" in answer.text


def test_cookies_outlive_the_change_of_location(front: Front) -> None:
    first = front.get("/sticky")
    cookie = first.headers["set-cookie"].partition(";")[0]
    again = [front.get("/sticky", Cookie=cookie) for _ in range(6)]
    assert {answer.text for answer in again} == {first.text}
    assert all("set-cookie" not in answer.headers for answer in again)
    failed = next(end for end in front.behind if end.name == first.text)
    failed.behave = hang_up
    moved = front.get("/sticky", Cookie=cookie)
    assert moved.text in {"one", "two"} - {first.text}
    assert moved.headers["set-cookie"].partition(";")[0] != cookie


def test_copies_do_not_disturb_retries(front: Front) -> None:
    behave(front, with_status(503), with_status(200))
    assert {front.get(f"/copied/{n}", method="PUT", body=b"abc").text for n in range(20)} == {"two"}
    until(lambda: len(front.pages.heads) == 20, "all copies came")
    assert {head.split(b"\r\n")[0] for head in front.pages.heads} == {b"PUT /copied/%d HTTP/1.1" % n for n in range(20)}


def details(front: Front, number: int) -> Counter[int]:
    """Of the split of this number: how often each status."""
    ident, found = make_split(number, []).id, Counter[int]()
    for key, totals in stats.read(front.rig.path).versions.items():
        if key[0] == ident:
            for detail in totals.details:
                found[detail.status] += detail.count
    return found


def test_a_request_counts_for_its_route_with_what_the_endpoint_said(front: Front) -> None:
    behave(front, with_status(404), with_status(404))
    for _ in range(3):
        front.get("/pages")
    until(lambda: details(front, 2).get(418) == 3, "the pages are counted")
    assert (details(front, 1)[404], details(front, 1)[418]) == (3, 0)
    front.get("/fallback-gone")
    until(lambda: details(front, 3).get(503) == 1, "nobody is counted once")

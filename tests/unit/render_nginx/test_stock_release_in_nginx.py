"""A rollout in a real nginx without Lua: users keep their version, copies go out, and are nothing but copies."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.behind_nginx import Endpoints, hang_up
from harness.waiting import until
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import POOL, REF, SOURCE, Running, one, serving

from serin.routing.beside import Beside, Mirror
from serin.routing.plan import Host, Policy, Rewrite, Route, Shadow, SplitBy, SplitKind

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
TO = Beside("a" * 16, "1" * 16, POOL, "shop-preview-80")
COOKIE = SplitBy(SplitKind.COOKIE, "uid", 60, SOURCE)


def copied(number: int, path: str, policy: Policy, parts: int = 100_000) -> Route:
    return replace(one(number, path, policy), shadow=Shadow(TO, parts, SOURCE), canary_route=REF)


@pytest.fixture
def end() -> Iterator[Endpoints]:
    made = Endpoints("web")
    yield made
    made.close()


@pytest.fixture
def front(tmp_path: Path, end: Endpoints) -> Iterator[Running]:
    rewritten = Policy(rewrite=Rewrite("^/rewritten/(.*)", "/to/$1", False, SOURCE))
    both = Policy(mirror=Mirror(TO, "other", "/mirror$request_uri", False, SOURCE))
    routes = (
        copied(1, "/copied", Policy()),
        copied(2, "/rewritten", rewritten),
        copied(3, "/never", Policy(), 0),
        copied(4, "/twice", both),
        replace(one(5, "/users", Policy()), split_by=COOKIE),
    )
    with serving(tmp_path, [Host("h.example", routes)], endpoint=end.port) as running:
        yield running


def targets(end: Endpoints, count: int) -> dict[bool, list[str]]:
    """What was asked for, by whether it is a copy, when so many requests came."""
    until(lambda: len(end.heads) == count, f"{count} requests came")
    found: dict[bool, list[str]] = {True: [], False: []}
    for head in end.heads:
        found[b"\r\nX-Canary-Mirror: 1" in head].append(head.split(b" HTTP/")[0].decode())
    return found


def test_a_copy_is_what_the_version_gets(front: Running, end: Endpoints) -> None:
    answer, body = front.ask("h.example", "/copied/a%2fb?c", more="X-Own: 1\r\n")
    assert (answer.status, body) == (200, b"web")
    assert targets(end, 2) == {True: ["GET /copied/a%2fb?c"], False: ["GET /copied/a%2fb?c"]}
    for line in (b"Host: h.example", b"X-Own: 1", b"X-Forwarded-For: 127.0.0.1"):
        assert all(b"\r\n" + line in head for head in end.heads)


def test_a_rewritten_path_is_copied_as_it_becomes(front: Running, end: Endpoints) -> None:
    front.ask("h.example", "/rewritten/x%20y?z=%20")
    assert targets(end, 2) == {True: ["GET /to/x%20y?z=%20"], False: ["GET /to/x%20y?z=%20"]}


def test_bodies_and_others_are_not_copied(front: Running, end: Endpoints) -> None:
    front.ask("h.example", "/copied/1", method="POST", body="abc")
    front.ask("h.example", "/copied/2", method="DELETE")
    front.ask("h.example", "/never")
    front.ask("h.example", "/copied/3", method="OPTIONS")
    assert targets(end, 5)[True] == ["OPTIONS /copied/3"]


def test_both_kinds_of_copies(front: Running, end: Endpoints) -> None:
    front.ask("h.example", "/twice?x")
    found = targets(end, 3)
    assert found[True] == ["GET /twice?x"]
    assert sorted(found[False]) == ["GET /mirror/twice?x", "GET /twice?x"]


def test_nobody_gets_there_from_outside(front: Running, end: Endpoints) -> None:
    for target in ("//serin/s/0", "/%2fserin/s/0"):
        assert front.ask("h.example", target)[0].status == 404
    assert end.heads == []


def test_the_cookie_is_the_first_requests_id(front: Running, end: Endpoints) -> None:
    answer, _ = front.ask("h.example", "/users")
    line = answer.headers["Set-Cookie"]
    value = line.partition("=")[2].partition(";")[0]
    assert line == f"uid={value}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    assert len(value) == 32
    assert int(value, 16) >= 0
    answer, _ = front.ask("h.example", "/users", tls=True)
    assert answer.headers["Set-Cookie"].endswith("; SameSite=Lax; Secure")
    answer, _ = front.ask("h.example", "/users", more=f"Cookie: uid={value}\r\n")
    assert answer.headers["Set-Cookie"] is None
    end.behave = hang_up
    answer, _ = front.ask("h.example", "/users")
    assert answer.status == 502
    assert answer.headers["Set-Cookie"] is not None

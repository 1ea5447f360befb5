"""A rollout with Lua: users by splitBy, copies for a preview, taking back, what counts; in a real nginx."""

import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection

import pytest
from harness.behind_nginx import Answer, Endpoints, MakeEndpoint, hang_up, listed, with_status
from harness.shared_memory import Rig, in_flight, make_pool, make_split
from harness.waiting import until
from unit.render_nginx.nginx_text import settings_in, write_files

from serin.dataplane.nginx.assets import library
from serin.dataplane.nginx.components import Components
from serin.native import trials
from serin.native.hashing import hash64
from serin.refs import Ref, Source
from serin.render.nginx.settings import LuaPaths
from serin.routing.answers import ErrorPages
from serin.routing.beside import Beside
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.plan import (
    Affinity,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Rewrite,
    Route,
    RuleId,
    Shadow,
    Split,
    SplitBy,
    SplitKind,
    Trial,
    Upstream,
    VersionRoute,
)
from serin.routing.user_split import choose

REF = Ref("CanaryRoute", "shop", "web")
SOURCE = Source(REF, "spec")
SALTS = (0x1234_5678_9ABC_DEF0, 0x0FED_CBA9_8765_4321)
RULES = (MatchRule(1, (Match(headers=(FieldMatch("X-Try", MatchKind.EXACT, "new"),), source=SOURCE),)),)
COOKIE = re.compile(r"uid=([0-9a-f]{32}); Path=/; Max-Age=60; HttpOnly; SameSite=Lax").fullmatch
NAMES = ("main", "new", "third")
TRIAL, PREVIEW = "7" * 16, "8" * 16


def route(path: str, split: Split, by: SplitBy | None = None, policy: Policy | None = None) -> Route:
    versions = tuple(
        VersionRoute(share.ident, name, REF, name, "80", share.pool)
        for share, name in zip(split.shares, NAMES, strict=False)
    )
    rule = RuleId("a", path, "Prefix")
    rules = RULES if len(versions) > 1 else ()
    return Route(
        PathMatch(PathKind.PREFIX, path),
        rule,
        REF,
        split.id,
        versions,
        policy or Policy(),
        source=SOURCE,
        match_rules=rules,
        canary_route=REF,
        split_by=by,
    )


@dataclass
class Front:
    """nginx before three versions; `preview` gets copies. Splits: 1 by cookie, 2 by header, 3 by address, 4 drawn."""

    rig: Rig
    ends: list[Endpoints]
    preview: Endpoints
    pages: Endpoints
    splits: dict[int, Split] = field(default_factory=dict)
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, components: Components) -> None:
        self.pools = [make_pool(n, listed([end])) for n, end in enumerate((*self.ends, self.preview, self.pages), 1)]
        for number in range(1, 7):
            self.put(number, (60, 20, 20))
        for number, pool in ((8, self.pools[3]), (9, self.pools[4])):
            one = replace(make_split(number, [(pool, 1)]), trial=Trial(PREVIEW, 1) if number == 8 else None)
            self.splits[number] = self.rig.put(one, *self.pools)
        kinds = ((SplitKind.COOKIE, "uid"), (SplitKind.HEADER, "X-User_Id"), (SplitKind.CLIENT, ""))
        cookie, header, client = (SplitBy(kind, name, 60, SOURCE) for kind, name in kinds)
        shown = self.splits[9]
        pages = Beside(shown.id, shown.shares[0].ident, shown.shares[0].pool, "shop-pages-80")
        hidden = Policy(errors=ErrorPages((500, 502), pages, SOURCE), upstream=Upstream(tries=1))
        rewritten = Policy(rewrite=Rewrite("^/rewritten/(.*)", "/to/$1", False, SOURCE))
        by_lua = Policy(rewrite=Rewrite("^/by-lua/((a|a)*)+/(.*)", "/to/$3", False, SOURCE))
        routes = [
            route("/cookie", self.splits[1], cookie),
            route("/paged", self.splits[1], cookie, hidden),
            route("/both", self.splits[1], cookie, Policy(affinity=Affinity("stick", "/"))),
            route("/header", self.splits[2], header),
            route("/client", self.splits[3], client),
            route("/drawn", self.splits[4]),
            self.copied("/copied", 100_000),
            self.copied("/few", 25_000, number=6),
            self.copied("/rewritten", 100_000, rewritten),
            self.copied("/by-lua", 100_000, by_lua),
            route("/plain", self.splits[9]),
        ]
        host, run = Host("a", tuple(routes)), self.rig.path
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.port = int(held.getsockname()[1])
        user = "root" if os.geteuid() == 0 else ""
        made = settings_in(run, http=(f"127.0.0.1:{self.port}",), https=(), user=user, access_log="off")
        made = replace(made, lua=LuaPaths(components.package_path, str(library())), modules=components.modules)
        write_files(run, [host], made)
        self._process = self._run(components)
        until(self._answers, "nginx answers")

    def copied(self, path: str, parts: int, policy: Policy | None = None, number: int = 5) -> Route:
        shown = self.splits[8]
        to = Beside(shown.id, shown.shares[0].ident, shown.shares[0].pool, "shop-preview-80")
        return replace(route(path, self.splits[number], None, policy), shadow=Shadow(to, parts, SOURCE))

    def put(self, number: int, weights: tuple[int, ...], **more: object) -> None:
        """Put a split of the three versions in force; `more` are fields of it."""
        made = make_split(number, list(zip(self.pools[:3], weights, strict=True)), total=sum(weights), rest=False)
        salts = SALTS if number in (1, 2, 3) else None
        found = replace(made, first=made.shares[1].ident, salts=salts, **more)  # type: ignore[arg-type]
        self.splits[number] = self.rig.put(found, *self.pools)

    def _run(self, components: Components) -> subprocess.Popen[bytes]:
        path = self.rig.path
        line = [components.binary, "-p", f"{path}/", "-e", str(path / "error.log"), "-c", str(path / "nginx.conf")]
        return subprocess.Popen(line, env={**os.environ, **dict(components.environment)}, stderr=subprocess.DEVNULL)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.rig.path / "error.log").read_text()
        try:
            return self.ask("/plain").status < 500
        except OSError:
            return False

    def ask(self, path: str, *lines: tuple[str, str], method: str = "GET", body: bytes | None = None) -> Answer:
        link = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.putrequest(method, path, skip_host=True)
            for name, value in (("Host", "a"), *lines):
                link.putheader(name, value)
            if body is not None:
                link.putheader("Content-Length", str(len(body)))
            link.endheaders(body)
            found = link.getresponse()
            return Answer(found.status, found.read().decode("latin-1"), {k.lower(): v for k, v in found.getheaders()})
        finally:
            link.close()

    def version_of(self, path: str, *lines: tuple[str, str]) -> str:
        return self.ask(path, *lines).text

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


@pytest.fixture
def front(rig: Rig, components: Components, endpoint: MakeEndpoint) -> Iterator[Front]:
    made = Front(rig, [endpoint(name) for name in NAMES], endpoint("preview"), endpoint("pages", with_status(418)))
    made.start(components)
    yield made
    made.stop()
    until(lambda: in_flight(rig) == 0, "nothing in flight")


def wanted(key: str, weights: tuple[int, ...] = (60, 20, 20), there: tuple[bool, ...] = (True,) * 3) -> str:
    return NAMES[choose(hash64(key.encode()) or 1, SALTS, weights, 1, there)]


KEYS = [f"user-{number}" for number in range(40)]


def test_users_have_the_version_that_the_oracle_says(front: Front) -> None:
    assert len({wanted(key) for key in KEYS}) == 3
    for key in KEYS:
        assert front.version_of("/header", ("x-user-id", key)) == wanted(key)
        found = front.ask("/cookie", ("Cookie", f"UID=x; uid={key}; uid=y"))
        assert (found.text, found.headers.get("set-cookie")) == (wanted(key), None)
    key = next(key for key in KEYS if wanted(f"{key}, b") not in (wanted(key), wanted("b")))
    assert front.version_of("/header", ("X-User-ID", key), ("x-user-id", "b")) == wanted(f"{key}, b")
    assert {front.version_of("/client") for _ in range(6)} == {wanted("127.0.0.1")}


def test_a_user_stays_over_a_change_of_location(front: Front) -> None:
    """Routes with pages for errors choose in one location and ask in another one."""
    for key in KEYS[:12]:
        assert front.version_of("/paged", ("Cookie", f"uid={key}")) == wanted(key)
    first = front.ask("/paged")
    found = COOKIE(first.headers["set-cookie"])
    assert found is not None
    assert first.text == wanted(found[1])
    for end in front.ends:
        end.behave = with_status(500)
    hidden = front.ask("/paged")
    assert (hidden.status, hidden.text) == (418, "pages")
    assert COOKIE(hidden.headers["set-cookie"])


def test_users_move_to_the_candidate_alone_when_its_weight_is_raised(front: Front) -> None:
    before = {key: front.version_of("/header", ("X-User-Id", key)) for key in KEYS}
    front.put(2, (30, 60, 10))
    after = {key: front.version_of("/header", ("X-User-Id", key)) for key in KEYS}
    assert {after[key] for key in KEYS if after[key] != before[key]} == {"new"}


def test_a_client_without_the_cookie_is_given_one_that_decides_already(front: Front) -> None:
    seen = set()
    for sent in ((), (("Cookie", "other=1; uid=; x=y"),)):
        for _ in range(8):
            first = front.ask("/cookie", *sent)
            found = COOKIE(first.headers["set-cookie"])
            assert found is not None, first.headers
            assert first.text == wanted(found[1])
            seen.add(found[1])
    assert len(seen) == 16


def test_no_header_is_drawn(front: Front) -> None:
    found = Counter(front.version_of("/header", ("X-User-Id", "")) for _ in range(50))
    found += Counter(front.version_of("/header") for _ in range(50))
    assert found == {"main": 60, "new": 20, "third": 20}


def test_rules_come_before_a_cookie_and_the_cookie_before_the_user(front: Front) -> None:
    key = next(key for key in KEYS if wanted(key) == "third")
    assert front.version_of("/cookie", ("Cookie", f"uid={key}"), ("X-Try", "new")) == "new"
    main = front.splits[1].shares[0].ident
    assert front.version_of("/both", ("Cookie", f"uid={key}; stick={'a' * 32}.{main}")) == "main"
    assert front.version_of("/both", ("Cookie", f"uid={key}")) == "third"
    assert front.version_of("/both", ("Cookie", f"uid={key}"), ("X-Try", "new")) == "new"


def test_what_is_taken_back_is_reached_by_nothing(front: Front) -> None:
    """With the next request: by no rule, no affinity cookie, no user."""
    new = front.splits[1].shares[1].ident
    sent = ("Cookie", f"uid=nobody; stick={'a' * 32}.{new}")
    assert front.version_of("/both", sent) == "new"
    front.put(1, (3, 0, 1), suspended=(new,))
    assert front.version_of("/both", sent) != "new"
    assert front.version_of("/cookie", ("Cookie", "uid=nobody"), ("X-Try", "new")) != "new"
    without = (True, False, True)
    for key in KEYS:
        assert front.version_of("/cookie", ("Cookie", f"uid={key}")) == wanted(key, (3, 0, 1), without)


def statuses(front: Front, trial: str) -> list[tuple[Mapping[int, int], Mapping[int, int]]]:
    found = trials.read(front.rig.path).trials.get(trial)
    return [] if found is None else [(version.drawn, version.other) for version in found.versions]


def test_a_trial_counts_what_the_endpoint_answered_behind_an_error_page(front: Front) -> None:
    front.put(1, (0, 1, 0), trial=Trial(TRIAL))
    front.ends[1].behave = with_status(500)
    for number in range(3):
        assert front.ask("/paged", ("Cookie", f"uid=u{number}")).status == 418
    until(lambda: statuses(front, TRIAL)[1:2] == [({500: 3}, {})], "three answers of 500 are counted")
    front.ends[1].behave = hang_up
    front.ask("/paged", ("Cookie", "uid=u4"), ("X-Try", "new"))
    until(lambda: statuses(front, TRIAL)[1:2] == [({500: 3}, {1: 1})], "no answer, asked for by a rule")
    bad = trials.read(front.rig.path).trials[TRIAL].bad_users
    assert {(place, status) for _, place, status in bad} == {(1, 500)}
    assert len(bad) == 3


def lines_of(head: bytes) -> tuple[str, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}


def copied(front: Front, method: str) -> bytes:
    """The next copy: nobody waits for one, so that two of them may come in either order."""
    before = len(front.preview.heads)
    assert front.ask("/copied/a%2fb?c=d", ("X-Own", "1"), method=method).status == 200
    until(lambda: len(front.preview.heads) > before, f"the copy of {method} came")
    return front.preview.heads[-1]


def test_a_preview_gets_copies_without_bodies(front: Front) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        first, lines = lines_of(copied(front, method))
        assert first == f"{method} /copied/a%2fb?c=d HTTP/1.1"
        assert (lines["host"], lines["x-canary-mirror"], lines["x-own"]) == ("a", "1", "1")
        assert "content-length" not in lines
    until(lambda: statuses(front, PREVIEW)[1:2] == [({}, {200: 3})], "the copies are counted for their place")


def test_what_may_change_something_is_not_copied(front: Front) -> None:
    front.ask("/copied/no", method="POST", body=b"")
    front.ask("/copied/no", method="DELETE")
    front.ask("/copied/no", method="GET", body=b"abc")
    front.ask("/copied/no", ("Connection", "upgrade"), ("Upgrade", "websocket"))
    front.ask("/copied/yes")
    until(lambda: len(front.preview.heads) > 0, "a copy came")
    assert [lines_of(head)[0] for head in front.preview.heads] == ["GET /copied/yes HTTP/1.1"]


def test_a_share_of_requests_is_copied(front: Front) -> None:
    for _ in range(200):
        front.ask("/few")
    until(lambda: len(front.preview.heads) >= 20, "some copies came")
    assert len(front.preview.heads) <= 90


@pytest.mark.parametrize("path", ["rewritten", "by-lua/a"])
def test_a_copy_has_the_path_that_the_version_gets(front: Front, path: str) -> None:
    for end in front.ends:
        end.heads.clear()
    front.ask(f"/{path}/x%20y?q=1")
    until(lambda: len(front.preview.heads) == 1, "the copy came")
    asked = [lines_of(head)[0] for end in front.ends for head in end.heads]
    assert [lines_of(front.preview.heads[0])[0]] == asked == ["GET /to/x%20y?q=1 HTTP/1.1"]


def test_a_preview_that_fails_disturbs_nobody(front: Front) -> None:
    front.preview.behave = hang_up
    assert {front.ask("/copied").status for _ in range(4)} == {200}
    until(lambda: statuses(front, PREVIEW)[1:2] == [({}, {1: 4})], "copies without an answer are counted")

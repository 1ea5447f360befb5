"""Who a user is (splitBy), when a client is given a cookie, and what comes before the user's key."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from hypothesis import given
from hypothesis import strategies as st
from unit.proxy_gate.gate_fakes import FakeSplit, RePattern, client, hashed, request, serve

from serin.dataplane.proxy.exchange import Client, Forward, RequestHead
from serin.dataplane.proxy.headers import cookie_header
from serin.dataplane.proxy.picking import Picked, RulesAndKeys
from serin.dataplane.proxy.runtime import Workshop, make_ready
from serin.dataplane.proxy.sticky import StickyPicker
from serin.dataplane.proxy.users import ReadyUsers
from serin.dataplane.proxy.variables import compile_parts
from serin.native.hashing import hash64
from serin.native.worker import KEYED, VERSION_ONLY
from serin.refs import Ref, Source
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule, Subject
from serin.routing.decision import Reason
from serin.routing.explain_users import user_key
from serin.routing.plan import (
    Affinity,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    SplitBy,
    SplitKind,
    VersionRoute,
)
from serin.routing.rules import CompiledMatches
from serin.routing.user_split import choose

REF = Ref("CanaryRoute", "shop", "shop")
SOURCE = Source(REF, "spec.splitBy")
COOKIE = SplitBy(SplitKind.COOKIE, "Bucket", 604800, SOURCE)
HEADER = SplitBy(SplitKind.HEADER, "X-User_Id", 0, SOURCE)
CLIENT = SplitBy(SplitKind.CLIENT, "", 0, SOURCE)
VERSIONS = tuple(VersionRoute(letter * 16, f"v{n}", REF, f"v{n}", "80", "p") for n, letter in enumerate("ab", 1))
TO_SECOND = (MatchRule(1, (Match(headers=(FieldMatch("X-Try", MatchKind.EXACT, "new"),), source=SOURCE),)),)
LINE = re.compile(rb"Set-Cookie: Bucket=([0-9a-f]{32}); Path=/; Max-Age=604800; HttpOnly; SameSite=Lax(; Secure)?\r\n")


def user(by: SplitBy, head: RequestHead, who: Client | None = None) -> tuple[int, bytes]:
    return ReadyUsers(by, hashed)(head, who or client(), cookie_header(head))


def test_a_client_without_the_cookie_is_given_one_that_decides_already() -> None:
    key, line = user(COOKIE, request())
    found = LINE.fullmatch(line)
    assert found is not None
    assert found[2] is None
    assert key == hashed(found[1])
    back = request(b"/", (b"Cookie", b"a=b; Bucket=" + found[1]))
    assert user(COOKIE, back) == (key, b"")
    assert user(COOKIE, request()) != (key, line), "each client another"


def test_over_tls_the_cookie_is_secure() -> None:
    found = LINE.fullmatch(user(COOKIE, request(), client(tls=True))[1])
    assert found is not None
    assert found[2] == b"; Secure"


@pytest.mark.parametrize("sent", [b"bucket=x", b"Bucket=", b"Bucke=x", b"MyBucket=x"])
def test_what_is_no_such_cookie(sent: bytes) -> None:
    assert LINE.fullmatch(user(COOKIE, request(b"/", (b"Cookie", sent)))[1])


def test_the_first_cookie_counts_over_several_headers() -> None:
    head = request(b"/", (b"Cookie", b"a=1"), (b"cookie", b"Bucket=one; Bucket=two"))
    assert user(COOKIE, head) == (hashed(b"one"), b"")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ([(b"X-User-Id", b"7")], b"7"),
        ([(b"x-user-id", b"7"), (b"X-USER-ID", b"8")], b"7, 8"),
        ([(b"X-User-Id", b"")], None),
        ([], None),
    ],
)
def test_a_header_is_read_as_rules_read_it(headers: list[tuple[bytes, bytes]], text: bytes | None) -> None:
    assert user(HEADER, request(b"/", *headers)) == (hashed(text) if text else 0, b"")


def test_the_clients_address() -> None:
    assert user(CLIENT, request(), client(address="192.0.2.9")) == (hashed(b"192.0.2.9"), b"")


@pytest.mark.parametrize("by", [COOKIE, HEADER, CLIENT])
def test_a_hash_of_zero_is_somebody(by: SplitBy) -> None:
    head = request(b"/", (b"Cookie", b"Bucket=x"), (b"X-User-Id", b"x"))
    assert ReadyUsers(by, lambda _: 0)(head, client(), cookie_header(head)) == (1, b"")


@given(st.sampled_from([COOKIE, HEADER, CLIENT]), st.lists(st.binary(max_size=12), max_size=3))
def test_the_key_is_the_one_that_explain_tells(by: SplitBy, texts: list[bytes]) -> None:
    texts = [re.sub(rb"[\x00-\x1f;]", b"", text).strip() for text in texts]
    cookies = [(b"Cookie", b"Bucket=" + text) for text in texts]
    head = request(b"/", *cookies, *[(b"X-User-Id", text) for text in texts])
    expected = user_key(by, Subject(head.get, cookie_header(head), b"/", "GET", "192.0.2.7"))
    key, line = user(by, head)
    assert (key == hashed(expected) and not line) if expected else (bool(line) == (by is COOKIE))


# --- before it ---


def picker(split: FakeSplit, by: SplitBy = COOKIE, *, keys: bool = False) -> RulesAndKeys:
    rules = CompiledMatches(TO_SECOND, VERSIONS, RePattern)
    different = (None, compile_parts(("$request_uri",), {})) if keys else (None, None)
    return RulesAndKeys(split, rules, different, hashed, ReadyUsers(by, hashed), cookies=True)


def test_the_user_is_told_with_every_question_and_rules_come_first() -> None:
    split = FakeSplit(([1], [2]))
    ruled = picker(split)(request(b"/", (b"X-Try", b"new"), (b"Cookie", b"Bucket=x")), client(), b"/")
    assert isinstance(ruled, Picked)
    assert (ruled.choice.version, ruled.reason, ruled.answer) == (1, Reason.HEADER, b"")
    drawn = picker(split)(request(), client(), b"/")
    assert isinstance(drawn, Picked)
    assert LINE.fullmatch(drawn.answer)
    assert split.users[0] == hashed(b"x")
    assert [forced for forced, *_ in split.asked] == [1, -1]


def test_a_rule_for_a_version_that_takes_nothing_leaves_it_to_the_user() -> None:
    split = FakeSplit(([1], []))
    picked = picker(split)(request(b"/", (b"X-Try", b"new"), (b"Cookie", b"Bucket=x")), client(), b"/")
    assert isinstance(picked, Picked)
    assert picked.choice.version == 0
    assert [(forced, excluded) for forced, excluded, *_ in split.asked] == [(1, 0), (-1, 2)]
    assert split.users == [hashed(b"x")] * 2


def test_versions_with_keys_of_their_own_are_asked_in_two_steps_for_one_user() -> None:
    split = FakeSplit(([1], [2]), drawn=1)
    picked = picker(split, keys=True)(request(b"/", (b"Cookie", b"Bucket=x")), client(), b"/")
    assert isinstance(picked, Picked)
    assert [flags for *_, flags in split.asked] == [VERSION_ONLY, KEYED]
    assert split.users == [hashed(b"x")] * 2


def sticky(split: FakeSplit, by: SplitBy = COOKIE, *, legacy: bool = False, persistent: bool = False) -> StickyPicker:
    versions = (VERSIONS[0], replace(VERSIONS[1], sticky=not legacy))
    rules = CompiledMatches((), versions, RePattern)
    free = RulesAndKeys(split, rules, (None, None), hashed, ReadyUsers(by, hashed), cookies=True)
    affinity = Affinity("AFFINITY", "/", persistent=persistent)
    return StickyPicker(split, rules, versions, affinity, free, hashed, lambda: 0.0)


def test_an_affinity_cookie_comes_first_and_the_other_cookie_is_given_all_the_same() -> None:
    split = FakeSplit(([1], [2]))
    head = request(b"/", (b"Cookie", b"AFFINITY=k." + b"b" * 16))
    picked = sticky(split)(head, client(), b"/")
    assert isinstance(picked, Picked)
    assert (picked.choice.version, picked.reason) == (1, Reason.STICKY)
    assert LINE.fullmatch(picked.answer)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("sent", [b"", b"AFFINITY=k." + b"c" * 16 + b"; ", b"AFFINITY=k; "])
def test_newcomers_of_an_affinity_go_by_their_user(legacy: bool, persistent: bool, sent: bytes) -> None:
    split = FakeSplit(([1], [2]), drawn=1)
    head = request(b"/", (b"Cookie", sent + b"Bucket=x"))
    picked = sticky(split, legacy=legacy, persistent=persistent)(head, client(), b"/")
    assert isinstance(picked, Picked)
    assert set(split.users) == {hashed(b"x")}
    assert b"Bucket" not in picked.answer


# --- over the gate, and over shared memory ---


def route(**more: object) -> Route:
    rule = RuleId("shop.example", "/", "Prefix")
    made = Route(PathMatch(PathKind.PREFIX, "/"), rule, Ref("Ingress", "shop", "shop"), "c" * 16, VERSIONS, Policy())
    return replace(made, split_by=COOKIE, canary_route=REF, **more)  # type: ignore[arg-type]


def test_the_answer_brings_the_cookie() -> None:
    served = serve(Host("shop.example", (route(),)))
    found = served.gate(request(), client())
    assert isinstance(found, Forward)
    assert LINE.fullmatch(found.answer_prelude)
    again = served.gate(request(b"/", (b"Cookie", b"Bucket=x")), client())
    assert isinstance(again, Forward)
    assert again.answer_prelude == b""
    (split,) = served.splits.made.values()
    assert split.users[1] == hashed(b"x")


@pytest.fixture
def rig(tmp_path: Path) -> Callable[[], Rig]:
    return lambda: Rig(tmp_path)


def test_users_have_the_versions_that_the_oracle_says(rig: Callable[[], Rig]) -> None:
    made = rig()
    pools = [make_pool(n, 1) for n in range(3)]
    split = make_split(1, [(pools[0], 30), (pools[1], 50), (pools[2], 20)], rest=False)
    split = replace(split, salts=(11, 22), first=split.shares[1].ident)
    made.put(split, *pools)
    versions = tuple(
        VersionRoute(share.ident, f"v{n}", REF, f"v{n}", "80", share.pool) for n, share in enumerate(split.shares)
    )
    host = Host("shop.example", (replace(route(), split=split.id, versions=versions),))
    ready = make_ready(host, Workshop(made.worker(), RePattern, hash64))
    found = ready.table.find(b"/")
    assert found is not None
    assert found.picker is not None
    chosen = set()
    for n in range(300):
        text = b"user-%d" % n
        picked = found.picker(request(b"/", (b"Cookie", b"Bucket=" + text)), client(), b"/")
        assert isinstance(picked, Picked)
        expected = choose(hash64(text), (11, 22), [30, 50, 20], 1, [True] * 3)
        assert (picked.choice.version, picked.reason) == (expected, Reason.WEIGHT)
        chosen.add(expected)
        picked.choice.done(200)
    assert chosen == {0, 1, 2}
    made.put(replace(split, suspended=(split.shares[1].ident,)))
    for n in range(300):
        picked = found.picker(request(b"/", (b"Cookie", b"Bucket=user-%d" % n)), client(), b"/")
        assert isinstance(picked, Picked)
        assert picked.choice.version != 1
        picked.choice.done(200)
    made.close()

"""Cookie affinity: who gets a cookie, what it says, and when it is renewed."""

import re
from dataclasses import replace

import pytest
from unit.proxy_gate.gate_fakes import FakeChoice, FakeSplit, client, hashed, request

from serin.dataplane.proxy.exchange import RequestHead
from serin.dataplane.proxy.picking import Picked, RulesAndKeys
from serin.dataplane.proxy.sticky import StickyPicker
from serin.native.worker import EXACT, NO_ENDPOINT, STICKY, VERSION_ONLY
from serin.refs import Ref
from serin.routing.decision import Reason
from serin.routing.plan import Affinity, HeaderRule, VersionRoute
from serin.routing.rules import CompiledRules
from serin.routing.search import Searcher

MAIN = VersionRoute("a" * 16, "main", Ref("Ingress", "ns", "main"), "main", "80", "p")
CANARY = VersionRoute("b" * 16, "canary", Ref("Ingress", "ns", "c"), "c", "80", "q", header=HeaderRule("X-Try"))
LEGACY = replace(CANARY, sticky=False)
COOKIE = Affinity("INGRESSCOOKIE", "/app")
PERSISTENT = replace(COOKIE, persistent=True)
LINE = re.compile(rb"Set-Cookie: INGRESSCOOKIE=([^;]+)\.([ab]{16}); Path=/app; HttpOnly\r\n")


def no_patterns(text: str, *, ignore_case: bool = False, anchored: bool = False) -> Searcher:
    raise AssertionError(text)


def picker(split: FakeSplit, affinity: Affinity = COOKIE, canary: VersionRoute = CANARY) -> StickyPicker:
    versions = (MAIN, canary)
    rules = CompiledRules(versions, no_patterns)
    free = RulesAndKeys(split, rules, (None, None), hashed)
    return StickyPicker(split, rules, versions, affinity, free, hashed, lambda: 0.0)


def pick(picker: StickyPicker, cookie: bytes = b"", *headers: tuple[bytes, bytes]) -> Picked:
    picked = picker(with_cookie(cookie, *headers), client(), b"/")
    assert isinstance(picked, Picked)
    return picked


def with_cookie(cookie: bytes, *headers: tuple[bytes, bytes]) -> RequestHead:
    sent = ((b"Cookie", b"INGRESSCOOKIE=" + cookie),) if cookie else ()
    return request(b"/", *headers, *sent)


def value(line: bytes) -> tuple[bytes, bytes]:
    found = LINE.fullmatch(line)
    assert found is not None, line
    return found[1], found[2]


def said(picked: Picked, answering: FakeChoice | None = None) -> bytes:
    assert picked.on_choice is not None
    return picked.on_choice(answering or picked.choice)


ENDS = ([10, 11, 12], [20, 21])


def test_a_newcomer_gets_a_cookie_that_leads_back_to_the_same_endpoint() -> None:
    for drawn in (0, 1):
        sticky = picker(FakeSplit(ENDS, drawn))
        first = pick(sticky)
        key, ident = value(first.answer)
        assert ident == (b"a" * 16, b"b" * 16)[drawn]
        again = pick(sticky, key + b"." + ident)
        assert (again.choice.version, again.choice.endpoint) == (drawn, first.choice.endpoint)
        assert again.reason is Reason.STICKY
        assert again.answer == b""
        assert again.on_choice is None


def test_two_newcomers_get_different_keys() -> None:
    sticky = picker(FakeSplit(ENDS))
    assert value(pick(sticky).answer)[0] != value(pick(sticky).answer)[0]


def test_the_cookie_of_main_beats_the_header_always() -> None:
    split = FakeSplit(ENDS, drawn=1)
    picked = pick(picker(split), b"k." + b"a" * 16, (b"X-Try", b"always"))
    assert (picked.choice.version, picked.reason) == (0, Reason.STICKY)


def test_a_newcomer_whom_a_header_takes_to_the_canary_stays_there() -> None:
    sticky = picker(FakeSplit(ENDS, drawn=0))
    first = pick(sticky, b"", (b"X-Try", b"always"))
    assert first.reason is Reason.HEADER
    key, ident = value(first.answer)
    assert pick(sticky, key + b"." + ident).choice.version == 1


def test_rubbish_keeps_its_endpoint_and_gets_no_new_cookie() -> None:
    split = FakeSplit(ENDS)
    picked = pick(picker(split), b"rubbish")
    assert picked.answer == b""
    assert picked.on_choice is None
    assert split.asked == [(-1, 0, hashed(b"rubbish"), STICKY)]


def test_an_empty_cookie_is_none() -> None:
    head = request(b"/", (b"Cookie", b"INGRESSCOOKIE=; x=1"))
    picked = picker(FakeSplit(ENDS))(head, client(), b"/")
    assert isinstance(picked, Picked)
    assert value(picked.answer)[1] == b"a" * 16


def test_a_cookie_of_a_version_that_is_gone_is_renewed_with_its_key() -> None:
    picked = pick(picker(FakeSplit(ENDS)), b"k1." + b"c" * 16)
    assert value(picked.answer) == (b"k1", b"a" * 16)


def test_a_version_without_endpoints_lets_its_users_go() -> None:
    picked = pick(picker(FakeSplit(([10], []))), b"k1." + b"b" * 16)
    assert picked.choice.version == 0
    assert value(picked.answer) == (b"k1", b"a" * 16)


def test_nobody_left_is_no_endpoint() -> None:
    sticky = picker(FakeSplit(([], [])))
    for cookie in (b"", b"rubbish", b"k." + b"a" * 16, b"k." + b"c" * 16):
        assert sticky(with_cookie(cookie), client(), b"/") == NO_ENDPOINT


def test_a_legacy_canary_sends_no_cookie_and_is_drawn_without_one() -> None:
    split = FakeSplit(ENDS, drawn=1)
    picked = pick(picker(split, canary=LEGACY))
    assert picked.choice.version == 1
    assert picked.answer == b""
    assert split.asked[0][3] == VERSION_ONLY
    assert not split.asked[1][3] & STICKY
    ignored = pick(picker(split, canary=LEGACY), b"k." + b"b" * 16)
    assert ignored.reason is Reason.WEIGHT


def test_beside_a_legacy_canary_main_still_pins() -> None:
    split = FakeSplit(ENDS, drawn=0)
    first = pick(picker(split, canary=LEGACY))
    assert first.reason is Reason.WEIGHT
    key, ident = value(first.answer)
    split.drawn = 1
    again = pick(picker(split, canary=LEGACY), key + b"." + ident)
    assert (again.choice.version, again.choice.endpoint) == (0, first.choice.endpoint)


def test_persistent_names_the_endpoint_that_answered() -> None:
    split = FakeSplit(ENDS)
    picked = pick(picker(split, PERSISTENT))
    assert picked.answer == b""
    assert value(said(picked)) == (b"%016x" % picked.choice.endpoint, b"a" * 16)
    assert value(said(picked, FakeChoice(0, 0, 12))) == (b"%016x" % 12, b"a" * 16)
    assert not split.asked[0][3] & STICKY


def test_persistent_asks_for_the_very_endpoint_and_stays_silent_when_it_is_there() -> None:
    split = FakeSplit(ENDS)
    picked = pick(picker(split, PERSISTENT), b"%016x." % 11 + b"a" * 16)
    assert split.asked == [(0, 0, 11, STICKY | EXACT)]
    assert picked.choice.endpoint == 11
    assert picked.on_choice is None


def test_persistent_renews_the_cookie_when_its_endpoint_is_gone() -> None:
    picked = pick(picker(FakeSplit(ENDS), PERSISTENT), b"%016x." % 99 + b"a" * 16)
    assert value(said(picked)) == (b"%016x" % picked.choice.endpoint, b"a" * 16)


def test_persistent_takes_a_key_of_the_other_mode_once() -> None:
    split = FakeSplit(ENDS)
    picked = pick(picker(split, PERSISTENT), b"0123." + b"a" * 16)
    assert split.asked == [(0, 0, hashed(b"0123"), STICKY)]
    assert value(said(picked))[0] == b"%016x" % picked.choice.endpoint


@pytest.mark.parametrize("affinity", [COOKIE, PERSISTENT])
def test_change_on_failure_renews_the_cookie_only_after_a_failure(affinity: Affinity) -> None:
    changing = replace(affinity, change_on_failure=True)
    cookie = b"%016x." % 11 + b"a" * 16
    picked = pick(picker(FakeSplit(ENDS), changing), cookie)
    assert said(picked) == b""
    key, ident = value(said(picked, FakeChoice(0, 0, 12)))
    assert key != b"%016x" % 11
    assert ident == b"a" * 16


def test_change_on_failure_tells_a_newcomer_the_key_that_led_here() -> None:
    sticky = picker(FakeSplit(ENDS), replace(COOKIE, change_on_failure=True))
    first = pick(sticky)
    key, ident = value(said(first))
    assert pick(sticky, key + b"." + ident).choice.endpoint == first.choice.endpoint


def test_without_change_on_failure_a_failure_changes_no_cookie() -> None:
    assert pick(picker(FakeSplit(ENDS), PERSISTENT), b"%016x." % 11 + b"a" * 16).on_choice is None


def test_attributes_follow_the_request() -> None:
    affinity = replace(COOKIE, same_site="None", conditional_same_site_none=True)
    sticky = picker(FakeSplit(ENDS), affinity)
    old = (b"User-Agent", b"Mozilla/5.0 AppleWebKit/537.36 Chrome/60.0.1 Safari/537.36")
    picked = sticky(request(b"/", old), client(tls=True), b"/")
    assert isinstance(picked, Picked)
    assert picked.answer.endswith(b"; Path=/app; Secure; HttpOnly\r\n")
    picked = sticky(request(b"/"), client(tls=True), b"/")
    assert isinstance(picked, Picked)
    assert picked.answer.endswith(b"; Path=/app; Secure; HttpOnly; SameSite=None\r\n")

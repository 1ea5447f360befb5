"""Cookie affinity beside a CanaryRoute: rules, then the cookie, then weights."""

from unit.proxy_gate.gate_fakes import FakeSplit, client, hashed, request
from unit.proxy_gate.test_sticky import COOKIE, PERSISTENT, no_patterns

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.picking import Picked, RulesAndKeys
from serin.dataplane.proxy.sticky import RulesBeforeSticky
from serin.native.worker import EXACT, NO_ENDPOINT, STICKY
from serin.refs import Ref
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.decision import Reason
from serin.routing.plan import Affinity, VersionRoute
from serin.routing.rules import CompiledMatches

VERSIONS = tuple(VersionRoute(c * 16, c, Ref("CanaryRoute", "n", "shop"), c, "80", "p") for c in "abc")
RULES = (
    MatchRule(1, (Match(headers=(FieldMatch("X-Try", MatchKind.PRESENT),)),)),
    MatchRule(1, (Match(query=(FieldMatch("try", value="1"),), method="GET", clients=("192.0.2.0/24",)),)),
    MatchRule(2, (Match(cookies=(FieldMatch("who", value="me"),)),)),
)
TRY = (b"X-Try", b"")
ENDS = ([10], [20], [30])


def picker(split: FakeSplit, affinity: Affinity = COOKIE) -> RulesBeforeSticky:
    rules = CompiledMatches(RULES, VERSIONS, no_patterns)
    free = RulesAndKeys(split, rules, (None, None, None), hashed)
    return RulesBeforeSticky(split, rules, VERSIONS, affinity, free, hashed, lambda: 0.0)


def pick(split: FakeSplit, cookie: bytes, *headers: tuple[bytes, bytes], affinity: Affinity = COOKIE) -> Picked:
    sent = ((b"Cookie", b"INGRESSCOOKIE=" + cookie),) if cookie else ()
    picked = picker(split, affinity)(request(b"/", *headers, *sent), client(), b"/")
    assert isinstance(picked, Picked)
    return picked


def test_a_rule_goes_before_the_cookie_and_leaves_it_as_it_is() -> None:
    split = FakeSplit(ENDS)
    picked = pick(split, b"key." + b"c" * 16, TRY)
    assert (picked.choice.version, picked.reason) == (1, Reason.HEADER)
    assert (picked.answer, picked.on_choice) == (b"", None)
    assert split.asked == [(1, 0, hashed(b"key"), STICKY)]


def test_without_a_rule_the_cookie_decides() -> None:
    picked = pick(FakeSplit(ENDS), b"key." + b"c" * 16)
    assert (picked.choice.version, picked.reason) == (2, Reason.STICKY)


def test_who_has_no_cookie_yet_gets_that_of_the_version_that_a_rule_gave() -> None:
    picked = pick(FakeSplit(ENDS), b"", TRY)
    assert (picked.choice.version, picked.reason) == (1, Reason.HEADER)
    assert b"." + b"b" * 16 + b";" in picked.answer


def test_an_endpoint_named_by_the_cookie_is_kept_under_a_rule() -> None:
    split = FakeSplit(ENDS)
    picked = pick(split, b"%016x." % 20 + b"b" * 16, TRY, affinity=PERSISTENT)
    assert picked.choice.version == 1
    assert split.asked == [(1, 0, 20, STICKY | EXACT)]


def test_where_a_rules_version_is_empty_the_cookie_decides_and_then_the_draw() -> None:
    split = FakeSplit(([10], [], [30]))
    assert pick(split, b"key." + b"c" * 16, TRY).reason is Reason.STICKY
    picked = pick(split, b"key." + b"b" * 16, TRY)
    assert (picked.choice.version, picked.reason) == (0, Reason.WEIGHT)
    assert split.asked[-1] == (-1, 2, hashed(b"key"), STICKY)
    assert pick(split, b"somebody-elses", TRY).choice.version == 0


def test_nobody_there_is_nobody_there() -> None:
    head = request(b"/", TRY, (b"Cookie", b"INGRESSCOOKIE=key." + b"c" * 16))
    assert picker(FakeSplit(([], [], [])))(head, client(), b"/") == NO_ENDPOINT


def chosen(head: RequestHead, peer: Client) -> int:
    split = FakeSplit(ENDS)
    rules = CompiledMatches(RULES, VERSIONS, no_patterns)
    picked = RulesAndKeys(split, rules, (None, None, None), hashed)(head, peer, b"/")
    assert isinstance(picked, Picked)
    return picked.choice.version


def test_every_part_of_a_request_reaches_the_rules() -> None:
    near = Client("192.0.2.1", 1, False, 80)
    assert chosen(request(b"/?try=1"), near) == 1
    assert chosen(request(b"/?try=2"), near) == 0
    assert chosen(request(b"/?try=1"), Client("198.51.100.1", 1, False, 80)) == 0
    assert chosen(request(b"/", (b"Cookie", b"a=b"), (b"Cookie", b"who=me")), near) == 2

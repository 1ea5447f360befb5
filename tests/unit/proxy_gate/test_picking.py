"""What is asked of a split, and what is made of its answer, on routes without cookie affinity."""

import pytest
from unit.proxy_gate.gate_fakes import FakeSplit, client, hashed, request

from serin.dataplane.proxy.exchange import RequestHead
from serin.dataplane.proxy.picking import Picked, RulesAndKeys
from serin.dataplane.proxy.variables import Evaluate, compile_parts
from serin.native.worker import KEYED, NO_ENDPOINT, VERSION_ONLY
from serin.refs import Ref
from serin.routing.decision import Reason
from serin.routing.plan import CookieRule, HeaderRule, VersionRoute
from serin.routing.rules import CompiledRules
from serin.routing.search import Searcher

MAIN, CANARY, SECOND = (
    VersionRoute(ident * 16, name, Ref("Ingress", "ns", name), name, "80", "p")
    for ident, name in (("0", "main"), ("1", "canary"), ("2", "second"))
)


def no_patterns(text: str, *, ignore_case: bool = False, anchored: bool = False) -> Searcher:
    raise AssertionError(text)


def with_rules(version: VersionRoute, header: str = "", cookie: str = "") -> VersionRoute:
    return VersionRoute(
        version.ident,
        version.name,
        version.ingress,
        version.service,
        version.port,
        version.pool,
        header=HeaderRule(header) if header else None,
        cookie=CookieRule(cookie) if cookie else None,
    )


RULED = (MAIN, with_rules(CANARY, "X-Try", "tester"), with_rules(SECOND, "X-Second"))


def picker(
    split: FakeSplit, versions: tuple[VersionRoute, ...] = RULED, keys: tuple[Evaluate | None, ...] = (None,) * 3
) -> RulesAndKeys:
    return RulesAndKeys(split, CompiledRules(versions, no_patterns), keys, hashed)


def served(split: FakeSplit, head: RequestHead) -> tuple[int, Reason]:
    picked = picker(split)(head, client(), b"/")
    assert isinstance(picked, Picked)
    return picked.choice.version, picked.reason


@pytest.mark.parametrize(
    ("headers", "drawn", "version", "reason"),
    [
        ([], 0, 0, Reason.WEIGHT),
        ([], 2, 2, Reason.WEIGHT),
        ([(b"X-Try", b"always")], 0, 1, Reason.HEADER),
        ([(b"x-try", b"never")], 1, 0, Reason.WEIGHT),
        ([(b"X-Try", b"never"), (b"X-Second", b"never")], 1, 0, Reason.HEADER),
        ([(b"X-Try", b"never")], 2, 2, Reason.WEIGHT),
        ([(b"Cookie", b"a=b"), (b"Cookie", b"tester=always")], 0, 1, Reason.COOKIE),
        ([(b"Cookie", b"tester=always"), (b"Cookie", b"a=b")], 0, 1, Reason.COOKIE),
        ([(b"X-Second", b"always"), (b"Cookie", b"tester=always")], 0, 2, Reason.HEADER),
        ([(b"X-Try", b"other"), (b"Cookie", b"tester=never")], 1, 0, Reason.WEIGHT),
    ],
)
def test_rules_come_before_the_draw(
    headers: list[tuple[bytes, bytes]], drawn: int, version: int, reason: Reason
) -> None:
    assert served(FakeSplit([[1], [2], [3]], drawn), request(b"/", *headers)) == (version, reason)


def test_a_canary_without_endpoints_is_as_if_absent() -> None:
    split = FakeSplit([[1], [], [3]], drawn=0)
    assert served(split, request(b"/", (b"X-Try", b"always"))) == (0, Reason.WEIGHT)
    assert [ask[:2] for ask in split.asked] == [(1, 0), (-1, 0b10)]


def test_never_with_an_empty_main_is_no_endpoint() -> None:
    split = FakeSplit([[], [2], []])
    never = request(b"/", (b"X-Try", b"never"))
    assert picker(split)(never, client(), b"/") == NO_ENDPOINT
    assert served(split, request(b"/")) == (1, Reason.DEFAULT)


def test_without_a_key_of_its_own_a_pool_gets_the_client_s_address() -> None:
    split, one = FakeSplit([[1, 2, 3]]), client(address="198.51.100.4")
    picker(split, (MAIN,), (None,))(request(b"/"), one, b"/")
    assert split.asked == [(-1, 0, hashed(b"198.51.100.4"), KEYED)]
    assert one.key == hashed(b"198.51.100.4")


def test_one_key_for_all_versions_takes_one_question() -> None:
    key = compile_parts(("$request_uri",), {})
    split = FakeSplit([[1, 2], [3]])
    picker(split, (MAIN, CANARY), (key, key))(request(b"/a?b"), client(), b"/a")
    assert split.asked == [(-1, 0, hashed(b"/a?b"), KEYED)]


def test_different_keys_take_the_version_first() -> None:
    keys = (compile_parts(("$uri",), {}), None)
    split = FakeSplit([[1, 2], [3, 4]], drawn=1)
    picked = picker(split, (MAIN, CANARY), keys)(request(b"/a"), client(), b"/a")
    assert isinstance(picked, Picked)
    assert picked.choice.version == 1
    assert picked.reason is Reason.WEIGHT
    assert split.asked == [(-1, 0, 0, VERSION_ONLY), (1, 0, hashed(b"192.0.2.7"), KEYED)]

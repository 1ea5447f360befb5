"""What the routine asks of nginx at a request's end: times of the endpoint, bytes, and how often it asks for them."""

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from serin.native._ffi import ffi, lib

from serin.native import stats, trials
from serin.native.hashing import hash64
from serin.native.stats import Detail
from serin.rollout.facts import FAILED, NO_STATUS, TrialCounts
from serin.routing.plan import Trial

TRIAL = "a" * 16
GET = 2
"""nginx's bit."""
BUSY, SAMPLE = 500, 8


class Nginx:
    """Answers the routine as nginx does; one request after the other, at the same address."""

    def __init__(self, rig: Rig, *, trial: bool = True) -> None:
        pool = make_pool(1, 2)
        empty = make_pool(2, 2)
        split = replace(make_split(1, [(pool, 100), (empty, 0)], rest=False), salts=(1, 2))
        split = replace(split, trial=Trial(TRIAL)) if trial else split
        rig.put(split, pool, empty)
        self._rig = rig
        self.pointer = rig.worker().pointer
        self.route = ffi.new("srn_route *")
        idents = [int(share.ident, 16) for share in split.shares]
        lib.srn_route_init(self.route, self.pointer, int(split.id, 16), idents, len(idents))
        self.variables: dict[str, bytes | None] = {}
        self.status = 200
        self.asked = Counter[str]()
        self._kept: list[Any] = []
        self._cleanup: Any = None
        made = ffi.new("srn_nginx *")
        made.add_cleanup = self._keep(ffi.callback("void *(void *, size_t)", self._add))
        made.status = self._keep(ffi.callback("int (void *)", lambda _: self.status))
        made.variable = self._keep(
            ffi.callback("int (void *, char *, size_t, char *, int, char **, size_t *, char **)", self._variable)
        )
        made.method = self._keep(ffi.callback("int (void *)", lambda _: GET))
        made.start_time = self._keep(ffi.callback("double (void *)", lambda _: 100.0))
        made.now = self._keep(ffi.callback("double (void)", lambda: 100.03))
        lib.srn_follow(self.pointer, made)

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _add(self, _request: Any, _size: int) -> Any:
        self._cleanup = ffi.new("void *[3]")
        return self._cleanup

    def _variable(self, _r: Any, name: Any, length: int, _l: Any, _c: int, value: Any, n: Any, _err: Any) -> int:
        wanted = ffi.buffer(name, length)[:].decode()
        self.asked[wanted] += 1
        text = self.variables.get(wanted)
        if text is None:
            return -5
        self._text = ffi.new("char[]", text)
        value[0], n[0] = self._text, len(text)
        return 0

    def request(self, user: bytes = b"", *, retries: int = 0, pages: int = 0) -> None:
        """`pages`: the split is asked again, as for an error page; `retries` come before."""
        address = ffi.cast("void *", 64)
        if user:
            lib.srn_request_user(self.pointer, address, user, len(user))
        for _ in range(pages + 1):
            assert lib.srn_request_decide(self.pointer, address, self.route, -1, 0, ffi.NULL, 0, 0) == 0
            for _ in range(retries):
                lib.srn_request_retry(self.pointer, address)
        handler, data, _ = self._cleanup
        ffi.cast("void (*)(void *)", handler)(data)

    def counted(self) -> Detail:
        (totals,) = stats.read(self._rig.path).versions.values()
        (detail,) = totals.details
        return detail

    def trial(self) -> TrialCounts:
        return trials.read(self._rig.path).trials[TRIAL]


@pytest.fixture
def nginx(rig: Rig) -> Nginx:
    made = Nginx(rig)
    made.variables = {
        "upstream_connect_time": b"0.001",
        "upstream_header_time": b"0.020",
        "request_length": b"80",
        "bytes_sent": b"1200",
    }
    return made


def test_one_request(nginx: Nginx) -> None:
    began = time.monotonic()
    nginx.request()
    took = (time.monotonic() - began) * 1e6
    found = nginx.counted()
    assert (found.status, found.method, found.received, found.sent) == (200, "GET", 80, 1200)
    assert (found.connect_us, found.header_us) == (1000, 20_000)
    assert (found.connects.index(1), found.headers.index(1)) == (0, 2)
    assert (found.received_sizes.index(1), found.sent_sizes.index(1)) == (1, 3)
    assert 29_000 <= found.request_us <= max(31_000, took), "nginx's time, or the one since the choice"


@pytest.mark.parametrize(
    ("text", "us"),
    [
        (b"0.000", 0),
        (b"12.345", 12_345_000),
        (b"0.001, 0.007", 7000),
        (b"-, 0.003", 3000),
        (b"0.001 : 0.250", 250_000),
        (b"123456.789", 123_456_789_000),
    ],
)
def test_the_last_time_counts(nginx: Nginx, text: bytes, us: int) -> None:
    nginx.variables["upstream_header_time"] = text
    nginx.request()
    assert nginx.counted().header_us == us


@pytest.mark.parametrize("text", [None, b"", b"-", b"0.001, -", b"7", b".123", b"1234", b"a.bcd", b"0.00x"])
def test_what_is_no_time_is_none(nginx: Nginx, text: bytes | None) -> None:
    nginx.variables["upstream_connect_time"] = text
    nginx.request()
    found = nginx.counted()
    assert (sum(found.connects), found.connect_us, found.count, sum(found.headers)) == (0, 0, 1, 1)


def test_under_load_some_stand_for_others(nginx: Nginx) -> None:
    number = BUSY + 4000
    for _ in range(number):
        nginx.request()
    found = nginx.counted()
    assert (found.count, sum(found.responses)) == (number, number)
    asked = nginx.asked["bytes_sent"]
    assert BUSY < asked < number, "every one at first, then some"
    sampled = sum(found.sent_sizes)
    assert (sampled - asked) % (SAMPLE - 1) == 0, "one stands for itself or for that many"
    assert sum(found.received_sizes) == sum(found.connects) == sum(found.headers) == sampled
    assert abs(sampled - number) < number / 4
    assert (found.sent, found.header_us) == (1200 * sampled, 20_000 * sampled)


@pytest.mark.parametrize(
    ("client", "told", "header", "counted"),
    [
        (200, b"200", b"0.001", 200),
        (404, b"500", b"0.001", 500),  # an error page of nginx's own
        (502, b"502", b"0.001", 502),  # the endpoint's own word
        (502, b"502", b"-", FAILED),
        (504, b"504", b"-", FAILED),
        (200, b"502", b"-", FAILED),
        (200, b"502, 200", b"-, 0.003", 200),
        (502, b"503, 502", b"0.002, -", FAILED),
        (499, b"-", b"-", NO_STATUS),
        (499, b"200", b"0.001", 200),
        (400, b"-", b"-", NO_STATUS),
        (500, None, None, NO_STATUS),
    ],
)
def test_a_trial_has_what_the_endpoint_of_the_last_attempt_said(
    nginx: Nginx, client: int, told: bytes | None, header: bytes | None, counted: int
) -> None:
    nginx.status = client
    nginx.variables |= {"upstream_status": told, "upstream_header_time": header}
    nginx.request()
    (version,) = nginx.trial().versions
    assert version.drawn == {counted: 1}


def test_no_endpoint_left_to_be_asked(nginx: Nginx) -> None:
    nginx.status = 502
    nginx.variables |= {"upstream_status": b"502, -", "upstream_header_time": b"-, -"}
    nginx.request(retries=2)
    assert nginx.trial().versions[0].drawn == {FAILED: 1}


@pytest.mark.parametrize(
    ("told", "header", "first"),
    [
        (b"503 : 200", b"0.004 : 0.001", 503),
        (b"404, 503 : 200", b"0.004, 0.002 : 0.001", 503),
        (b"502 : 200", b"- : 0.001", FAILED),
        (b"- : 200", b"- : 0.001", NO_STATUS),
    ],
)
def test_the_answer_that_gave_way_to_a_page(nginx: Nginx, told: bytes, header: bytes, first: int) -> None:
    nginx.variables |= {"upstream_status": told, "upstream_header_time": header}
    nginx.request(pages=1)
    assert nginx.trial().versions[0].drawn == {first: 1, 200: 1}


def test_who_a_user_is_stays_with_the_request(nginx: Nginx) -> None:
    nginx.status = 503
    nginx.variables |= {"upstream_status": b"503"}
    nginx.request(b"eve")
    nginx.request()
    found = nginx.trial()
    eve = (hash64(b"eve") >> 16, 0, 503)
    assert eve in found.bad_users
    # The one without a key is nobody else's, a user of one request.
    assert len(found.bad_users) == 2
    assert found.versions[0].users == 2


def test_a_trial_is_not_asked_about_where_there_is_none(rig: Rig) -> None:
    nginx = Nginx(rig, trial=False)
    nginx.request()
    assert not nginx.asked["upstream_status"]

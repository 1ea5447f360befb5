"""What the routine asks of nginx at a request's end: times of the endpoint, bytes, and how often it asks for them."""

from collections import Counter
from typing import Any

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from serin.native._ffi import ffi, lib

from serin.native import stats
from serin.native.stats import Detail

GET = 2
"""nginx's bit."""
BUSY, SAMPLE = 500, 8


class Nginx:
    """Answers the routine as nginx does; one request after the other, at the same address."""

    def __init__(self, rig: Rig) -> None:
        pool = make_pool(1, 2)
        split = rig.put(make_split(1, [(pool, 100)]), pool)
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

    def request(self) -> None:
        address = ffi.cast("void *", 64)
        assert lib.srn_request_decide(self.pointer, address, self.route, -1, 0, ffi.NULL, 0, 0) == 0
        handler, data, _ = self._cleanup
        ffi.cast("void (*)(void *)", handler)(data)

    def counted(self) -> Detail:
        (totals,) = stats.read(self._rig.path).versions.values()
        (detail,) = totals.details
        return detail


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
    nginx.request()
    found = nginx.counted()
    assert (found.status, found.method, found.received, found.sent) == (200, "GET", 80, 1200)
    assert (found.connect_us, found.header_us) == (1000, 20_000)
    assert (found.connects.index(1), found.headers.index(1)) == (0, 2)
    assert (found.received_sizes.index(1), found.sent_sizes.index(1)) == (1, 3)
    assert 29_000 <= found.request_us <= 31_000


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

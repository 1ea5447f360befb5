"""What the proxy counts of its own answers; those of endpoints are in tests/drills/test_metrics_shown.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.shared_memory import Rig, make_pool, make_split

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.counting import Counting
from serin.dataplane.proxy.exchange import LogContext
from serin.dataplane.proxy.transfer import Transfer
from serin.native import stats
from serin.native.worker import Choice


@dataclass
class Counted:
    rig: Rig
    counting: Counting
    context: LogContext

    def own(self, request: bytes, status: int, *, within: bool = True) -> None:
        log = self.context if within else LogContext()
        self.counting.completed(Completed("192.0.2.1", request, status, 12, 80, 0.03, log))


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    yield from counting(tmp_path, 0)


@pytest.fixture
def counted_there(tmp_path: Path) -> Iterator[Counted]:
    """With an endpoint."""
    yield from counting(tmp_path, 1)


def counting(folder: Path, endpoints: int) -> Iterator[Counted]:
    rig = Rig(folder)
    pool = make_pool(1, endpoints)
    split = rig.put(make_split(1, [(pool, 100)]), pool)
    worker = rig.worker()
    handle = worker.split(split.id, split.shape)
    yield Counted(rig, Counting(worker), LogContext(split=handle))
    rig.close()


def test_an_answer_within_a_route_is_the_route_s(counted: Counted) -> None:
    counted.own(b"PATCH /a HTTP/1.1", 503)
    totals = stats.read(counted.rig.path)
    (found,) = totals.versions.values()
    (detail,) = found.details
    assert (detail.status, detail.method, detail.received, detail.sent) == (503, "PATCH", 80, 12)
    assert 29_000 <= detail.request_us <= 30_000
    assert sum(detail.responses) == 0
    assert totals.others == (0, 0, 0, 0, 0, 1)


def broken_off(counted: Counted, status: int, length: int, header: float) -> stats.Detail:
    """What is counted of an endpoint's answer that did not come to its end."""
    split = counted.context.split
    assert split is not None
    choice = split.decide()
    assert isinstance(choice, Choice)
    choice.done(status)
    record = Transfer.__new__(Transfer)
    record.log, record.counted, record.choice = LogContext(), False, choice
    record.request, record.status, record.request_length, record.body_bytes = b"GET / HTTP/1.1", status, 80, length
    record.upstream_length, record.request_time, record.upstream_time = length, 0.3, 0.2
    record.connect_time, record.header_time = 0.001, header
    counted.counting.completed(record)
    (found,) = stats.read(counted.rig.path).versions.values()
    return found.details[0]


def test_an_answer_that_broke_off_has_its_times(counted_there: Counted) -> None:
    found = broken_off(counted_there, 200, 12, 0.02)
    assert (sum(found.responses), found.response_us) == (1, 200_000)
    assert (found.connects.index(1), found.connect_us) == (0, 1000)
    assert (found.headers.index(1), found.header_us) == (2, 20_000)


@pytest.mark.parametrize("status", [499, 502, 504])
def test_without_an_answer_there_are_no_times_of_the_endpoint(counted_there: Counted, status: int) -> None:
    found = broken_off(counted_there, status, 0, -1.0)
    assert (found.count, sum(found.responses), sum(found.connects), sum(found.headers)) == (1, 0, 0, 0)


def test_all_else_is_the_process_s_alone(counted: Counted) -> None:
    counted.own(b"GET / HTTP/1.1", 404, within=False)
    totals = stats.read(counted.rig.path)
    assert totals.versions == {}
    assert totals.others == (0, 0, 0, 0, 1, 0)


@pytest.mark.parametrize("line", [b"", b"\xff\xfe /", b"nonsense", b"BREW / HTTP/1.1"])
def test_a_line_without_a_usual_method(counted: Counted, line: bytes) -> None:
    counted.own(line, 400)
    (found,) = stats.read(counted.rig.path).versions.values()
    assert [d.method for d in found.details] == ["OTHER"]

"""What the proxy counts of its own answers; those of endpoints are in tests/drills/test_metrics.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.shared_memory import Rig, make_pool, make_split

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.counting import Counting
from serin.dataplane.proxy.exchange import LogContext
from serin.native import stats


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
    rig = Rig(tmp_path)
    pool = make_pool(1, 0)
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

"""Exact counts of exchanges that are over: status, method, bytes and times, for ingress-nginx's metrics.

An answer that came to its end was counted by its choice already, one that broke off is told to it here; an answer of
our own within a route is counted by the route's split. All else is counted for the process alone.
"""

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.retries import UNANSWERED
from serin.dataplane.proxy.transfer import Transfer
from serin.native.layout import METHODS
from serin.native.worker import NO_RESPONSE, Choice, Worker, method_number

_NUMBERS = {name.encode(): method_number(name) for name in METHODS}
_GET = method_number("GET")
_NO_TIMES = (NO_RESPONSE, NO_RESPONSE, NO_RESPONSE)


class Counting:
    """One for a worker."""

    __slots__ = ("_shared", "_tell")

    def __init__(self, shared: Worker) -> None:
        self._shared = shared
        self._tell = shared.tell

    def completed(self, record: Completed) -> None:
        if record.counted:
            return
        split = record.log.split
        line = record.request
        number = _GET if line[:4] == b"GET " else _NUMBERS.get(line[: max(line.find(b" "), 0)], 0)
        took = int(record.request_time * 1e6)
        status = record.status
        if isinstance(record, Transfer) and split is None:
            choice = record.choice
            if type(choice) is Choice:
                answered = status not in UNANSWERED or record.upstream_length > 0
                times = _times(record) if answered else _NO_TIMES
                self._tell(choice, status, number, record.request_length, record.body_bytes, took, *times)
            return
        if not isinstance(record, Transfer):
            self._shared.count(status)
        if split is not None:
            split.tell_own(status, number, record.request_length, record.body_bytes, took)


def _times(record: Transfer) -> tuple[int, int, int]:
    """Of an endpoint's answer that broke off, in µs: its end, its connection, its begin."""
    header = record.header_time
    began = int(header * 1e6) if header >= 0 else NO_RESPONSE
    return int(record.upstream_time * 1e6), int(record.connect_time * 1e6), began

"""Exact counts of exchanges that are over: status, method, bytes and times, for ingress-nginx's metrics.

What an endpoint answered is counted by its choice, which has just been done; an answer of our own within a route by the
route's split. All else is counted for the process alone.
"""

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.transfer import Transfer
from serin.native.layout import METHODS
from serin.native.worker import NO_RESPONSE, Choice, Worker, method_number

_WITHOUT = frozenset({499, 502, 504})
"""Statuses that mean, when nothing came with them, that no endpoint answered."""
_NUMBERS = {name.encode(): method_number(name) for name in METHODS}
_GET = method_number("GET")


class Counting:
    """One for a worker."""

    __slots__ = ("_shared", "_tell")

    def __init__(self, shared: Worker) -> None:
        self._shared = shared
        self._tell = shared.tell

    def completed(self, record: Completed) -> None:
        split = record.log.split
        line = record.request
        number = _GET if line[:4] == b"GET " else _NUMBERS.get(line[: max(line.find(b" "), 0)], 0)
        took = int(record.request_time * 1e6)
        status = record.status
        if isinstance(record, Transfer) and split is None:
            choice = record.choice
            if type(choice) is Choice:
                answered = status not in _WITHOUT or record.upstream_length > 0
                response = int(record.upstream_time * 1e6) if answered else NO_RESPONSE
                self._tell(choice, status, number, record.request_length, record.body_bytes, took, response)
            return
        if not isinstance(record, Transfer):
            self._shared.count(status)
        if split is not None:
            split.tell_own(status, number, record.request_length, record.body_bytes, took)

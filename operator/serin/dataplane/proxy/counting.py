"""Exact counts of exchanges that are over: status, method, bytes and times, for ingress-nginx's metrics.

What an endpoint answered is counted by its choice, which has just been done; an answer of our own within a route by the
route's split. All else is counted for the process alone.
"""

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.transfer import Transfer
from serin.native.worker import NO_RESPONSE, Choice, Worker, method_number

_WITHOUT = frozenset({499, 502, 504})
"""Statuses that mean, when nothing came with them, that no endpoint answered."""


class Counting:
    """One for a worker. To be told of each exchange at once, before another choice is made."""

    __slots__ = ("_shared",)

    def __init__(self, shared: Worker) -> None:
        self._shared = shared

    def completed(self, record: Completed) -> None:
        split = record.log.split
        took = int(record.request_time * 1e6)
        method, sep, _ = record.request.partition(b" ")
        number = method_number(method.decode("ascii", "replace")) if sep else 0
        if isinstance(record, Transfer) and split is None:
            choice = record.choice
            if isinstance(choice, Choice):
                answered = record.upstream_length > 0 or record.status not in _WITHOUT
                response = int(record.upstream_time * 1e6) if answered else NO_RESPONSE
                received, sent = record.request_length, record.body_bytes
                self._shared.tell(choice, record.status, number, received, sent, took, response)
            return
        if not isinstance(record, Transfer):
            self._shared.count(record.status)
        if split is not None:
            split.tell_own(record.status, number, record.request_length, record.body_bytes, took)

"""Copies of a share of the requests for a version in preview (a step's mirror), sent beside the real ones.

Bounded with all other mirrors of the worker (mirroring.py), and their answers dropped; the version's split counts them
for the rollout's trial. The real request knows nothing of its copy.
"""

import random
from collections.abc import Callable

from serin.dataplane.proxy.exchange import Forward, RequestHead
from serin.dataplane.proxy.header_lines import without_names
from serin.dataplane.proxy.heads import HOP_BY_HOP
from serin.dataplane.proxy.mirroring import Mirrors
from serin.dataplane.proxy.subrequest import ReadyBeside
from serin.routing.plan import Protocol, Shadow
from serin.routing.rollout import ALL_PARTS

COPIED = frozenset(("GET", "HEAD", "OPTIONS"))
MARK = b"X-Canary-Mirror: 1\r\n"
_OWN = HOP_BY_HOP | {b"content-length", b"x-canary-mirror"}
_NOT_COPIED = frozenset((Protocol.GRPC, Protocol.FCGI))
"""gRPC has no request without a body."""


class ReadyShadow:
    """Of one route. `random` gives numbers from 0 up to 1."""

    __slots__ = ("_mirrors", "_random", "_share", "_to")

    def __init__(
        self, shadow: Shadow, to: ReadyBeside, mirrors: Mirrors, draw: Callable[[], float] = random.random
    ) -> None:
        self._share = 0.0 if shadow.to.upstream.protocol in _NOT_COPIED else shadow.parts / ALL_PARTS
        self._to = to
        self._mirrors = mirrors
        self._random = draw

    def copy(self, head: RequestHead, forward: Forward) -> None:
        """Send a copy of a request that goes on to an endpoint as `forward` says, if it is one to be copied."""
        if head.method not in COPIED or head.content_length or head.upgrade or self._random() >= self._share:
            return
        own = [
            b"%b: %b\r\n" % pair
            for pair, name in zip(head.headers, head.lower, strict=True)
            if name not in _OWN
            and name not in forward.drop
            and name != b"host"
            and not name.translate(None, head.plain)
        ]
        lines = b"".join((*own, without_names(forward.prelude, _OWN), MARK))
        self._mirrors.send(self._to, head.method, forward.target, forward.host, lines, b"")

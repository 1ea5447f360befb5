"""Answers of authentication servers that are kept for a while, bounded in number and size; one for a worker.

Keys are digests with this process's own random key: neither cookies nor tokens that a key is made of stay in memory.
What may be kept, and how long, is nginx's (proxy_cache_valid, and the answer's own headers before it).
"""

import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from serin.dataplane.proxy.subrequest import SubAnswer
from serin.routing.access import CacheTime

MOST_ANSWERS = 4096
MOST_BYTES = 8 << 20
_OVERHEAD = 512
"""Bytes that an answer takes beside its headers, about."""
_FORBIDDEN = frozenset((b"no-cache", b"no-store", b"private"))


class AuthCache:
    """`clock` gives seconds that do not go back, `now` those since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._now = now
        self._secret = os.urandom(32)
        self._kept: OrderedDict[bytes, tuple[float, int, SubAnswer]] = OrderedDict()
        self._bytes = 0

    def key(self, text: bytes) -> bytes:
        return hmac.digest(self._secret, text, hashlib.sha256)

    def get(self, key: bytes) -> SubAnswer | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if self._clock() >= found[0]:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return found[2]

    def put(self, key: bytes, answer: SubAnswer, times: tuple[CacheTime, ...], needed: frozenset[bytes]) -> None:
        """Keep an answer if that is allowed; `needed` are the lower-case names of the headers that are looked at."""
        seconds = lifetime(answer, times, self._now())
        if seconds <= 0:
            return
        headers = [pair for pair in answer.headers if pair[0].lower() in needed]
        size = _OVERHEAD + sum(len(name) + len(value) for name, value in headers)
        self._drop(key)
        self._kept[key] = (self._clock() + seconds, size, SubAnswer(answer.status, headers, address=answer.address))
        self._bytes += size
        while len(self._kept) > MOST_ANSWERS or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[1]


def lifetime(answer: SubAnswer, times: tuple[CacheTime, ...], now: float) -> float:
    """Seconds that an answer may be kept, 0 for not at all. One with Set-Cookie or Vary is for one client alone."""
    if answer.all(b"set-cookie") or answer.all(b"vary"):
        return 0
    said = _said(answer, now)
    if said is not None:
        return said
    return next((time.seconds for time in times if not time.codes or answer.status in time.codes), 0)


def _said(answer: SubAnswer, now: float) -> float | None:
    """What the answer's own headers say: X-Accel-Expires before Cache-Control before Expires; None: nothing."""
    accel = answer.get(b"x-accel-expires")
    if accel is not None and accel.isdigit():
        return float(accel[:9])
    words = [word.strip(b" \t").lower() for word in (answer.get(b"cache-control") or b"").split(b",")]
    if not _FORBIDDEN.isdisjoint(words):
        return 0
    for name in (b"s-maxage=", b"max-age="):
        for word in words:
            if word.startswith(name) and word[len(name) :].isdigit():
                return float(word[len(name) :][:9])
    expires = answer.get(b"expires")
    if expires is None:
        return None
    try:
        return max(0.0, parsedate_to_datetime(expires.decode("latin-1")).timestamp() - now)
    except ValueError:
        return 0

"""How long answers of an authentication server are kept: the grammar of auth-cache-duration."""

import re

from serin.compile.annotations.grammar import Grammar
from serin.routing.access import CacheTime

_CODE = re.compile(r"[1-5][0-9]{2}")
_TIME = re.compile(r"([0-9]{1,10})(ms|s|m|h|d|w|M|y)")
_DAY = 86_400_000
_MILLISECONDS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": _DAY,
    "w": 7 * _DAY,
    "M": 30 * _DAY,
    "y": 365 * _DAY,
}
_MOST = 100
"""Entries: no status comes in more than one."""
_LONGEST = 10 * 365 * 86_400
_USUAL_CODES = (200, 301, 302)
"""What nginx keeps where no status is named."""

DEFAULT = (CacheTime((200, 202, 401), 300),)


def _times(text: str) -> tuple[CacheTime, ...] | None:
    found = [_time(part.split()) for part in text.split(",") if part.strip(" ")]
    kept = tuple(time for time in found if time is not None)
    return kept if 0 < len(kept) == len(found) <= _MOST else None


def _time(words: list[str]) -> CacheTime | None:
    *codes, last = words or [""]
    found = _TIME.fullmatch(last)
    if found is None or any(_CODE.fullmatch(code) is None for code in codes):
        return None
    seconds = int(found[1]) * _MILLISECONDS[found[2]] // 1000
    if seconds > _LONGEST:
        return None
    return CacheTime(tuple(dict.fromkeys(map(int, codes))) or _USUAL_CODES, seconds)


GRAMMAR = Grammar(_times, "statuses and a time, like `200 202 10m`, several of them separated by commas")

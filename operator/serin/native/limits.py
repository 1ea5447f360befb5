"""Limits of requests and connections, counted over all workers of a replica in limits.bin.

One Limits to a process and thread. Knows zones and keys; which client a key is, and who is spared, is the caller's
business. The pure Python twin of the rule is serin.native.twin.limits.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serin.native._ffi import ffi, lib
from serin.native.worker import AttachError

_NOW = 0
_MOST = 0xFFFFFFFF

Rate = tuple[int, int]
"""Thousandths of a request a second, and the burst: how many may come at once beyond the first."""


class Limits:
    """The mapped file and this process's row in it.

    `zone` and `key` are 64 bits each: Limits.zone of the plan, and hash64 of the client's address.
    """

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer
        self._rates: dict[tuple[Rate, ...], Any] = {}

    @classmethod
    def attach(cls, run_dir: Path, index: int) -> "Limits":
        """Map RUN_DIR/state/limits.bin as the worker of row `index`. AttachError when it is not there or not sound."""
        error = ffi.new("char[512]")
        pointer = lib.srn_limits_attach(os.fsencode(run_dir), index, error, len(error))
        if pointer == ffi.NULL:
            raise AttachError(ffi.string(error).decode(errors="replace"))
        return cls(pointer)

    def request(self, zone: int, key: int, per_second_milli: int, burst: int, *, now_us: int = _NOW) -> bool:
        """Whether a request is within the rate, as nginx's limit_req with nodelay; counted when it is."""
        return self.requests(zone, key, ((per_second_milli, burst),), now_us=now_us)

    def requests(self, zone: int, key: int, rates: Sequence[Rate], *, now_us: int = _NOW) -> bool:
        """Whether a request is within all rates; counted in each when it is, in none when it is not.

        `now_us`: µs of a steady clock, 0 for CLOCK_MONOTONIC.
        """
        known = self._rates.get(tuple(rates)) or self._prepare(tuple(rates))
        return bool(lib.srn_limit_requests(self._pointer, zone, key, known, len(rates), now_us))

    def _prepare(self, rates: tuple[Rate, ...]) -> Any:
        if len(self._rates) > 4096:
            self._rates.clear()
        made = ffi.new("srn_rate[]", [(milli, min(burst, _MOST)) for milli, burst in rates] or 1)
        self._rates[rates] = made
        return made

    def enter(self, zone: int, key: int, most: int) -> bool:
        """Count one request more at this time, unless there are `most`; where it is counted `leave` is due."""
        return bool(lib.srn_limit_enter(self._pointer, zone, key, most))

    def leave(self, zone: int, key: int) -> None:
        lib.srn_limit_leave(self._pointer, zone, key)

    def close(self) -> None:
        """Nothing of this process counts as a connection any more."""
        lib.srn_limits_detach(self._pointer)
        self._pointer = ffi.NULL

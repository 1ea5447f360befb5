"""Limits by reading: nginx's limit_req without delay and limit_conn, for one process and without bounds of memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class LimitsTwin:
    """`buckets` by zone, key, place and rate: (excess in thousandths of a request, ms of the last request counted)."""

    buckets: dict[tuple[int, int, int, int], tuple[int, int]] = field(default_factory=dict)
    connections: Counter[tuple[int, int]] = field(default_factory=Counter)

    def requests(self, zone: int, key: int, rates: Sequence[tuple[int, int]], now_us: int) -> bool:
        """Each rate is (thousandths of a request a second, burst). Counted in all buckets or in none."""
        now = now_us // 1000
        after = [(zone, key, i, rate) for i, (rate, _) in enumerate(rates)]
        excess = [self._excess(bucket, now) for bucket in after]
        if any(had > burst * 1000 for had, (_, burst) in zip(excess, rates, strict=True)):
            return False
        self.buckets.update({bucket: (had, now) for bucket, had in zip(after, excess, strict=True)})
        return True

    def _excess(self, bucket: tuple[int, int, int, int], now: int) -> int:
        if bucket not in self.buckets:
            return 0
        excess, last = self.buckets[bucket]
        passed = now - last if now >= last else 1 if last - now > 60_000 else 0
        return max(excess + 1000 - bucket[3] * passed // 1000, 0)

    def enter(self, zone: int, key: int, most: int) -> bool:
        if self.connections[zone, key] >= most:
            return False
        self.connections[zone, key] += 1
        return True

    def leave(self, zone: int, key: int) -> None:
        if self.connections[zone, key] > 0:
            self.connections[zone, key] -= 1

"""What is known of endpoints, as state.bin holds it, in plain values: requests in flight, failures, pace."""

from dataclasses import dataclass, field

EJECT_AFTER = 3
EJECT_US = 10_000_000
TRIAL_US = 60_000_000
HALF_LIFE_MS = 6931
WORD32 = 0xFFFFFFFF


@dataclass(slots=True)
class Cell:
    """Failures in a row, ejected until (µs), smoothed answer time (µs, 0: none) and the ms of its last change."""

    failures: int = 0
    ejected_until: int = 0
    pace: int = 0
    stamp: int = 0


@dataclass(slots=True)
class EndpointState:
    """All endpoints by ident; `in_flight` is summed over processes."""

    cells: dict[int, Cell] = field(default_factory=dict)
    in_flight: dict[int, int] = field(default_factory=dict)

    def waiting(self, ident: int) -> int:
        return self.in_flight.get(ident, 0)

    def enter(self, ident: int) -> None:
        self.in_flight[ident] = self.waiting(ident) + 1

    def leave(self, ident: int) -> None:
        self.in_flight[ident] = max(self.waiting(ident) - 1, 0)

    def is_ejected(self, ident: int, now: int) -> bool:
        """From the last of the failures until an answer, also when its time is over and it is to be tried."""
        cell = self.cells.get(ident)
        return cell is not None and cell.ejected_until != 0 and cell.ejected_until + TRIAL_US > now

    def may_try(self, ident: int, now: int) -> bool:
        """Of an ejected endpoint whose time is over: one caller may ask it, for all others its time begins anew."""
        cell = self.cells.get(ident)
        if cell is None or not 0 < cell.ejected_until <= now:
            return False
        cell.ejected_until = now + EJECT_US
        return True

    def note_failure(self, ident: int, now: int) -> None:
        cell = self.cells.setdefault(ident, Cell())
        cell.failures += 1
        if cell.failures >= EJECT_AFTER:
            cell.ejected_until = now + EJECT_US

    def note_answer(self, ident: int, took: int, now: int, *, pace: bool) -> None:
        cell = self.cells.setdefault(ident, Cell())
        cell.failures = cell.ejected_until = 0
        if pace:
            stamp = now // 1000 & WORD32
            sample = min(max(took, 1), WORD32)
            if cell.pace:
                weight = decay(stamp - cell.stamp & WORD32)
                sample = max(cell.pace * weight + sample * (65536 - weight) >> 16, 1)
            cell.pace, cell.stamp = sample, stamp

    def pace(self, ident: int, now: int) -> int:
        """Smoothed answer time in µs, sinking since the last answer; 0 when there was none."""
        cell = self.cells.get(ident)
        if cell is None or not cell.pace:
            return 0
        return max(cell.pace * decay((now // 1000 & WORD32) - cell.stamp & WORD32) >> 16, 1)


def decay(ms: int) -> int:
    """Weight of the past in 1/65536 after `ms`: halved for each half-life, straight in between."""
    halvings, rest = divmod(ms, HALF_LIFE_MS)
    if halvings >= 16:
        return 0
    return (2 * HALF_LIFE_MS - rest) * 65536 // (2 * HALF_LIFE_MS) >> halvings

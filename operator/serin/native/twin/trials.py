"""Counts of trials by reading: what srn_count_trial does, over values instead of trials.bin.

Knows no room to run out of, but for the table of users who got errors.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from serin.native import layout
from serin.native.twin.blocks import TrialBlock
from serin.native.twin.hashing import mix64
from serin.rollout.facts import BOUNDS_US, FAILED, NO_STATUS, PATIENCE_US

DRAWN, OTHER = 0, 1
_SWITCHED = 101
_ALL = (1 << 64) - 1


@dataclass(slots=True)
class TwinTrial:
    """`counts` by (place, DRAWN or OTHER, status), `latency` by (place, DRAWN or OTHER, bucket); `bits` of users."""

    counts: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    latency: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    bits: set[tuple[int, int]] = field(default_factory=set)
    bad_users: set[tuple[int, int, int]] = field(default_factory=set)
    full: bool = False


@dataclass(slots=True)
class TrialState:
    """Of all processes together, by trial id. `instance`: of trials.bin."""

    trials: dict[int, TwinTrial] = field(default_factory=dict)
    instance: int = 0

    def count(
        self,
        trial: TrialBlock | None,
        version: int,
        status: int,
        took_us: int,
        *,
        drawn: bool,
        user: int,
        by_itself: bool = False,
    ) -> None:
        """`by_itself`: a request without a user's key where the split asks for one, which is a user of its own."""
        if trial is None:
            return
        at, place = self.trials.setdefault(trial.id, TwinTrial()), trial.place + version
        if status != FAILED and not 100 <= status < layout.TRIAL_STATUSES:
            status = NO_STATUS
        by = DRAWN if drawn else OTHER
        if by_itself:
            user = mix64(self.instance ^ mix64(place << 16 | status) ^ mix64(~at.counts[place, by, status] & _ALL))
        at.counts[place, by, status] += 1
        if status != _SWITCHED and (status != NO_STATUS or took_us >= PATIENCE_US):
            at.latency[place, by, bisect_left(BOUNDS_US, took_us)] += 1
        if not user or not drawn or status == NO_STATUS:
            return
        at.bits.add((place, user % (64 * layout.USER_WORDS)))
        if status == FAILED or status >= 500 or (status >= 400 and trial.client_errors):
            _note(at, (user >> 16, place, status))


def _note(at: TwinTrial, entry: tuple[int, int, int]) -> None:
    if at.full or entry in at.bad_users:
        return
    if len(at.bad_users) == layout.BAD_USERS:
        at.full = True
    else:
        at.bad_users.add(entry)

"""Which of many parts nginx refuses, found in few tests. Pure: a test is a function of the parts that are left in.

A part is guilty when it is refused beside those before it that are not: of two that only clash, the later one. nginx's
own word is a guess, and counts once a test agrees with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict(Generic[T]):
    """Of one test. `error` is empty when all is taken; `named`: the part that nginx's message points at, if any.

    `unsure`: many parts together may have been too much, with none of them guilty.
    """

    error: str = ""
    named: T | None = None
    unsure: bool = False


Try = Callable[[Sequence[T]], Verdict[T]]
"""Whether these parts together are taken. Fewer parts are never refused where more are taken."""


@dataclass(slots=True)
class Found(Generic[T]):
    """`guilty` goes from part to what nginx said of it, in the order of the parts."""

    good: list[T] = field(default_factory=list)
    guilty: dict[T, str] = field(default_factory=dict)


def culprits(parts: Sequence[T], attempt: Try[T]) -> Found[T]:
    """All guilty parts; they must be distinct and hashable, and without any of them nothing is refused.

    With k of n guilty at most 2 + 2·k tests where nginx names them, and 2 + k·(4 + log2 n) ever. What may only be too
    much at once is looked at in halves, each for itself.
    """
    first = attempt(parts)
    if first.unsure and len(parts) > 1:
        middle = len(parts) // 2
        halves = [culprits(half, attempt) for half in (parts[:middle], parts[middle:])]
        return Found([p for half in halves for p in half.good], {p: e for h in halves for p, e in h.guilty.items()})
    named, doubt = _named(parts, attempt, first)
    rest = [part for part in parts if part not in named]
    if doubt is None:
        return Found(rest, named)
    guilty = {**named, **_searched(rest, attempt, doubt)}
    return Found([p for p in parts if p not in guilty], {p: guilty[p] for p in parts if p in guilty})


def _named(parts: Sequence[T], attempt: Try[T], first: Verdict[T]) -> tuple[dict[T, str], Verdict[T] | None]:
    """Parts that nginx points at, one test after the other going on behind the last: each part is read about once.

    Second: what it says about all others together; None when they are taken.
    """
    guilty: dict[T, str] = {}
    rest, verdict = list(parts), first
    while verdict.error and verdict.named is not None and verdict.named in rest:
        alone = attempt([verdict.named])
        if not alone.error:
            break
        guilty[verdict.named] = alone.error
        at = rest.index(verdict.named)
        rest = rest[at + 1 :]
        verdict = attempt(rest)
    together = attempt([part for part in parts if part not in guilty]) if guilty else first
    return guilty, together if together.error else None


def _searched(parts: list[T], attempt: Try[T], doubt: Verdict[T]) -> dict[T, str]:
    """Guilty ones among parts that are refused together, each by halving what precedes it."""
    guilty: dict[T, str] = {}
    rest, good = list(parts), 0
    while doubt.error:
        at, error = _first(rest, good, attempt, doubt)
        guilty[rest.pop(at)] = error
        good = at
        doubt = attempt(rest)
    return guilty


def _first(rest: Sequence[T], good: int, attempt: Try[T], doubt: Verdict[T]) -> tuple[int, str]:
    """Index of the first part that is refused beside those before it; the first `good` are taken."""
    low, high = good, len(rest)  # the first `low` are taken, the first `high` are refused with `doubt`
    guess = rest.index(doubt.named) if doubt.named is not None and doubt.named in rest else low
    cuts = [guess + 1, guess]  # right: two tests; wrong: no more than two in vain
    while high - low > 1:
        cut = cuts.pop(0) if cuts else (low + high) // 2
        if not low < cut < high:
            continue
        verdict = attempt(rest[:cut])
        if verdict.error:
            high, doubt = cut, verdict
        else:
            low = cut
    return high - 1, doubt.error

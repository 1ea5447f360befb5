"""From letters and bits to a version, without Lua: the conclusions of routing.rules as rows of a map.

For up to three canaries with rules every combination has its row, those with the same outcome as one pattern. For more
there would be thousands; then a request that is taken out of one canary goes to main.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from serin.render.nginx.canary_maps import OUT, PASSES, TAKES
from serin.render.nginx.spec import Row
from serin.routing.plan import HeaderRule, VersionRoute

MAX_CANARIES = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`forced`: index of a version, or -1; `excluded`: a bit for each version that is out."""

    forced: int = -1
    excluded: int = 0


OPEN = Outcome()


def of_letters(letters: str) -> Outcome:
    """The verdict of header letters, then cookie letters, of canaries 1 to n (routing.rules.CompiledRules.judge)."""
    count = len(letters) // 2
    out = 0
    for place, letter in enumerate(letters):
        canary = place % count + 1
        if out >> canary & 1:
            continue
        if letter == TAKES:
            return Outcome(canary, out)
        if letter == OUT:
            out |= 1 << canary
    return Outcome(-1, out)


def possible_letters(versions: tuple[VersionRoute, ...]) -> tuple[str, ...]:
    """For each place the letters that can come."""
    cookies = [PASSES if v.cookie is None or not v.cookie.name else TAKES + OUT + PASSES for v in versions[1:]]
    return (*(_header_letters(v.header) for v in versions[1:]), *cookies)


def _header_letters(rule: HeaderRule | None) -> str:
    if rule is None:
        return PASSES
    if rule.broken:
        return OUT + PASSES
    return TAKES + PASSES if rule.value is not None else TAKES + OUT + PASSES


def is_small(versions: tuple[VersionRoute, ...]) -> bool:
    """Whether every combination gets its row."""
    ruled = [v for v in versions[1:] if v.header is not None or (v.cookie is not None and v.cookie.name)]
    return len(ruled) <= MAX_CANARIES


def letter_rows(versions: tuple[VersionRoute, ...], target: Callable[[Outcome], T]) -> list[tuple[str, T]]:
    """Patterns over the letters and what follows from each, in order; whatever fits none is open."""
    if not is_small(versions):
        return [(pattern, target(outcome)) for pattern, outcome in _many(len(versions) - 1)]
    tree = _tree("", possible_letters(versions), target)
    default = target(OPEN)
    return [(f"^{pattern}", found) for pattern, found in _leaves(tree) if found != default]


# --- few canaries: a tree over the letters ---


@dataclass(frozen=True, slots=True)
class _Leaf:
    found: object


@dataclass(frozen=True, slots=True)
class _Fork:
    """Letters with the same outcomes have one branch."""

    branches: tuple[tuple[str, "_Leaf | _Fork"], ...]


def _tree(prefix: str, possible: tuple[str, ...], target: Callable[[Outcome], object]) -> _Leaf | _Fork:
    if len(prefix) == len(possible):
        return _Leaf(target(of_letters(prefix)))
    branches: dict[_Leaf | _Fork, str] = {}
    for letter in possible[len(prefix)]:
        found = _tree(prefix + letter, possible, target)
        branches[found] = branches.get(found, "") + letter
    if len(branches) == 1:
        only = next(iter(branches))
        if isinstance(only, _Leaf):
            return only
    return _Fork(tuple((letters, branch) for branch, letters in branches.items()))


def _leaves(tree: _Leaf | _Fork, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, _Leaf):
        yield prefix, tree.found
        return
    for letters, branch in tree.branches:
        one = letters if len(letters) == 1 else "." if len(tree.branches) == 1 else f"[{letters}]"
        yield from _leaves(branch, prefix + one)


# --- many canaries ---


def _many(count: int) -> Iterator[tuple[str, Outcome]]:
    for canary in range(1, count + 1):
        yield f"^[OP]{{{canary - 1}}}T", Outcome(canary)
    for canary in range(1, count + 1):
        headers = f"[OP]{{{canary - 1}}}P[OP]{{{count - canary}}}"
        yield f"^{headers}[OP]{{{canary - 1}}}T", Outcome(canary)
    yield "O", Outcome(0)


# --- a CanaryRoute ---


def bit_rows(rows: tuple[Row, ...], places: dict[str, int]) -> list[tuple[str, Outcome]]:
    """Patterns over the digits of all conditions, in the order of the rules."""
    found = []
    for row in rows:
        wanted = {places[condition.variable] for condition in row.conditions}  # type: ignore[union-attr]
        pattern = "".join("1" if place in wanted else "." for place in range(max(wanted) + 1))
        found.append((f"^{pattern}", Outcome(row.version)))
    return found

"""Steps of a backtracking search, as a polynomial in the subject's length: the sums behind `bounds`.

Read from the pattern's end to its start: for each place, what can it cost to try everything from there on? A repetition
without bound tries what follows it at each place where it can end; where only one of these places can do (what follows
begins with a byte that the repetition does not take), once. A pattern that is not anchored is tried at each byte. What
comes after the last thing that can fail is walked through once in all, as reaching it ends the search.
"""

from dataclasses import dataclass, replace

from serin.render.nginx.syntax import ALL, Assertion, Bytes, Choice, Node, Repeat, Sequence

MAX_VISITS = 4000
"""Nodes of the tree with its bounded repetitions written out."""
MAX_COUNT = 16
"""A variable count above this is as good as none."""
_GROUP_STEPS = 3.0
"""Steps that one round of a repeated group takes beside those of its parts."""
_RUN = 8.0
"""Bytes of one set in a fixed number that are compared in the time of a step."""


@dataclass(frozen=True, slots=True)
class Work:
    """constant + linear·n + square·n²; `degree` 3: more than that."""

    constant: float = 0.0
    linear: float = 0.0
    square: float = 0.0
    cubic: bool = False

    @property
    def degree(self) -> int:
        return 3 if self.cubic else 2 if self.square else 1 if self.linear else 0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.constant + other.constant,
            self.linear + other.linear,
            self.square + other.square,
            self.cubic or other.cubic,
        )

    def often(self) -> "Work":
        """n times this."""
        return Work(0.0, self.constant, self.linear, self.cubic or self.square > 0)

    def least_upper(self, other: "Work") -> "Work":
        return Work(
            max(self.constant, other.constant),
            max(self.linear, other.linear),
            max(self.square, other.square),
            self.cubic or other.cubic,
        )


ONE = Work(1.0)


class NotBoundedError(Exception):
    """The work has no bound that these sums can see."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What follows a place. `tries`: the work of trying it; `once`: work that the whole search meets once at most.

    `first`: bytes that it can begin with; `empty`: it can hold without taking a byte; `sure`: it always holds.
    """

    tries: Work
    once: Work
    first: int
    empty: bool
    sure: bool


_END = Rest(Work(), Work(), 0, empty=True, sure=True)


def search_work(node: Node, *, anchored: bool) -> Work | None:
    """The work of a search, None when no bound is seen."""
    once = anchored or _is_anchored(node)
    by_line = not once and _is_anchored(node, lines=True)
    try:
        rest = _Sums(one_end=not by_line).before(node, _END)
    except NotBoundedError:
        return None
    starts = rest.tries if once or by_line else ONE.often() + rest.tries.often()
    return starts + rest.once


def takes_empty(node: Node) -> bool:
    """Whether the empty text may match."""
    match node:
        case Bytes():
            return False
        case Assertion():
            return True
        case Sequence(items):
            return all(takes_empty(item) for item in items)
        case Choice(branches):
            return any(takes_empty(branch) for branch in branches)
        case Repeat(body, least, _):
            return least == 0 or takes_empty(body)


def _is_anchored(node: Node, *, lines: bool = False) -> bool:
    """Whether a match can only begin at the subject's start, or (`lines`) at that of a line.

    PCRE looks at lines alone where everything begins with `.*`. What that takes at all lines together is what it takes
    of one text as long, where each of its ends counts.
    """
    match node:
        case Assertion(start):
            return start
        case Sequence(items):
            return bool(items) and (_is_anchored(items[0], lines=lines) or (lines and _is_line(items[0])))
        case Choice(branches):
            return all(_is_anchored(branch, lines=lines) for branch in branches)
        case _:
            return False


def _is_line(node: Node) -> bool:
    match node:
        case Repeat(Bytes(bits), 0, None):
            return bits == ALL & ~(1 << ord("\n"))
        case _:
            return False


class _Sums:
    """One walk; `visits` bounds it."""

    def __init__(self, *, one_end: bool) -> None:
        self.visits = 0
        self.one_end = one_end

    def before(self, node: Node, rest: Rest) -> Rest:
        """The rest that begins with this node."""
        self.visits += 1
        if self.visits > MAX_VISITS:
            raise NotBoundedError
        match node:
            case Bytes(bits):
                return Rest(ONE + rest.tries, rest.once, bits, empty=False, sure=False)
            case Assertion():
                return Rest(ONE + rest.tries, rest.once, rest.first, empty=rest.empty, sure=False)
            case Sequence(items):
                for item in reversed(items):
                    rest = self.before(item, rest)
                return rest
            case Choice(branches):
                return self._choice([self.before(branch, rest) for branch in branches])
            case Repeat():
                return self._repeat(node, rest)

    def _choice(self, found: list[Rest]) -> Rest:
        tries = Work()
        for family in _families(found):
            tries = tries.least_upper(sum((each.tries for each in family), Work()))
        tries += Work(float(len(found)))
        once = Work()
        for each in found:
            once = once.least_upper(each.once)
        first = 0
        for each in found:
            first |= each.first
        return Rest(tries, once, first, any(e.empty for e in found), any(e.sure for e in found))

    def _repeat(self, node: Repeat, rest: Rest) -> Rest:
        if node.most is None or (node.most > MAX_COUNT and node.most > node.least):
            rest = self._without_bound(node.body, rest)
        else:
            for _ in range(node.most - node.least):
                rest = self._choice([self.before(node.body, rest), rest])
        if isinstance(node.body, Bytes) and node.least:
            return Rest(Work(1.0 + node.least / _RUN) + rest.tries, rest.once, node.body.bits, empty=False, sure=False)
        for _ in range(node.least):
            rest = self.before(node.body, rest)
        return rest

    def _without_bound(self, body: Node, rest: Rest) -> Rest:
        """Any number of the body, none included. Each round must take something, and in one way only."""
        one = self._round(body)
        if rest.sure:
            return replace(
                rest, tries=ONE + rest.tries, once=rest.once + one.tries.often(), first=one.first | rest.first
            )
        rounds = one.tries.often()
        one_end = self.one_end and not rest.empty and not rest.first & one.first and isinstance(_bare(body), Bytes)
        ends = ONE.often() + rest.tries if one_end else rest.tries.often() + rest.tries
        return Rest(rounds + ends, rest.once, one.first | rest.first, rest.empty, sure=False)

    def _round(self, body: Node) -> Rest:
        if not self._one_way(body):
            raise NotBoundedError
        found = self.before(body, Rest(Work(), Work(), 0, empty=False, sure=False))
        if isinstance(_bare(body), Bytes):
            return found
        return replace(found, tries=found.tries + Work(_GROUP_STEPS))

    def _one_way(self, node: Node) -> bool:
        """It takes at least one byte, and at any place there is at most one way to match it."""
        match node:
            case Bytes():
                return True
            case Sequence(items):
                return bool(items) and all(self._one_way(item) for item in items)
            case Choice(branches):
                ends = [self.before(b, Rest(Work(), Work(), 0, empty=False, sure=False)) for b in branches]
                return all(self._one_way(branch) for branch in branches) and _apart(ends)
            case Repeat(inner, least, most):
                return least == most and least > 0 and self._one_way(inner)
            case Assertion():
                return False


def _apart(found: list[Rest]) -> bool:
    """No byte begins more than one of them, and none can hold without a byte."""
    taken = 0
    for each in found:
        if each.empty or taken & each.first:
            return False
        taken |= each.first
    return True


def _families(found: list[Rest]) -> list[list[Rest]]:
    """Those that can begin with the same byte, or one through another, together; only one family comes to be tried."""
    if any(each.empty for each in found):
        return [found]
    families: list[tuple[int, list[Rest]]] = []
    for each in found:
        near = [family for family in families if family[0] & each.first]
        families = [family for family in families if not family[0] & each.first]
        bits = each.first
        for other, _ in near:
            bits |= other
        families.append((bits, [each, *(member for _, members in near for member in members)]))
    return [members for _, members in families]


def _bare(node: Node) -> Node:
    """Without groups of one item around it."""
    while isinstance(node, Sequence) and len(node.items) == 1:
        node = node.items[0]
    return node

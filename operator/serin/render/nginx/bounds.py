"""How much work a pattern of a user can make for a backtracking engine without a limit, judged by its text alone.

nginx runs patterns of `location` and `map` with no bound on their time, so only those may get there whose work is
bounded for every subject. The judgement is conservative: syntax that is not fully understood counts as unbounded, and
a bound counts every way that a match can be tried. Whether a pattern compiles is not asked here.

The work is counted in steps of a backtracking search as a polynomial in the subject's length (`serin.render.nginx.work`
has the sums, `serin.render.nginx.syntax` the reading).
"""

from dataclasses import dataclass
from enum import StrEnum

from serin.render.nginx.syntax import UnknownSyntaxError, parse
from serin.render.nginx.work import Work, search_work, takes_empty


class Cost(StrEnum):
    """For 8 KiB, LINEAR: well below 1 ms. QUADRATIC: some 10 ms, at worst 2 s. UNBOUNDED: more, or not known."""

    LINEAR = "linear"
    QUADRATIC = "quadratic"
    UNBOUNDED = "unbounded"


SUBJECT = 8192
"""Bytes of the longest header or path (large_client_header_buffers 4 8k)."""
MAX_STEPS_PER_BYTE = 16.0
"""A step of PCRE2's interpreter takes 5 to 10 ns."""
MAX_STEPS = 4096.0
MAX_STEPS_PER_SQUARE = 4.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """`takes_empty`: the empty text may match (it surely does not when False)."""

    cost: Cost
    takes_empty: bool = True


UNKNOWN = Bounds(Cost.UNBOUNDED)


def bounds(pattern: str, anchored: bool, *, ignore_case: bool = False) -> Bounds:
    """The bounds of a search for `pattern`; `anchored`: a match can only begin at the subject's start."""
    try:
        node = parse(pattern, ignore_case=ignore_case)
    except UnknownSyntaxError:
        return UNKNOWN
    return Bounds(_class(search_work(node, anchored=anchored)), takes_empty(node))


def cost(pattern: str, anchored: bool, *, ignore_case: bool = False) -> Cost:
    """The class alone."""
    return bounds(pattern, anchored, ignore_case=ignore_case).cost


def nginx_may_run(found: Cost, *, lua: bool) -> bool:
    """Whether nginx itself may run a pattern of this cost. Without Lua nobody else could, so more is let through."""
    return found is Cost.LINEAR or (found is Cost.QUADRATIC and not lua)


def path_cost(path: str) -> Cost:
    """Of a regex path as `location ~* "^path"` runs it; an alternative outside a group is not anchored there."""
    return cost("^" + path, False, ignore_case=True)


def _class(work: Work | None) -> Cost:
    if work is None or work.degree > 2 or work.square > MAX_STEPS_PER_SQUARE:
        return Cost.UNBOUNDED
    if work.constant > MAX_STEPS or work.linear > MAX_STEPS_PER_SQUARE * SUBJECT:
        return Cost.UNBOUNDED
    if work.square > 0 or work.linear > MAX_STEPS_PER_BYTE:
        return Cost.QUADRATIC
    return Cost.LINEAR

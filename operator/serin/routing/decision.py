"""Which version of a split a request's own rules choose: affinity cookie, then headers, then cookies.

Here the rules stand as a reader would tell them, each step with its reason; `rules` holds the same made for speed, and
a test keeps them equal. What no rule decides is left to the draw by weights, which is not known here.

Steps (ingress-nginx's order; oldest canary first): an affinity cookie pins its version; else the headers of all
canaries are read, then the cookies of all. A match takes its canary at once. `never`, or a pattern that cannot be run,
takes that canary out of the request: no later step looks at it again, and the others share the draw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from serin.errors import SerinError
from serin.refs import Source
from serin.routing.cookies import cookie_value
from serin.routing.plan import HeaderRule, VersionRoute
from serin.routing.search import PatternMaker

HeaderGetter = Callable[[bytes], bytes | None]
"""Value of a header by lower-case name, repeated ones joined with `, `; None when absent, empty when sent empty."""


class Reason(StrEnum):
    """Who decided the version: a rule, or (when a verdict leaves it open) the draw, or that only one was possible."""

    HEADER = "header"
    COOKIE = "cookie"
    STICKY = "sticky"
    WEIGHT = "weight"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say. `forced` is an index into the route's versions, or -1; `excluded` has a bit for each index.

    `reason` is set when a version is forced, and when the last canary was taken out, which leaves main alone.
    """

    forced: int = -1
    excluded: int = 0
    reason: Reason | None = None


UNDECIDED = Verdict()


class Effect(StrEnum):
    """What a rule did to its canary: TAKES the request, OUT of this request, or PASSES to the next step."""

    TAKES = "takes"
    OUT = "out"
    PASSES = "passes"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that a request met; `text` says in words why it had this effect."""

    version: int
    reason: Reason
    effect: Effect
    text: str
    source: Source | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the steps that led to it, in the order taken."""

    verdict: Verdict
    steps: tuple[Step, ...]


def header_key(name: str) -> bytes:
    """The lower-case name by which a rule's header is looked up; `_` and `-` are the same, as in nginx's variables."""
    return name.lower().replace("_", "-").encode()


def judge(
    versions: tuple[VersionRoute, ...],
    header: HeaderGetter,
    cookie: bytes | None,
    patterns: PatternMaker,
    pinned: str | None = None,
) -> Judgement:
    """Judge a request. `cookie`: its Cookie headers joined with `; `; `pinned`: the ident in its affinity cookie."""
    by_cookie = _pinned_step(versions, pinned)
    if by_cookie is not None:
        return Judgement(Verdict(by_cookie.version, 0, Reason.STICKY), (by_cookie,))
    steps: list[Step] = []
    for reason in (Reason.HEADER, Reason.COOKIE):
        for index, version in list(enumerate(versions))[1:]:
            if _out(steps) >> index & 1:
                continue
            by_header = reason is Reason.HEADER
            step = _header_step(index, version, header, patterns) if by_header else _cookie_step(index, version, cookie)
            if step is None:
                continue
            steps.append(step)
            if step.effect is Effect.TAKES:
                return Judgement(Verdict(index, _out(steps), reason), tuple(steps))
    out = _out(steps)
    last = next((s.reason for s in reversed(steps) if s.effect is Effect.OUT), None)
    return Judgement(Verdict(-1, out, last if out.bit_count() == len(versions) - 1 else None), tuple(steps))


def _pinned_step(versions: tuple[VersionRoute, ...], ident: str | None) -> Step | None:
    for index, version in enumerate(versions):
        if ident is not None and version.sticky and version.ident == ident:
            return Step(index, Reason.STICKY, Effect.TAKES, "the affinity cookie names this version", version.source)
    return None


def _out(steps: list[Step]) -> int:
    return sum(1 << s.version for s in steps if s.effect is Effect.OUT)


def _header_step(index: int, version: VersionRoute, header: HeaderGetter, patterns: PatternMaker) -> Step | None:
    rule = version.header
    value = None if rule is None else header(header_key(rule.name))
    if rule is None or value is None:
        return None
    effect, text = _header_effect(rule, value, patterns)
    return Step(index, Reason.HEADER, effect, text, rule.source)


def _header_effect(rule: HeaderRule, value: bytes, patterns: PatternMaker) -> tuple[Effect, str]:
    """A configured value, else a pattern, else always and never. An empty header counts as present."""
    shown = f"{rule.name}: {value.decode('utf-8', 'replace')}"
    if rule.broken:
        return Effect.OUT, f"the pattern for {rule.name} does not compile, and the request has this header"
    if rule.value is not None:
        equal = value == rule.value.encode()
        return (
            (Effect.TAKES, f"`{shown}` is the value asked for")
            if equal
            else (Effect.PASSES, f"`{shown}` is not `{rule.value}`")
        )
    if rule.pattern is not None:
        try:
            found = patterns(rule.pattern).search(value)
        except SerinError as e:
            return Effect.OUT, f"the pattern `{rule.pattern}` cannot be run on `{shown}`: {e}"
        return (
            (Effect.PASSES, f"`{shown}` does not match `{rule.pattern}`")
            if found is None
            else (Effect.TAKES, f"`{shown}` matches `{rule.pattern}`")
        )
    return _always_never(value, shown)


def _cookie_step(index: int, version: VersionRoute, header: bytes | None) -> Step | None:
    rule = version.cookie
    value = None if rule is None or header is None else cookie_value(header, rule.name.encode())
    if rule is None or value is None:
        return None
    effect, text = _always_never(value, f"cookie {rule.name}={value.decode('utf-8', 'replace')}")
    return Step(index, Reason.COOKIE, effect, text, rule.source)


def _always_never(value: bytes, shown: str) -> tuple[Effect, str]:
    if value == b"always":
        return Effect.TAKES, f"`{shown}`"
    if value == b"never":
        return Effect.OUT, f"`{shown}`"
    return Effect.PASSES, f"`{shown}` is neither always nor never"

"""Which version of a split a request's own rules choose: affinity cookie, then headers, then cookies.

Here the rules stand as a reader would tell them, each step with its reason; `rules` holds the same made for speed, and
a test keeps them equal. What no rule decides is left to the draw by weights, which is not known here.

Steps (ingress-nginx's order; oldest canary first): an affinity cookie pins its version; else the headers of all
canaries are read, then the cookies of all. A match takes its canary at once. `never`, or a pattern that cannot be run,
takes that canary out of the request: no later step looks at it again, and the others share the draw.

Steps of a CanaryRoute: its rules in order, the first match takes its version; else the affinity cookie. A pattern that
cannot be run does not take a request away from home: it is no match of another version's rule, and one of home's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from serin.errors import SerinError
from serin.refs import Source
from serin.routing.conditions import (
    FieldMatch,
    HeaderGetter,
    Match,
    MatchKind,
    MatchRule,
    Subject,
    cookie_of,
    header_key,
    header_of,
    parameter_of,
    within,
)
from serin.routing.cookies import cookie_value
from serin.routing.plan import HeaderRule, VersionRoute
from serin.routing.search import PatternMaker


class Reason(StrEnum):
    """Who decided the version: a rule, or (when a verdict leaves it open) the draw, or that only one was possible.

    A CanaryRoute's match counts as HEADER where it has a header, else as COOKIE where it has a cookie, else as RULE.
    """

    HEADER = "header"
    COOKIE = "cookie"
    RULE = "rule"
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


# --- rules of a CanaryRoute ---


def judge_matches(
    rules: tuple[MatchRule, ...],
    versions: tuple[VersionRoute, ...],
    subject: Subject,
    patterns: PatternMaker,
    pinned: str | None = None,
) -> Judgement:
    """Judge a request by the rules of a CanaryRoute. `pinned` as in `judge`."""
    steps: list[Step] = []
    for rule in rules:
        for match in rule.matches:
            step = _match_step(rule, match, subject, patterns)
            if step is None:
                continue
            steps.append(step)
            if step.effect is Effect.TAKES:
                return Judgement(Verdict(rule.version, 0, step.reason), tuple(steps))
    by_cookie = _pinned_step(versions, pinned)
    if by_cookie is None:
        return Judgement(UNDECIDED, tuple(steps))
    return Judgement(Verdict(by_cookie.version, 0, Reason.STICKY), (*steps, by_cookie))


def reason_of_match(match: Match) -> Reason:
    return Reason.HEADER if match.headers else Reason.COOKIE if match.cookies else Reason.RULE


def _match_step(rule: MatchRule, match: Match, subject: Subject, patterns: PatternMaker) -> Step | None:
    """None where the request has nothing of what the match looks at."""
    found = list(_answers(rule, match, subject, patterns))
    if found and all(holds for holds, _ in found):
        effect, text = Effect.TAKES, " and ".join(text for _, text in found)
    elif any(text for _, text in found):
        effect, text = Effect.PASSES, next((text for holds, text in found if text and not holds), _MISSES)
    else:
        return None
    return Step(rule.version, reason_of_match(match), effect, text, match.source)


_MISSES = "the request does not have everything that it asks for"


def _answers(rule: MatchRule, match: Match, subject: Subject, patterns: PatternMaker) -> Iterator[tuple[bool, str]]:
    """For each condition whether it holds, and why; no words where the request does not have what it looks at."""
    home = rule.version == 0
    for field in match.headers:
        yield _meets(field, header_of(field.name)(subject), "{}: {}", home, patterns)
    for field in match.cookies:
        yield _meets(field, cookie_of(field.name)(subject), "cookie {}={}", home, patterns)
    for field in match.query:
        yield _meets(field, parameter_of(field.name)(subject), "?{}={}", home, patterns)
    if match.method:
        holds = subject.method == match.method
        yield holds, f"the method is {subject.method}" + ("" if holds else f", not {match.method}")
    if match.clients:
        holds, networks = within(match.clients)(subject.client), " or ".join(match.clients)
        yield holds, f"the client {subject.client} is {'' if holds else 'not '}in {networks}"


def _meets(field: FieldMatch, value: bytes | None, form: str, home: bool, patterns: PatternMaker) -> tuple[bool, str]:
    if value is None:
        return False, ""
    shown = form.format(field.name, value.decode("utf-8", "replace"))
    if field.kind is MatchKind.PRESENT:
        return True, f"`{shown}` is there"
    if field.kind is MatchKind.EXACT:
        holds = value == field.value.encode()
        return holds, f"`{shown}` is the value asked for" if holds else f"`{shown}` is not `{field.value}`"
    why = "it does not compile"
    try:
        if not field.broken:
            holds = patterns(field.pattern).search(value) is not None
            return holds, f"`{shown}` {'matches' if holds else 'does not match'} `{field.value}` as a whole"
    except SerinError as e:
        why = str(e)
    kept = "the request stays home" if home else "no match"
    return home, f"the pattern `{field.value}` cannot be run on `{shown}` ({why}): {kept}"

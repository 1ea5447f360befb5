"""The rules of a route's canaries in the form that a proxy worker asks for each request.

Same verdicts as `decision.judge` and `decision.judge_matches`, without the words. A route without canaries, or whose
canaries have weights only, has `empty` rules and pays nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from serin.errors import SerinError
from serin.routing.conditions import (
    FieldMatch,
    HeaderGetter,
    Match,
    MatchKind,
    MatchRule,
    Read,
    Subject,
    cookie_of,
    header_key,
    header_of,
    parameter_of,
    within,
)
from serin.routing.cookies import cookie_reader
from serin.routing.decision import UNDECIDED, Reason, Verdict, reason_of_match
from serin.routing.plan import HeaderRule, VersionRoute
from serin.routing.search import PatternMaker, Searcher, make_searcher


def pins(versions: tuple[VersionRoute, ...]) -> dict[str, Verdict]:
    """Verdicts of an affinity cookie, by the ident that it names."""
    return {v.ident: Verdict(i, 0, Reason.STICKY) for i, v in enumerate(versions) if v.sticky}


@dataclass(frozen=True, slots=True)
class _Header:
    index: int
    name: bytes
    value: bytes | None
    searcher: Searcher | None
    broken: bool


class CompiledRules:
    """Made once for a route. Patterns are compiled here; one that does not compile fails at each search."""

    __slots__ = ("_all_out", "_cookies", "_forced", "_headers", "_pinned", "empty", "reads_cookie")

    def __init__(self, versions: tuple[VersionRoute, ...], patterns: PatternMaker) -> None:
        canaries = list(enumerate(versions))[1:]
        self._headers = [_compile(i, v.header, patterns) for i, v in canaries if v.header is not None]
        self._cookies: list[tuple[int, Callable[[bytes], bytes | None]]] = [
            (i, cookie_reader(v.cookie.name.encode())) for i, v in canaries if v.cookie is not None and v.cookie.name
        ]
        self._all_out = sum(1 << i for i, _ in canaries)
        self._forced = {r: [Verdict(i, 0, r) for i in range(len(versions))] for r in (Reason.HEADER, Reason.COOKIE)}
        self._pinned = pins(versions)
        self.reads_cookie = bool(self._cookies)
        """Whether `judge` looks at the Cookie header at all."""
        self.empty = not self._headers and not self._cookies
        """Whether no request can be decided by a header or cookie: `judge` need not be called."""

    def pinned(self, ident: str | None) -> Verdict | None:
        """The verdict of an affinity cookie, which comes before `judge`; None: it names no version that is there."""
        return None if ident is None else self._pinned.get(ident)

    def judge(self, header: HeaderGetter, cookie: bytes | None) -> Verdict:
        """The verdict of headers and cookies. `cookie`: the request's Cookie headers joined with `; `."""
        out = 0
        last: Reason | None = None
        for rule in self._headers:
            value = header(rule.name)
            if value is None:
                continue
            effect = _meet(rule, value)
            if effect > 0:
                return self._verdict(rule.index, out, Reason.HEADER)
            if effect < 0:
                out |= 1 << rule.index
                last = Reason.HEADER
        if cookie is not None:
            for index, read in self._cookies:
                if out >> index & 1:
                    continue
                value = read(cookie)
                if value == b"always":
                    return self._verdict(index, out, Reason.COOKIE)
                if value == b"never":
                    out |= 1 << index
                    last = Reason.COOKIE
        if out == 0:
            return UNDECIDED
        return Verdict(-1, out, last if out == self._all_out else None)

    def _verdict(self, index: int, out: int, reason: Reason) -> Verdict:
        return Verdict(index, out, reason) if out else self._forced[reason][index]


def _compile(index: int, rule: HeaderRule, patterns: PatternMaker) -> _Header:
    by_pattern = rule.pattern is not None and rule.value is None and not rule.broken
    searcher = make_searcher(patterns, rule.pattern or "") if by_pattern else None
    return _Header(
        index, header_key(rule.name), None if rule.value is None else rule.value.encode(), searcher, rule.broken
    )


def _meet(rule: _Header, value: bytes) -> int:
    """1: the canary takes the request, -1: it is out of it, 0: go on."""
    if rule.broken:
        return -1
    if rule.value is not None:
        return int(value == rule.value)
    if rule.searcher is not None:
        try:
            return int(rule.searcher.search(value) is not None)
        except SerinError:
            return -1
    return 1 if value == b"always" else -1 if value == b"never" else 0


# --- rules of a CanaryRoute ---

Condition = Callable[[Subject], bool]


class CompiledMatches:
    """The rules of a CanaryRoute, made once for a route. Every match is a row of conditions, asked until one fails."""

    __slots__ = ("_pinned", "_rows", "empty", "reads_cookie")

    def __init__(
        self, rules: tuple[MatchRule, ...], versions: tuple[VersionRoute, ...], patterns: PatternMaker
    ) -> None:
        self._rows = [
            (Verdict(range(len(versions))[rule.version], 0, reason_of_match(match)), _conditions(rule, match, patterns))
            for rule in rules
            for match in rule.matches
        ]
        self._pinned = pins(versions)
        self.reads_cookie = any(match.cookies for rule in rules for match in rule.matches)
        """Whether `judge` looks at the Cookie header at all."""
        self.empty = not self._rows

    def pinned(self, ident: str | None) -> Verdict | None:
        """The verdict of an affinity cookie, which comes after `judge`; None: it names no version that is there."""
        return None if ident is None else self._pinned.get(ident)

    def judge(self, subject: Subject) -> Verdict:
        for verdict, conditions in self._rows:
            for holds in conditions:
                if not holds(subject):
                    break
            else:
                if conditions:
                    return verdict
        return UNDECIDED


def _conditions(rule: MatchRule, match: Match, patterns: PatternMaker) -> tuple[Condition, ...]:
    home = rule.version == 0
    made = [_holds(field, header_of(field.name), home, patterns) for field in match.headers]
    made += [_holds(field, cookie_of(field.name), home, patterns) for field in match.cookies]
    made += [_holds(field, parameter_of(field.name), home, patterns) for field in match.query]
    if match.method:
        made.append(lambda subject: subject.method == match.method)
    if match.clients:
        contains = within(match.clients)
        made.append(lambda subject: contains(subject.client))
    return tuple(made)


def _holds(field: FieldMatch, read: Read, home: bool, patterns: PatternMaker) -> Condition:
    """`home`: the rule is for the version where a request stays that cannot be judged."""
    if field.kind is MatchKind.EXACT:
        value = field.value.encode()
        return lambda subject: read(subject) == value
    if field.kind is MatchKind.PRESENT or (field.broken and home):
        return lambda subject: read(subject) is not None
    if field.broken:
        return lambda subject: False
    searcher = make_searcher(patterns, field.pattern)

    def matches(subject: Subject) -> bool:
        found = read(subject)
        if found is None:
            return False
        try:
            return searcher.search(found) is not None
        except SerinError:
            return home

    return matches

"""Rules of canary Ingresses as rules of a CanaryRoute: in its order, and with words where they cannot be the same.

A canary that a request says `never` to is taken out of that request alone, and the others go on; a CanaryRoute's rule
can only send it to one version. For one canary, and for several that no weight reaches, that is the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serin.objects.canaryroute_rules import LONGEST_PATTERN, LONGEST_VALUE, MOST_MATCHES, MOST_RULES
from serin.routing.conditions import header_key
from serin.routing.plan import HeaderRule, VersionRoute

Condition = Mapping[str, Any]
"""An entry of `headers` or `cookies`, with the list that it belongs to: {"headers": [{…}]}."""
Check = Callable[[str, bool], str | None]
"""(pattern, without regard to case) -> why it does not compile, or None."""


@dataclass(slots=True)
class Rules:
    """`rules`: (index of the version, conditions that must all hold), in order. `differs`: what is not the same."""

    rules: list[tuple[int, tuple[Condition, ...]]] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)

    def documents(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """spec.rules. What stands beside each other for one version is one rule of several matches."""
        made: list[dict[str, Any]] = []
        for index, conditions in self.rules:
            match: dict[str, Any] = {}
            for condition in conditions:
                for part, entries in condition.items():
                    match[part] = [*match.get(part, ()), *entries]
            if not made or made[-1]["version"] != names[index] or len(made[-1]["matches"]) == MOST_MATCHES:
                made.append({"version": names[index], "matches": []})
            made[-1]["matches"].append(match)
        return made


@dataclass(frozen=True, slots=True)
class _Never:
    """A condition that takes these canaries out of a request."""

    condition: Condition
    canaries: frozenset[int]
    shown: str


def rules_of(versions: Sequence[VersionRoute], weights: Sequence[int], check: Check) -> Rules:
    """`versions` as in a route, main first; `weights` of the same."""
    found = Rules()
    canaries = list(enumerate(versions))[1:]
    for index, version in canaries:
        if version.header is not None:
            taken = _takes(version.header, version.name, check, found)
            found.rules += [(index, (taken,))] if taken is not None else []
    by_header, by_cookie = list(_header_nevers(canaries)), list(_cookie_nevers(canaries))
    cookies = [(i, {"cookies": [{"name": v.cookie.name, "value": "always"}]}) for i, v in canaries if v.cookie]
    for never in by_header:
        found.rules += [(i, (never.condition, cookie)) for i, cookie in cookies if i not in never.canaries]
        found.rules.append((0, (never.condition,)))
    found.rules += [(index, (cookie,)) for index, cookie in cookies]
    found.rules += [(0, (never.condition,)) for never in by_cookie]
    found.differs += _never_differs((*by_header, *by_cookie), versions, weights)
    if len(by_header) > 1 and cookies:
        found.differs.append("a request that has `never` in several of these headers is decided by the first of them")
    if len(found.documents([str(i) for i in range(len(versions))])) > MOST_RULES:
        found.differs.append(f"a CanaryRoute has at most {MOST_RULES} rules; the API server refuses this one")
    return found


def _takes(rule: HeaderRule, canary: str, check: Check, found: Rules) -> Condition | None:
    """What sends a request to the canary by a header; None where nothing does."""
    if rule.broken:
        return None
    if rule.value is not None:
        if not rule.value or len(rule.value) > LONGEST_VALUE:
            found.differs.append(f"{canary}: the value of {rule.name} cannot stand in a CanaryRoute; it is left out")
            return None
        return _header(rule.name, rule.value)
    if rule.pattern is None:
        return _header(rule.name, "always")
    pattern = f".*(?:{rule.pattern}).*"
    error = check(pattern, False)
    if error is None and len(pattern) > LONGEST_PATTERN:
        error = f"it has more than {LONGEST_PATTERN} characters"
    if error is not None:
        found.differs.append(f"{canary}: the pattern of {rule.name} cannot be carried over ({error}); it is left out")
        return None
    return {"headers": [{"name": rule.name, "type": "RegularExpression", "value": pattern}]}


def _header(name: str, value: str) -> Condition:
    return {"headers": [{"name": name, "value": value}]}


def _header_nevers(canaries: Sequence[tuple[int, VersionRoute]]) -> Iterator[_Never]:
    """By header: `never` where it is not asked for a value or pattern, and any value where the pattern is broken."""
    groups: dict[tuple[bytes, bool], tuple[str, set[int]]] = {}
    for index, version in canaries:
        rule = version.header
        if rule is not None and (rule.broken or (rule.value is None and rule.pattern is None)):
            _, members = groups.setdefault((header_key(rule.name), rule.broken), (rule.name, set()))
            members.add(index)
    for (_, broken), (name, members) in groups.items():
        if broken:
            yield _Never({"headers": [{"name": name, "type": "Present"}]}, frozenset(members), f"any {name}")
        else:
            yield _Never(_header(name, "never"), frozenset(members), f"{name}: never")


def _cookie_nevers(canaries: Sequence[tuple[int, VersionRoute]]) -> Iterator[_Never]:
    groups: dict[str, tuple[str, set[int]]] = {}
    for index, version in canaries:
        if version.cookie is not None:
            name = version.cookie.name
            groups.setdefault(name.lower(), (name, set()))[1].add(index)
    for name, members in groups.values():
        condition = {"cookies": [{"name": name, "value": "never"}]}
        yield _Never(condition, frozenset(members), f"the cookie {name}=never")


def _never_differs(nevers: Sequence[_Never], versions: Sequence[VersionRoute], weights: Sequence[int]) -> list[str]:
    """Where a request that one canary is taken out of would still be shared among others."""
    found = []
    for never in nevers:
        others = [v.name for i, v in enumerate(versions) if i and i not in never.canaries and weights[i]]
        if others:
            names = ", ".join(others)
            found.append(f"with `{never.shown}` requests go home here; as annotations {names} still had its share")
    return found

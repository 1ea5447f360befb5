"""Binds canaries to the rules of their main, and turns their weights into shares of one total.

A canary belongs to the rule with its host, path and path type, in its own namespace, and to nothing else, whatever
Services are used elsewhere. docs/canary.md says where that differs from ingress-nginx.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from serin.compile.annotations.canary import CanaryRules
from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading
from serin.compile.rules import ROOT, PathKey, Rule, path_key
from serin.objects.views import IngressPath
from serin.routing.identity import digest64
from serin.routing.plan import CookieRule, HeaderRule

MOST = 15
"""Canaries of one rule: what the decision routine holds beside main."""

_LARGEST = 2**32 - 1
_ROUNDED = 4 * 10**9

CheckPattern = Callable[[str, bool], str | None]
"""(pattern, without regard to case) -> why it does not compile, or None."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A canary bound to a rule. `path` is the place in its Ingress that says so."""

    reading: IngressReading
    rules: CanaryRules
    path: IngressPath


def main_ident() -> str:
    """The ident of every split's main: it stays main whatever Service it names."""
    return digest64(("main",))


def canary_ident(canary: Canary) -> str:
    backend = canary.path.backend
    assert backend is not None
    ref = canary.reading.ref
    return digest64((ref.namespace, ref.name, backend.service, str(backend.port)))


def bind(
    host: str, rules: Mapping[PathKey, Rule], readings: Sequence[IngressReading], findings: Findings
) -> dict[PathKey, tuple[Canary, ...]]:
    """Canaries by rule, oldest first. `readings` are the host's canary Ingresses, oldest first."""
    bound: dict[PathKey, list[Canary]] = {}
    for reading in readings:
        attached, same = False, None
        for key, path in _wanted(host, reading, rules):
            rule = rules.get(key)
            if path.backend is None:
                continue
            if rule is None:
                _without_main(host, key, path, findings)
            elif rule.reading.ref.namespace != reading.ref.namespace:
                text = f"main is {rule.reading.ref}; a canary of another namespace is refused and gets no requests"
                findings.error(path.source, "canary-other-namespace", text)
            elif rule.path.backend == path.backend:
                same = same or path
            elif not any(c.reading is reading for c in bound.get(key, ())):
                attached = _attach(bound.setdefault(key, []), reading, path, findings) or attached
        if same is not None and not attached:
            text = "main sends its requests to the same Service and port; this canary changes nothing"
            findings.warning(same.source, "canary-same-backend", text)
    return {key: tuple(found) for key, found in bound.items() if found}


def _wanted(host: str, reading: IngressReading, rules: Mapping[PathKey, Rule]) -> list[tuple[PathKey, IngressPath]]:
    """The rules that a canary names on a host.

    Its default backend stands beside main's: without rules for all rules of the catch-all host, else for what main's
    default backend serves.
    """
    default = reading.ingress.default_backend
    source = reading.ingress.meta.at("spec.defaultBackend")
    if reading.only_default:
        return [(key, IngressPath(*key, default, source)) for key in rules or (ROOT,)]
    wanted = [(path_key(path), path) for path in reading.paths[host]]
    root = rules.get(ROOT)
    if default is not None and root is not None and root.default and all(key != ROOT for key, _ in wanted):
        wanted.append((ROOT, IngressPath(*ROOT, default, source)))
    return wanted


def _attach(found: list[Canary], reading: IngressReading, path: IngressPath, findings: Findings) -> bool:
    if len(found) == MOST:
        text = f"{MOST} older canaries are bound to this path already; this one gets no requests"
        findings.error(path.source, "canary-too-many", text)
        return False
    assert reading.rules is not None
    found.append(Canary(reading, reading.rules, path))
    return True


def _without_main(host: str, key: PathKey, path: IngressPath, findings: Findings) -> None:
    where = f"{host or 'any host'} {key[0]} ({key[1]})"
    text = f"no ordinary Ingress serves {where}; expected one with the same host, path and path type; no requests come"
    findings.error(path.source, "canary-without-main", text)


def header_rule(rules: CanaryRules, check: CheckPattern, findings: Findings) -> HeaderRule | None:
    if not rules.header:
        return None
    error = check(rules.pattern, False) if rules.pattern is not None else None
    if error is not None:
        text = f"the pattern does not compile ({error}); requests with the header {rules.header} never get this canary"
        findings.error(rules.header_source, "canary-pattern-broken", text)
    return HeaderRule(rules.header, rules.value, rules.pattern, error is not None, rules.header_source)


def cookie_rule(rules: CanaryRules) -> CookieRule | None:
    return CookieRule(rules.cookie, rules.cookie_source) if rules.cookie else None


def shares(canaries: Sequence[Canary], findings: Findings) -> tuple[list[int], int]:
    """Each canary's weight, and the total that they are parts of; what they leave is main's.

    Shares are weight/total of each, on one denominator. Above the whole together they stay as they are: the draw keeps
    their proportions among those left in the request.
    """
    total = math.lcm(*(c.rules.total for c in canaries if c.rules.weight > 0))
    if total == 1:  # no weights at all
        return [0] * len(canaries), 100
    if total > _LARGEST:
        _warn(canaries, "canary-weight-rounded", f"the totals need a denominator of {total}; rounded", findings)
        weights = [_rounded(c.rules.weight, c.rules.total) for c in canaries]
        total = _ROUNDED
    else:
        weights = [c.rules.weight * (total // c.rules.total) if c.rules.weight else 0 for c in canaries]
    together = sum(weights)
    if together <= total:
        return weights, total
    named = ", ".join(f"{c.reading.ref.name} {c.rules.weight}/{c.rules.total}" for c in canaries if c.rules.weight)
    text = f"the weights of the canaries on this path are more than the whole ({named}); scaled, main gets nothing"
    _warn(canaries, "canary-weights-exceed", text, findings)
    if together > _LARGEST:
        return [_rounded(weight, together) for weight in weights], _rounded(total, together)
    return weights, total


def _rounded(weight: int, total: int) -> int:
    """The share out of a denominator that fits; never nothing where something was asked for."""
    return max(weight * _ROUNDED // total, int(weight > 0))


def _warn(canaries: Sequence[Canary], code: str, text: str, findings: Findings) -> None:
    for canary in canaries:
        if canary.rules.weight > 0:
            findings.warning(canary.rules.weight_source, code, text)

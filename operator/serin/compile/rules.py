"""Who serves which path of a host: the oldest Ingress that names it. The others keep their other paths."""

from collections.abc import Sequence
from dataclasses import dataclass

from serin.compile.annotations.grammar import has_control
from serin.compile.annotations.matching import REWRITE_TARGET, USE_REGEX
from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading
from serin.objects.views import IngressPath
from serin.routing.plan import RuleId

ROOT = ("/", "Prefix")

PathKey = tuple[str, str]
"""Path and path type as they name a rule: ImplementationSpecific is Prefix, an empty path is `/`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A path of a host and the Ingress that serves it. `default`: it comes from spec.defaultBackend."""

    id: RuleId
    path: IngressPath
    reading: IngressReading
    default: bool = False

    @property
    def key(self) -> PathKey:
        return (self.id.path, self.id.path_type)

    @property
    def is_exact(self) -> bool:
        return self.id.path_type == "Exact"

    @property
    def rewrites(self) -> bool:
        return rewrites(self.reading, self.id)

    @property
    def rewrites_below(self) -> bool:
        return _rewrites_below(self.reading, self.id)


def path_key(path: IngressPath) -> PathKey:
    return (path.path or "/", "Exact" if path.path_type == "Exact" else "Prefix")


def rewrites(reading: IngressReading, rule: RuleId) -> bool:
    """Whether a rewrite-target changes anything: ingress-nginx compares it with the path, a Prefix's with its `/`.

    On an Ingress with only a default backend it has no effect there.
    """
    target = reading.values.get(REWRITE_TARGET)
    if not target or reading.only_default:
        return False
    return target != rule.path or _rewrites_below(reading, rule)


def _rewrites_below(reading: IngressReading, rule: RuleId) -> bool:
    """A Prefix path that is the target itself: what lies below it becomes the target, the path stays as it is."""
    whole = rule.path_type == "Exact" or rule.path.endswith("/") or reading.values.get(USE_REGEX)
    return reading.values.get(REWRITE_TARGET) == rule.path and not whole


def own_paths(host: str, readings: Sequence[IngressReading], findings: Findings) -> dict[PathKey, Rule]:
    """The rules of a host in the order of age. `readings` are ordinary Ingresses, oldest first."""
    rules: dict[PathKey, Rule] = {}
    for reading in readings:
        for path in _claimed(host, reading):
            if has_control(path.path):
                text = "expected a path without control characters; this path is not served"
                findings.error(path.source, "path-invalid", text)
                continue
            key = path_key(path)
            holder = rules.get(key)
            if holder is None:
                rules[key] = Rule(RuleId(host, *key), path, reading, default=reading.only_default)
            else:
                _conflict(host, key, path, holder, findings)
    if ROOT not in rules:
        _add_default(host, readings, rules)
    return rules


def _claimed(host: str, reading: IngressReading) -> Sequence[IngressPath]:
    if reading.only_default:
        return (_default_path(reading),)
    return reading.paths[host]


def _default_path(reading: IngressReading) -> IngressPath:
    ingress = reading.ingress
    return IngressPath("/", "Prefix", ingress.default_backend, ingress.meta.at("spec.defaultBackend"))


def _add_default(host: str, readings: Sequence[IngressReading], rules: dict[PathKey, Rule]) -> None:
    """A default backend beside rules serves what the host's rules leave."""
    for reading in readings:
        if reading.ingress.default_backend is not None:
            rules[ROOT] = Rule(RuleId(host, *ROOT), _default_path(reading), reading, default=True)
            return


def _conflict(host: str, key: PathKey, path: IngressPath, holder: Rule, findings: Findings) -> None:
    where = f"{host or 'any host'} {key[0]} ({key[1]})"
    text = f"{where} is served by {holder.reading.ref}, which is older; this path is not served"
    if path.source.ref == holder.reading.ref:
        text = f"{where} is already in this Ingress, at {holder.path.source.field}; this path is not served"
    findings.error(path.source, "path-conflict", text)


def uses_regex(rules: dict[PathKey, Rule], first: IngressReading | None) -> bool:
    """Whether the host's paths are regular expressions: one Ingress that asks for it decides for all.

    `first` is the Ingress whose annotations hold for paths that no rule takes.
    """
    if any(asks_for_regex(rule) for rule in rules.values()):
        return True
    if ROOT in rules or first is None:
        return False
    return first.values.get(USE_REGEX) or rewrites(first, RuleId("", *ROOT))


def asks_for_regex(rule: Rule) -> bool:
    return not rule.reading.only_default and (rule.reading.values.get(USE_REGEX) or rule.rewrites)

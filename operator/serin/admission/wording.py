"""A problem as the user of kubectl reads it: in a warning after `Warning: `, or as the reason why it is denied.

Of an object of another namespace nothing is said but its name: whoever may write an Ingress here may not read there.
"""

from collections.abc import Iterable

from serin.admission.outcomes import PATH_CONFLICT
from serin.compile.compiler import Compiled
from serin.compile.rules import path_key
from serin.objects.views import Ingress, View
from serin.problems import Problem
from serin.refs import Ref, Source
from serin.routing.plan import RuleId

_ANNOTATION = "metadata.annotations["
_OUT_OF_SECRETS = {"auth-users-unusable": "some of the Secret's users cannot log in; Events of the Ingress say which"}
"""What stands for texts that quote a Secret: whoever may write an Ingress need not be one who may read it."""


def own_warnings(problems: Iterable[Problem]) -> list[str]:
    """One line for each; what is said of many places alike is said once. Errors come first."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for problem in sorted(problems, key=lambda p: (p.severity, p.source.field, p.code)):
        text = _OUT_OF_SECRETS.get(problem.code, problem.text)
        places.setdefault((problem.severity, problem.code, text), []).append(_place(problem.source))
    return [_line(found, code, text) for (_, code, text), found in places.items()]


def _line(places: list[str], code: str, text: str) -> str:
    more = f" and {len(places) - 1} more places" if len(places) > 1 else ""
    where = f"{places[0]}{more}: " if places[0] else ""
    return f"{code}: {where}{text}"


def other_warning(problem: Problem, candidate: Ref) -> str:
    other = problem.source.ref
    if not _may_be_told(other, candidate):
        return f"{problem.code}: this object would bring it upon {other}"
    where = f", {_place(problem.source)}" if problem.source.field else ""
    return f"{problem.code}: this object would bring it upon {other}{where}: {problem.text}"


def denial(problem: Problem, candidate: View, after: Compiled) -> str:
    """Why the candidate is denied for a problem of its own, or one that it brings upon another object."""
    own = candidate.meta.ref
    if problem.source.ref == own:
        taken = _taken(problem, candidate, after) if problem.code == PATH_CONFLICT else ""
        return taken or f"{_place(problem.source)}: {problem.text} ({problem.code})"
    if problem.code == PATH_CONFLICT:
        loser = after.memo.snapshot.find(problem.source.ref)
        rule = _rule_at(loser, problem.source)
        if rule is not None:
            return f"{_defined(rule, problem.source.ref)}, which would lose it"
    return other_warning(problem, own)


def holder_of(problem: Problem, candidate: View, after: Compiled) -> Ref | None:
    """Who serves the path that a `path-conflict` of the candidate is about."""
    rule = _rule_at(candidate, problem.source)
    host = None if rule is None else after.plan.hosts.get(rule.host)
    routes = () if host is None else host.routes
    return next((r.ingress for r in routes if r.rule == rule and r.policy.app_root is None), None)


def _taken(problem: Problem, candidate: View, after: Compiled) -> str:
    rule, holder = _rule_at(candidate, problem.source), holder_of(problem, candidate, after)
    return "" if rule is None or holder is None else _defined(rule, holder)


def _defined(rule: RuleId, holder: Ref) -> str:
    """ingress-nginx's words, which people search for."""
    where = f'host "{rule.host}" and path "{rule.path}"' if rule.host else f'path "{rule.path}" of any host'
    return f"{where} is already defined in ingress {holder.namespace}/{holder.name} (pathType {rule.path_type})"


def _rule_at(view: View | None, source: Source) -> RuleId | None:
    """The rule that a place in an Ingress asks for."""
    if not isinstance(view, Ingress):
        return None
    if source.field == "spec.defaultBackend":
        return RuleId("", "/", "Prefix")
    paths = ((rule.host, path) for rule in view.rules for path in rule.paths)
    return next((RuleId(host, *path_key(path)) for host, path in paths if path.source == source), None)


def _place(source: Source) -> str:
    """An annotation by its name alone: the line is short."""
    field = source.field
    return field[len(_ANNOTATION) : -1] if field.startswith(_ANNOTATION) and field.endswith("]") else field


def _may_be_told(other: Ref, candidate: Ref) -> bool:
    return other.namespace == candidate.namespace

"""The verdict on a review: what the candidate brings, weighed by the table of outcomes. Pure but for the age of now.

Both of its steps take snapshot and plan anew, in one turn of the loop: what comes between them does no harm.
"""

from collections.abc import Callable, Mapping

from serin.admission.candidate import Candidate, candidate_of
from serin.admission.closing import closes
from serin.admission.outcomes import PATH_CONFLICT, Outcome, outcome_of
from serin.admission.review import Review
from serin.admission.secrets import MOST, missing, named_by, without_guesses
from serin.admission.verdict import ALLOWED, Verdict, message_of, unchecked, warnings_of
from serin.admission.whatif import Brought, WhatIf, brought_by, compile_both
from serin.admission.wording import denial, holder_of, other_warning, own_warnings
from serin.compile.canaries import CheckPattern
from serin.compile.compiler import Compiled
from serin.compile.near import Near
from serin.objects.fields import shorten
from serin.objects.store import Snapshot
from serin.objects.views import Ingress, View
from serin.problems import Problem, Severity
from serin.refs import Ref

State = tuple[Snapshot, Compiled]

MOST_ENTRIES = 2000
"""Rules, paths and `tls` entries of an Ingress that is judged: about 0.2 s of the loop's time, and far beyond use."""

NOT_SYNCED = "it has not read the cluster yet"
TOO_LARGE = f"it has more than {MOST_ENTRIES} rules, paths and tls entries"


class Judge:
    """`state`: the objects and what was compiled of them last; None before the first sync.

    `watched`: whether objects of a namespace are ours to judge. `now`: seconds since the epoch.
    """

    def __init__(
        self,
        state: Callable[[], State | None],
        check: CheckPattern,
        now: Callable[[], float],
        watched: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._state = state
        self._check = check
        self._now = now
        self._watched = watched

    def secrets(self, review: Review) -> frozenset[Ref]:
        """The Secrets to fetch before the verdict."""
        candidate, state = self._candidate(review), self._state()
        if candidate is None or state is None or _entries(candidate) > MOST_ENTRIES:
            return frozenset()
        snapshot, compiled = state
        return frozenset(sorted(missing(named_by(candidate, compiled), snapshot, compiled))[:MOST])

    def verdict(self, review: Review, secrets: Mapping[Ref, View | None]) -> Verdict:
        """`secrets`: those that were found, None for one that does not exist; what is not there is not judged."""
        candidate, state = self._candidate(review), self._state()
        if candidate is None:
            return ALLOWED
        if state is None:
            return unchecked(NOT_SYNCED)
        if _entries(candidate) > MOST_ENTRIES:
            return unchecked(TOO_LARGE)
        return judge(candidate, *state, self._check, secrets)

    def _candidate(self, review: Review) -> Candidate | None:
        candidate = candidate_of(review, self._now())
        return None if candidate is None or not self._watched(candidate.ref.namespace) else candidate


def judge(
    candidate: Candidate,
    snapshot: Snapshot,
    compiled: Compiled,
    check: CheckPattern,
    secrets: Mapping[Ref, View | None],
) -> Verdict:
    what_if = compile_both(candidate, snapshot, compiled, check, secrets)
    if isinstance(candidate.view, Ingress) and candidate.ref not in what_if.after.ingresses:
        return _of_another(candidate.view, snapshot)
    brought = brought_by(candidate, what_if)
    named = named_by(candidate, compiled)
    unknown = missing(named, snapshot, compiled) - secrets.keys()
    own = without_guesses(brought.own, named, unknown)
    denied = [p for p in own if _denies(p, candidate, brought, what_if)]
    denied += [p for p in brought.others if _denies_from_afar(p, candidate)]
    others = [other_warning(p, candidate.ref) for p in brought.others if p not in denied]
    return Verdict(
        warnings=warnings_of([*own_warnings(p for p in own if p not in denied), *others]),
        message=message_of(denial(p, candidate.view, what_if.after) for p in denied),
        codes=tuple(dict.fromkeys(p.code for p in denied)),
        judged=len(what_if.after.ingresses),
    )


def _of_another(ingress: Ingress, snapshot: Snapshot) -> Verdict:
    """None of our business, but a class that nobody has is a slip that nobody else would tell of."""
    name, known = ingress.class_name, [key[1] for key in snapshot.ingress_classes]
    if name is None or not known or name in known:
        return ALLOWED
    near = Near(known).find(name)
    hint = f" (did you mean {near}?)" if near else ""
    text = f"class-unknown: spec.ingressClassName: there is no IngressClass {shorten(name)}{hint}; nobody serves it"
    return Verdict(warnings_of([text]))


def _denies(problem: Problem, candidate: Candidate, brought: Brought, what_if: WhatIf) -> bool:
    if not _is_error(problem) or not brought.is_new(problem):
        return False
    match outcome_of(problem.code):
        case Outcome.WARN:
            return False
        case Outcome.DENY_CLOSED:
            return closes(problem.source, candidate.view.meta, what_if.after.memo.options)
        case Outcome.DENY | Outcome.DENY_ANYWHERE:
            return not _is_repetition(problem, candidate, what_if)


def _denies_from_afar(problem: Problem, candidate: Candidate) -> bool:
    """Only between objects of one kind: an Ingress is not to blame for two CanaryRoutes that want to share it out."""
    same_kind = problem.source.ref.kind == candidate.ref.kind
    return same_kind and _is_error(problem) and outcome_of(problem.code) is Outcome.DENY_ANYWHERE


def _is_repetition(problem: Problem, candidate: Candidate, what_if: WhatIf) -> bool:
    """A path that is twice in one Ingress is served once, as it is by ingress-nginx, which takes such an Ingress."""
    return problem.code == PATH_CONFLICT and holder_of(problem, candidate.view, what_if.after) == candidate.ref


def _entries(candidate: Candidate) -> int:
    view = candidate.view
    return len(view.tls) + sum(1 + len(rule.paths) for rule in view.rules) if isinstance(view, Ingress) else 0


def _is_error(problem: Problem) -> bool:
    return problem.severity is Severity.ERROR

"""Which Secrets and ConfigMaps a candidate names that are not in memory, and what is left unsaid when they cannot be
had in time.
"""

from collections.abc import Iterable

from serin.admission.candidate import Candidate
from serin.compile.classes import is_ours
from serin.compile.compiler import Compiled
from serin.compile.findings import Findings
from serin.compile.ingresses import read_ingress
from serin.objects.store import Snapshot
from serin.objects.views import Ingress
from serin.problems import Problem
from serin.refs import Ref, Source

MOST = 32
"""Objects that are fetched for one review."""

_JUDGED_BY_CONTENT = frozenset(
    (
        *("auth-secret-unusable", "auth-users-unusable", "certificate-name-mismatch", "certificate-unusable"),
        *("auth-tls-secret-unusable", "proxy-ssl-secret-unusable"),
        *("auth-headers-unusable", "custom-headers-unusable", "fastcgi-params-unusable"),
    )
)

Named = dict[Ref, list[Source]]
"""Secrets and ConfigMaps, and the fields that name them."""


def named_by(candidate: Candidate, compiled: Compiled) -> Named:
    """Those of an Ingress that is ours."""
    view, memo = candidate.view, compiled.memo
    if not isinstance(view, Ingress) or not is_ours(view, memo.classes, memo.options, Findings()):
        return {}
    found: Named = {}
    for entry in view.tls:
        if entry.secret:
            found.setdefault(Ref("Secret", view.meta.ref.namespace, entry.secret), []).append(entry.source)
    reading = read_ingress(view, memo.options, memo.settings)
    for kind, keys in (("Secret", reading.secrets), ("ConfigMap", reading.config_maps)):
        for key, source in keys.items():
            found.setdefault(Ref(kind, *key), []).append(source)
    return found


def missing(named: Iterable[Ref], snapshot: Snapshot, compiled: Compiled) -> frozenset[Ref]:
    """Those of which nothing is known: one that the plan looks at is in memory, if there is one at all."""
    return frozenset(ref for ref in named if ref not in compiled.reads or snapshot.find(ref) is None)


def without_guesses(problems: Iterable[Problem], named: Named, unknown: frozenset[Ref]) -> list[Problem]:
    """The problems but for those that come of not knowing a Secret."""
    sources = {source for ref in unknown for source in named[ref]}
    return [p for p in problems if p.source not in sources or p.code not in _JUDGED_BY_CONTENT]

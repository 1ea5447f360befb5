"""Who may come in by address: allow and deny lists, and how they count together with authentication."""

from serin.compile.annotations import grammar
from serin.compile.annotations.model import Annotation, Concern, Fate, Scope, Values
from serin.compile.annotations.networks import NETWORKS
from serin.refs import Source
from serin.routing.access import Access

_A, _L = Concern.ACCESS, Scope.LOCATION

ALLOW = Annotation(
    "allowlist-source-range",
    NETWORKS,
    (),
    _A,
    _L,
    "Only clients of these networks may come in, others get 403. Takes the place of the ConfigMap's "
    "`whitelist-source-range`.",
)
DENY = Annotation(
    "denylist-source-range",
    NETWORKS,
    (),
    _A,
    _L,
    "Clients of these networks get 403, also where `allowlist-source-range` has them. Takes the place of the "
    "ConfigMap's `denylist-source-range`.",
)
SATISFY = Annotation(
    "satisfy",
    grammar.one_of("any", "all", case=True),
    "all",
    _A,
    _L,
    "`all`: address lists, password and external authentication must all let a client in; `any`: one of them is "
    "enough.",
    fate=Fate.ABSENT,
)

FAMILY = (ALLOW, DENY, SATISFY)

_OPEN = Access()


def access_of(values: Values, default: Access) -> Access:
    """`default` has the lists of the ConfigMap, each for Ingresses without that list."""
    if ALLOW not in values and DENY not in values and SATISFY not in values:
        return default
    source: Source | None = default.source
    for annotation in (SATISFY, DENY, ALLOW):
        if annotation in values:
            source = values.source(annotation)
    made = Access(
        allow=values.get_or(ALLOW, default.allow),
        deny=values.get_or(DENY, default.deny),
        any_of=values.get(SATISFY) == "any",
        source=source,
    )
    return made if made.allow or made.deny or made.any_of else _OPEN

"""How much one client may ask for: requests and connections of its address, and the speed of answers."""

from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.model import Annotation, Concern, Fate, Scope, Values
from serin.compile.annotations.networks import NETWORKS
from serin.compile.findings import Findings
from serin.routing.access import Limits
from serin.routing.answers import Bandwidth
from serin.routing.identity import digest64

_A, _R, _L = Concern.ACCESS, Concern.ROUTING, Scope.LOCATION
KILOBYTE = 1024
_RATE = grammar.integer(0, 1_000_000, "a whole number up to 1000000 (0: no limit)")
KILOBYTES = grammar.integer(0, 1 << 31, "whole kilobytes (0: no limit)")

RPS = Annotation(
    "limit-rps",
    _RATE,
    0,
    _A,
    _L,
    "Requests a second of one client address, over all paths of the Ingress and counted in each replica by itself. "
    "Five times as many may come at once (`limit-burst-multiplier`); beyond: 503 (ConfigMap: `limit-req-status-code`).",
)
RPM = Annotation("limit-rpm", _RATE, 0, _A, _L, "Requests a minute of one client address, as `limit-rps`.")
CONNECTIONS = Annotation(
    "limit-connections",
    grammar.integer(0, 65535, "a whole number up to 65535 (0: no limit)"),
    0,
    _A,
    _L,
    "Requests at a time of one client address; beyond: 503 (ConfigMap: `limit-conn-status-code`).",
)
BURST = Annotation(
    "limit-burst-multiplier",
    grammar.integer(1, 1000),
    5,
    _A,
    _L,
    "How many times the rate may come at once.",
    fate=Fate.ABSENT,
)
SPARED = Annotation(
    "limit-allowlist",
    NETWORKS,
    (),
    _A,
    _L,
    "Clients of these networks have no limits. A list that cannot be read spares nobody.",
    fate=Fate.ABSENT,
)
RATE = Annotation(
    "limit-rate",
    KILOBYTES,
    0,
    _R,
    _L,
    "Kilobytes a second of one answer. With the nginx plane it needs `proxy-buffering: on`, as with ingress-nginx.",
)
RATE_AFTER = Annotation("limit-rate-after", KILOBYTES, 0, _R, _L, "Kilobytes of an answer before `limit-rate` counts.")

FAMILY: tuple[Annotation[Any], ...] = (RPS, RPM, CONNECTIONS, BURST, SPARED, RATE, RATE_AFTER)


def limits_of(values: Values, findings: Findings) -> Limits | None:
    """What is counted belongs to the Ingress: its zone is named after it."""
    rps, rpm, connections = values.get(RPS), values.get(RPM), values.get(CONNECTIONS)
    if not (rps or rpm or connections):
        for annotation in (BURST, SPARED):
            if annotation in values:
                text = "has no effect without limit-rps, limit-rpm or limit-connections"
                findings.warning(values.source(annotation), "limit-missing", text)
        return None
    ref = values.meta.ref
    source = values.source(RPS if rps else RPM if rpm else CONNECTIONS)
    zone = digest64(("limits", ref.namespace, ref.name))
    return Limits(zone, rps, rpm, connections, values.get(BURST), values.get(SPARED), source)


def bandwidth_of(values: Values, default: Bandwidth | None) -> Bandwidth | None:
    """`default`: the ConfigMap's, with rate 0 where it only says after how much."""
    if default is None and RATE not in values:
        return None
    usual = default or Bandwidth(0)
    rate = values.get(RATE) * KILOBYTE if RATE in values else usual.rate
    after = values.get(RATE_AFTER) * KILOBYTE if RATE_AFTER in values else usual.after
    return Bandwidth(rate, after) if rate else None

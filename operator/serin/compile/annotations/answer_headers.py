"""Headers of answers that an Ingress sets from a ConfigMap, of those that the ConfigMap of the controller allows."""

from dataclasses import dataclass

from serin.compile.annotations.model import Annotation, Concern, Fate, Scope, Values
from serin.compile.annotations.references import CONFIG_MAP, config_map_of
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.refs import Source
from serin.routing.plan import Closed

CUSTOM_HEADERS = Annotation(
    "custom-headers",
    CONFIG_MAP,
    "",
    Concern.ROUTING,
    Scope.LOCATION,
    "ConfigMap of the Ingress's own namespace with headers for answers. All of its names must be in the ConfigMap's "
    "`global-allowed-response-headers`, else requests get 503.",
    fate=Fate.CLOSED,
)
FAMILY = (CUSTOM_HEADERS,)


@dataclass(frozen=True, slots=True)
class HeadersRequest:
    config_map: Key
    source: Source


def headers_of(values: Values, findings: Findings) -> HeadersRequest | Closed | None:
    if CUSTOM_HEADERS not in values:
        return None
    found = config_map_of(values, CUSTOM_HEADERS, "custom-headers-namespace", findings)
    return found if isinstance(found, Closed) else HeadersRequest(found, values.source(CUSTOM_HEADERS))

"""FastCGI towards endpoints: the index file, and parameters out of a ConfigMap."""

from dataclasses import dataclass
from typing import Any

from serin.compile.annotations.grammar import LETTERS, characters
from serin.compile.annotations.model import NGINX, Annotation, Concern, Scope, Values
from serin.compile.annotations.references import CONFIG_MAP, config_map_of
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.refs import Source
from serin.routing.plan import Closed, Protocol, Upstream

_R, _L = Concern.ROUTING, Scope.LOCATION

INDEX = Annotation(
    "fastcgi-index",
    characters(LETTERS, "the name of a file"),
    "",
    _R,
    _L,
    "With `backend-protocol: FCGI`: what is put behind a path that ends in `/`.",
    planes=NGINX,
)
PARAMS = Annotation(
    "fastcgi-params-configmap",
    CONFIG_MAP,
    "",
    _R,
    _L,
    "With `backend-protocol: FCGI`: ConfigMap of the Ingress's own namespace with parameters, such as "
    "SCRIPT_FILENAME; values may hold `$variables`. Without the ConfigMap, requests get 503.",
    planes=NGINX,
)
FAMILY: tuple[Annotation[Any], ...] = (INDEX, PARAMS)


@dataclass(frozen=True, slots=True)
class FastCgiRequest:
    """`params`: a ConfigMap, and the line that names it."""

    index: str
    params: Key | None
    source: Source


def fastcgi_of(values: Values, upstream: Upstream, findings: Findings) -> FastCgiRequest | Closed | None:
    given = [annotation for annotation in FAMILY if annotation in values]
    if upstream.protocol is not Protocol.FCGI:
        if given:
            names = ", ".join(annotation.name for annotation in given)
            text = f"{names}: no effect without backend-protocol: FCGI"
            findings.warning(values.source(given[0]), "fastcgi-unused", text)
        return None
    if not given:
        return None
    params: Key | None = None
    if PARAMS in values:
        found = config_map_of(values, PARAMS, "fastcgi-params-namespace", findings)
        if isinstance(found, Closed):
            return found
        params = found
    return FastCgiRequest(values.get(INDEX), params, values.source(PARAMS if PARAMS in values else INDEX))

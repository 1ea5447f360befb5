"""OpenTelemetry, which is not supported: no spans are made, and what a client sends of them is passed on."""

from serin.compile.annotations.model import Concern, Scope, unsupported

_C, _L = Concern.COSMETIC, Scope.LOCATION
_INSTEAD = "X-Request-ID is passed on and logged"

FAMILY = (
    unsupported("enable-opentelemetry", _C, _L, "Tracing.", instead=_INSTEAD, neutral=("false",)),
    unsupported("opentelemetry-operation-name", _C, _L, "Tracing.", instead=_INSTEAD),
    unsupported("opentelemetry-trust-incoming-span", _C, _L, "Tracing.", instead=_INSTEAD),
)

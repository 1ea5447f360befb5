"""ModSecurity, the web application firewall inside nginx. Not supported: what asks for it closes its routes.

Without it requests would come in that its rules were to stop.
"""

from serin.compile.annotations.model import Concern, Scope, unsupported

_A, _C, _I = Concern.ACCESS, Concern.COSMETIC, Scope.INGRESS
_INSTEAD = "put a web application firewall in front of Serin or of the application"
_OFF = ("false", "False", "FALSE", "f", "F", "0")
_WAF = "Web application firewall (ModSecurity)."

FAMILY = (
    unsupported("enable-modsecurity", _A, _I, _WAF, instead=_INSTEAD, neutral=_OFF),
    unsupported("enable-owasp-core-rules", _A, _I, _WAF, instead=_INSTEAD, neutral=_OFF),
    unsupported("modsecurity-snippet", _A, _I, _WAF, instead=_INSTEAD),
    unsupported("modsecurity-transaction-id", _C, _I, "How the firewall's log calls a request.", instead=_INSTEAD),
)

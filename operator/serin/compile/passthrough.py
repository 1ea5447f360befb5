"""Which hosts get TLS connections unread (ssl-passthrough), and whose endpoints they go to.

As in ingress-nginx the host's oldest Ingress decides for all of it, and the Service is that of path `/`. No annotation
counts for such connections; where one of them keeps somebody out of plain requests, that is said.
"""

from collections.abc import Iterable, Mapping, Sequence

from serin.compile.annotations.tls import SSL_PASSTHROUGH
from serin.compile.beside import Besides
from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading
from serin.compile.options import Options
from serin.compile.rules import PathKey, Rule
from serin.refs import Source
from serin.routing.beside import Beside
from serin.routing.plan import Policy, Route

_ENDED = "TLS is ended here"
_KINDS = ("Prefix", "Exact")


def choose_passthrough(
    name: str,
    ordinary: Sequence[IngressReading],
    rules: Mapping[PathKey, Rule],
    besides: Besides,
    options: Options,
    findings: Findings,
) -> Beside | None:
    """None: TLS is ended here. `ordinary`: the host's Ingresses, oldest first."""
    asking = [reading for reading in ordinary if reading.values.get(SSL_PASSTHROUGH)]
    for reading in asking:
        source = reading.values.source(SSL_PASSTHROUGH)
        if not options.ssl_passthrough:
            text = f"expected the controller's flag --enable-ssl-passthrough; without it {_ENDED}"
            findings.error(source, "passthrough-disabled", text)
        elif not name:
            text = f"expected rules with a host, by whose name connections are told apart; {_ENDED}"
            findings.error(source, "passthrough-without-host", text)
        elif reading is not ordinary[0]:
            text = f"{ordinary[0].ref} is older, and decides for host {name}; expected it there; this has no effect"
            findings.warning(source, "passthrough-not-oldest", text)
    if not asking or not options.ssl_passthrough or not name or asking[0] is not ordinary[0]:
        return None
    rule = next((rules[key] for kind in _KINDS if (key := ("/", kind)) in rules), None)
    source = asking[0].values.source(SSL_PASSTHROUGH)
    if rule is None or rule.path.backend is None:
        text = f"expected a path / with a Service on host {name}, which gets the connections; {_ENDED}"
        findings.error(source, "passthrough-without-root", text)
        return None
    backend = rule.path.backend
    _warn_others(name, ordinary, findings)
    return besides.service(
        rule.reading.ref.namespace,
        backend.service,
        backend.port,
        rule.path.source,
        protocol="TCP",
        whole=rule.reading.balancing.cluster_ip,
    )


def _warn_others(name: str, ordinary: Sequence[IngressReading], findings: Findings) -> None:
    """Ingresses of the host that did not ask for it, and whose rules no connection over TLS meets."""
    text = f"TLS connections for host {name} are passed on unread, as {ordinary[0].ref} asks for, which is older: "
    text += "the rules of this Ingress hold for plain requests alone"
    for reading in ordinary[1:]:
        if not reading.values.get(SSL_PASSTHROUGH):
            findings.warning(Source(reading.ref), "passthrough-skips-rules", text)


def warn_of_rules(reading: IngressReading, routes: Iterable[Route], findings: Findings, *, client_auth: bool) -> None:
    """Access rules that connections which are passed on unread do not meet."""
    if client_auth or any(_guarded(route.policy) for route in routes):
        text = "connections are passed on unread: access rules of this host hold for plain requests alone"
        findings.warning(reading.values.source(SSL_PASSTHROUGH), "passthrough-skips-rules", text)


def _guarded(policy: Policy) -> bool:
    """Whether anybody may be kept out."""
    return bool(
        policy.auth
        or policy.external_auth
        or policy.closed
        or policy.limits
        or policy.client_match
        or policy.access.allow
        or policy.access.deny
    )

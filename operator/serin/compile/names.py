"""Names of a host beside its own: aliases, and redirects to it from or to `www.`.

A name that is a host itself stays that host's. Else a redirect goes before an alias, and the older Ingress first.
"""

from collections.abc import Sequence

from serin.compile.context import HostContext
from serin.compile.findings import Findings
from serin.compile.ingresses import ClaimKind, IngressReading, NameClaim
from serin.routing.plan import Certificate, Host, WwwRedirect


def winner(name: str, context: HostContext) -> NameClaim | None:
    """Who gets a name that no host has."""
    if name == "" or context.is_served(name):
        return None
    return min(context.claims(name), key=lambda claim: claim.rank, default=None)


def aliases_of(
    host: str, readings: Sequence[IngressReading], context: HostContext, findings: Findings
) -> tuple[str, ...]:
    """The aliases that the host gets, sorted; a problem for every name that its Ingresses ask for in vain."""
    found = set()
    for reading in readings:
        for name, claim in reading.claims:
            if claim.host != host:
                continue
            holder = winner(name, context)
            if holder is not None and (holder.host, holder.kind) == (host, claim.kind):
                if claim.kind is ClaimKind.ALIAS:
                    found.add(name)
            elif holder is None:
                text = f"{name} is a host of other rules and stays so; {_outcome(claim)}"
                findings.warning(claim.source, "host-name-taken", text)
            else:
                text = f"{holder.ref} has {name} already, by {holder.kind} for {holder.host}; {_outcome(claim)}"
                findings.warning(claim.source, "host-name-taken", text)
    return tuple(sorted(found))


def _outcome(claim: NameClaim) -> str:
    return "nothing is redirected" if claim.kind is ClaimKind.WWW else "this alias has no effect"


def www_host(name: str, claim: NameClaim, certificate: Certificate | None, code: int) -> Host:
    """The host that answers for the other form of a name."""
    return Host(
        name,
        certificate=None if certificate is None else certificate.digest,
        www=WwwRedirect(claim.host, code, claim.source),
    )

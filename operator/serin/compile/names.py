"""Names of a host beside its own: aliases, and redirects to it from or to `www.`.

A name that is a host itself stays that host's. Else a redirect goes before an alias, and the older Ingress first.
"""

from collections.abc import Sequence

from serin.compile.context import HostContext
from serin.compile.findings import Findings
from serin.compile.ingresses import ClaimKind, IngressReading, NameClaim
from serin.refs import Ref
from serin.routing.plan import Certificate, Host, WwwRedirect


def winner(name: str, context: HostContext) -> NameClaim | None:
    """Who gets a name that no host has."""
    if name == "" or context.is_served(name):
        return None
    claims = [c for c in context.claims(name) if c.kind is ClaimKind.WWW or _sets_aliases(c.host, context) == c.ref]
    return min(claims, key=lambda claim: claim.rank, default=None)


def _sets_aliases(host: str, context: HostContext) -> Ref | None:
    """Of a host's Ingresses the oldest with aliases; those of the others have no effect (as in ingress-nginx)."""
    for reading in context.ordinary(host):
        if any(claim.kind is ClaimKind.ALIAS and claim.host == host for _, claim in reading.claims):
            return reading.ref
    return None


def aliases_of(
    host: str, readings: Sequence[IngressReading], context: HostContext, findings: Findings
) -> tuple[str, ...]:
    """The aliases that the host gets, sorted; a problem for every name that its Ingresses ask for in vain."""
    found = set()
    setter = _sets_aliases(host, context)
    for reading in readings:
        for name, claim in reading.claims:
            if claim.host != host:
                continue
            if claim.kind is ClaimKind.ALIAS and reading.ref != setter:
                text = f"the aliases of {host} are those of {setter}, which is older; {_outcome(claim)}"
                findings.warning(claim.source, "server-alias-unused", text)
                continue
            holder = winner(name, context)
            if holder is not None and (holder.host, holder.kind) == (host, claim.kind):
                if claim.kind is ClaimKind.ALIAS:
                    found.add(_deep(name))
            elif holder is None:
                text = f"{name} is a host of other rules and stays so; {_outcome(claim)}"
                findings.warning(claim.source, "host-name-taken", text)
            else:
                text = f"{holder.ref} has {name} already, by {holder.kind} for {holder.host}; {_outcome(claim)}"
                findings.warning(claim.source, "host-name-taken", text)
    return tuple(sorted(found))


def _deep(alias: str) -> str:
    """A wildcard alias is for any number of labels: ingress-nginx hands it to nginx as it stands."""
    return f"*{alias}" if alias.startswith("*.") else alias


def _outcome(claim: NameClaim) -> str:
    return "nothing is redirected" if claim.kind is ClaimKind.WWW else "this alias has no effect"


def www_host(name: str, claim: NameClaim, certificate: Certificate | None, code: int) -> Host:
    """The host that answers for the other form of a name."""
    return Host(
        name,
        certificate=None if certificate is None else certificate.digest,
        www=WwwRedirect(claim.host, code, claim.source),
    )

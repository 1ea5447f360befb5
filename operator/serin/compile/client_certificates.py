"""Client certificates of a host: one of its Ingresses says whose are taken, and it holds for all of the host.

nginx asks for a certificate before it knows the path. What cannot be honoured closes more than it opens: the Ingress
whose rule it is, and where the rule is the host's, all of the host.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serin.compile.canaries import CheckPattern
from serin.compile.certificates import TlsChoice
from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading
from serin.compile.secrets import SecretReader
from serin.refs import Ref, Source
from serin.routing.plan import Certificate, ClientAuth, ClientVerify, Closed


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """`auth` is the host's. `closed`: Ingresses whose rule cannot be honoured; `all_closed`: the whole host.

    `https_only`: the line for which plain requests, which can show no certificate, are redirected.
    """

    auth: ClientAuth | None = None
    certificates: tuple[Certificate, ...] = ()
    closed: Mapping[Ref, Closed] = field(default_factory=dict)
    all_closed: Closed | None = None
    https_only: Source | None = None

    def closing(self, ref: Ref) -> Closed | None:
        return self.all_closed or self.closed.get(ref)


NO_CLIENT_CERTIFICATES = ClientCertificates()


def choose_client_certificates(
    host: str,
    readings: Sequence[IngressReading],
    tls: TlsChoice,
    secrets: SecretReader,
    check: CheckPattern,
    findings: Findings,
) -> ClientCertificates:
    """`readings`: the ordinary Ingresses of the host, oldest first. The first one that asks for certificates says how.

    The others may ask for the same; one that asks for something else is closed.
    """
    asking = [(reading.ref, reading.client_auth) for reading in readings if reading.client_auth is not None]
    if not asking:
        return NO_CLIENT_CERTIFICATES
    first, asked = asking[0]
    if isinstance(asked, Closed):
        return ClientCertificates(all_closed=asked)
    found = secrets.authorities(asked.secret)
    if found.certificates is None:
        text = f"Secret {'/'.join(asked.secret)}: {found.error}; all requests for {host or 'any host'} get 503"
        findings.error(asked.source, "auth-tls-secret-unusable", text)
        return ClientCertificates(all_closed=Closed(503, "auth-tls-secret-unusable", asked.source))
    closed: dict[Ref, Closed] = {}
    for ref, other in asking:
        if isinstance(other, Closed):
            closed[ref] = other
            continue
        if (other.secret, other.verify, other.depth) != (asked.secret, asked.verify, asked.depth):
            text = f"the certificates of this host's clients are checked as {first} says, which is older"
            findings.error(other.source, "auth-tls-conflict", f"{text}; the routes of this Ingress answer 503")
            closed[ref] = Closed(503, "auth-tls-conflict", other.source)
        error = check(other.match, False) if other.match else None
        if error is not None:
            text = f"does not compile ({error}); the routes of this Ingress answer 503 until it is repaired"
            findings.error(other.match_source, "auth-tls-match-broken", text)
            closed[ref] = Closed(503, "auth-tls-match-broken", other.match_source)
    https_only = asked.source if asked.verify is ClientVerify.ON else None
    if tls.source is None:
        what = (
            "plain requests are redirected to https" if https_only else "plain requests come in without a certificate"
        )
        text = f"{host or 'the host'} has no tls section: the default certificate is shown, and {what}"
        findings.warning(asked.source, "auth-tls-without-tls", text)
    made = tuple(certificate for certificate in (found.certificates, found.revoked) if certificate is not None)
    auth = ClientAuth(
        authorities=found.certificates.digest,
        verify=asked.verify,
        source=asked.source,
        depth=asked.depth,
        revoked="" if found.revoked is None else found.revoked.digest,
        error_page=asked.error_page,
    )
    return ClientCertificates(auth, made, closed, None, https_only)

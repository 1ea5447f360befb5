"""Which certificate a host shows, and whether plain requests for it are redirected to https."""

from collections.abc import Sequence
from dataclasses import dataclass

from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading
from serin.compile.secrets import SecretReader, TlsSecret
from serin.objects.views import IngressTls
from serin.refs import Source
from serin.routing.plan import Certificate


@dataclass(frozen=True, slots=True)
class TlsChoice:
    """`certificate` None: the default one. `source`: the `tls` entry that gives the host TLS; None: nothing does."""

    certificate: Certificate | None = None
    source: Source | None = None
    names: TlsSecret | None = None

    def uncertified(self, aliases: tuple[str, ...], *, self_made: bool) -> tuple[str, ...]:
        """The aliases of a host with TLS that its certificate is not for. `self_made`: so is the default one."""
        if self.source is None:
            return ()
        if self.names is None:
            return aliases if self_made else ()
        return tuple(name for name in aliases if not self.names.fits(name.removeprefix("*")))


NO_TLS = TlsChoice()


def choose_tls(host: str, readings: Sequence[IngressReading], secrets: SecretReader, findings: Findings) -> TlsChoice:
    """The oldest `tls` entry that lists the host; else the oldest whose certificate is for it; else the default one.

    Any `tls` section of an Ingress with the host makes it a host with TLS, also one that lists other hosts only, or
    whose Secret is missing (as ingress-nginx does). `readings` are ordinary Ingresses.
    """
    entries = [(reading, entry) for reading in readings for entry in reading.ingress.tls]
    if not entries:
        return NO_TLS
    for reading, entry in entries:
        if host in entry.hosts:
            return _listed(host, reading, entry, secrets, findings)
    for reading, entry in entries:
        if entry.secret:
            found = secrets.certificate((reading.ref.namespace, entry.secret))
            if found.certificate is None:
                _broken(reading, entry, found, findings)
            elif found.fits(host):
                return TlsChoice(found.certificate, entry.source, found)
    return TlsChoice(None, entries[0][1].source)


def _listed(
    host: str, reading: IngressReading, entry: IngressTls, secrets: SecretReader, findings: Findings
) -> TlsChoice:
    if not entry.secret:
        return TlsChoice(None, entry.source)
    found = secrets.certificate((reading.ref.namespace, entry.secret))
    if found.certificate is None:
        _broken(reading, entry, found, findings)
    elif not found.fits(host):
        listed = ", ".join(sorted(found.names)) or "no name"
        text = f"the certificate of Secret {entry.secret} is for {listed}, not for {host}; the default one is shown"
        findings.error(entry.source, "certificate-name-mismatch", text)
    else:
        return TlsChoice(found.certificate, entry.source, found)
    return TlsChoice(None, entry.source)


def _broken(reading: IngressReading, entry: IngressTls, found: TlsSecret, findings: Findings) -> None:
    where = f"Secret {reading.ref.namespace}/{entry.secret}"
    findings.error(entry.source, "certificate-unusable", f"{where}: {found.error}; the default certificate is shown")

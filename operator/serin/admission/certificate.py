"""The certificate that the webhook shows, taken from two files and taken up anew when they change.

A mounted Secret changes by a symlink put in the place of another, both files at once; whoever writes them by hand, one
after the other. A pair that cannot be used is told once and leaves the last good one in force. Never logs a key.
"""

import hashlib
import logging
import ssl
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from serin.telemetry import log

_log = logging.getLogger("serin.admission")


class CertificateFiles(NamedTuple):
    """`tls.crt` (the chain, leaf first) and `tls.key` of a mounted Secret, both PEM."""

    certificate: Path
    key: Path


class ServedCertificate:
    """`context` is for the listening socket: each handshake shows the certificate that is in force then."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._taken = ""
        self._told = ""
        self._current: ssl.SSLContext | None = None
        self._listening: ssl.SSLContext | None = None
        self.not_after = 0.0
        """Seconds since the epoch; 0 without a certificate."""

    @property
    def context(self) -> ssl.SSLContext | None:
        """None until there is a usable pair; the same from then on."""
        return self._listening

    def look(self) -> bool:
        """Read the files; True when another pair came into force."""
        try:
            chain, key = self._files.certificate.read_bytes(), self._files.key.read_bytes()
        except OSError as error:
            self._refuse(str(error), log.WEBHOOK_CERTIFICATE_MISSING, error)
            return False
        digest = hashlib.sha256(chain + b"\0" + key).hexdigest()
        if digest == self._taken:
            return False
        try:
            made = self._make()
            not_after = x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc
        except Exception as error:  # whatever a library says of it: it is not taken
            self._refuse(digest, log.WEBHOOK_CERTIFICATE_REFUSED, error)
            return False
        self._taken, self._told, self._current, self.not_after = digest, "", made, not_after.timestamp()
        if self._listening is None:
            self._listening = made
            self._listening.sni_callback = self._show
        log.event(_log, log.WEBHOOK_CERTIFICATE_TAKEN, file=self._files.certificate, not_after=not_after.isoformat())
        return True

    def _make(self) -> ssl.SSLContext:
        """A context of its own, so that a pair is in force as a whole or not at all."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        # An empty password instead of a question on the terminal.
        context.load_cert_chain(self._files.certificate, self._files.key, password="")
        return context

    def _show(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called with each handshake, also where the client names no host."""
        if self._current is not None:
            handshake.context = self._current

    def _refuse(self, what: str, event: str, error: Exception) -> None:
        if what == self._told:
            return
        self._told = what
        kept = "the last good one" if self._current is not None else "none"
        files = " ".join(str(file) for file in self._files)
        log.event(_log, event, level=logging.WARNING, files=files, error=str(error), in_force=kept)

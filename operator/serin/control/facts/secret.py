"""What replicas know each other by: a Secret mounted as a folder, with a certificate and a token that all of them have.

Read anew when it changes. A set that cannot be used is told once and leaves the last good one in force. No key and no
token is ever logged.
"""

import hashlib
import hmac
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from serin.errors import SerinError
from serin.telemetry import log

SERVER_NAME = "serin-facts"
"""What the certificate is for, at whichever address a replica is: addresses of pods come and go."""
FILES = ("ca.crt", "tls.crt", "tls.key", "token")
SHORTEST = 16
"""Characters of a token."""

_log = logging.getLogger("serin.control.facts")


class NoSecretError(SerinError):
    """There is none that can be used; says why."""


@dataclass(frozen=True, slots=True)
class Material:
    """Made of one reading of all files. `server` shows the certificate, `client` checks that of others."""

    digest: str
    server: ssl.SSLContext = field(repr=False)
    client: ssl.SSLContext = field(repr=False)
    token: str = field(repr=False)

    @property
    def authorization(self) -> str:
        return f"Bearer {self.token}"

    def allows(self, authorization: str) -> bool:
        """In a time that says nothing about how much of it is right."""
        given = hashlib.sha256(authorization.encode(errors="replace")).digest()
        return hmac.compare_digest(given, hashlib.sha256(self.authorization.encode()).digest())


class SharedSecret:
    """`folder` has ca.crt, tls.crt, tls.key (PEM) and token, as a mounted Secret has them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._material: Material | None = None
        self._refused = ""

    def look(self) -> Material:
        """What holds now. NoSecretError while there was none that could be used."""
        try:
            texts = [(self._folder / name).read_bytes() for name in FILES]
            digest = hashlib.sha256(b"\0".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()
            if self._material is None or digest != self._material.digest:
                self._material = self._make(digest, *texts)
                self._refused = ""
                log.event(_log, log.FACTS_TRUST_TAKEN, folder=self._folder)
        except (OSError, ValueError, ssl.SSLError) as error:
            self._refuse(str(error))
            if self._material is None:
                raise NoSecretError(f"{self._folder}: {error}") from error
        return self._material

    def _make(self, digest: str, authority: bytes, _chain: bytes, _key: bytes, token: bytes) -> Material:
        word = token.decode("ascii").strip()
        if len(word) < SHORTEST or not word.isprintable() or " " in word:
            raise ValueError(f"token: expected a word of at least {SHORTEST} characters")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.minimum_version = ssl.TLSVersion.TLSv1_2
        server.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        # An empty password instead of a question on the terminal.
        server.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key", password="")
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.minimum_version = ssl.TLSVersion.TLSv1_2
        client.load_verify_locations(cadata=authority.decode("ascii"))
        return Material(digest, server, client, word)

    def _refuse(self, why: str) -> None:
        if why != self._refused:
            self._refused = why
            kept = "the last good one" if self._material is not None else "none"
            log.event(_log, log.FACTS_TRUST_REFUSED, level=logging.WARNING, why=why, in_force=kept)

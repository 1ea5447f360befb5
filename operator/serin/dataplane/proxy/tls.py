"""TLS on the listening side: the certificate is chosen by the name that the client asks for, at each handshake.

Contexts are made once for a certificate (by its digest), so a changed certificate takes effect with the next handshake
and connections that stand go on with theirs. Key material is read by OpenSSL from its file, never through Python.
"""

import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

MAX_CONTEXTS = 4096
"""Contexts kept; beyond it the one unused for the longest time is made anew when it is asked for again."""
RETRY_SECONDS = 1.0
"""After so long a certificate that could not be loaded is tried again: what was in the way may be gone."""

log = logging.getLogger(__name__)


class TlsContexts:
    """`path_of` gives the PEM file (chain, then key) of a certificate by digest; `fallback` serves all other names.

    Raises OSError or ssl.SSLError when the fallback cannot be loaded: without it no handshake could be answered.
    """

    def __init__(
        self, path_of: Callable[[str], Path], fallback: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path_of = path_of
        self._clock = clock
        self._fallback = server_context(fallback)
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._failed: dict[str, float] = {}

    def context(self, digest: str | None) -> ssl.SSLContext:
        """The context of a certificate; the fallback's for None, and for one that cannot be loaded."""
        if digest is None:
            return self._fallback
        context = self._contexts.get(digest)
        if context is None:
            return self._load(digest)
        self._contexts.move_to_end(digest)
        return context

    def listening(self, certificate_of: Callable[[str], str | None]) -> ssl.SSLContext:
        """The context of the listening sockets. `certificate_of` names the certificate of a host, or None."""

        def choose(handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            handshake.context = self.context(certificate_of((name or "").lower().rstrip(".")))

        context = _bare_context()
        context.sni_callback = choose  # called for clients that name no host as well
        return context

    def _load(self, digest: str) -> ssl.SSLContext:
        now = self._clock()
        if self._failed.get(digest, now) > now:
            return self._fallback
        try:
            context = server_context(self._path_of(digest))
        except OSError:  # ssl.SSLError is one
            log.exception("certificate %s cannot be loaded; its hosts get the default certificate", digest)
            self._failed = {of: until for of, until in self._failed.items() if until > now}
            self._failed[digest] = now + RETRY_SECONDS
            return self._fallback
        self._contexts[digest] = context
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
        return context


def server_context(pem: Path) -> ssl.SSLContext:
    context = _bare_context()
    context.load_cert_chain(pem)
    return context


def _bare_context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with OpenSSL's own choice of ciphers; HTTP/1.1 by ALPN (RFC 7301)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_IGNORE_UNEXPECTED_EOF | ssl.OP_SINGLE_ECDH_USE
    context.set_alpn_protocols(["http/1.1"])
    return context

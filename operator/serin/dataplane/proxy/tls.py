"""TLS on the listening side: the certificate is chosen by the name that the client asks for, at each handshake.

Contexts are made once for a certificate (by its digest), so a changed certificate takes effect with the next handshake
and connections that stand go on with theirs. Key material is read by OpenSSL from its file, never through Python.
"""

import contextlib
import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from serin.dataplane.proxy.endpoint_tls import limit_protocols
from serin.routing.wide import ClientTls

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
        self._fallback_path = fallback
        self._tls = ClientTls()
        self._fallback = server_context(fallback)
        self._listening: list[ssl.SSLContext] = []
        self._contexts: OrderedDict[tuple[str, str], ssl.SSLContext] = OrderedDict()
        self._failed: dict[str, float] = {}

    def apply(self, tls: ClientTls) -> None:
        """From the next handshake on by these settings. A list of ciphers that OpenSSL refuses counts as none."""
        if tls == self._tls:
            return
        try:
            self._fallback = server_context(self._fallback_path, tls)
        except OSError:
            log.exception("the default certificate cannot be loaded; TLS goes on by the settings before")
            return
        self._tls = tls
        self._contexts.clear()
        for context in self._listening:
            _configure(context, tls, "")

    def context(self, digest: str | None, ciphers: str = "") -> ssl.SSLContext:
        """The context of a certificate; the fallback's for None, and for one that cannot be loaded.

        `ciphers`: the host's own (ssl-ciphers); which versions are spoken is the settings' for all.
        """
        if digest is None:
            return self._fallback
        context = self._contexts.get((digest, ciphers))
        if context is None:
            return self._load(digest, ciphers)
        self._contexts.move_to_end((digest, ciphers))
        return context

    def listening(
        self, certificate_of: Callable[[str], str | None], ciphers_of: Callable[[str], str] = lambda name: ""
    ) -> ssl.SSLContext:
        """The context of the listening sockets. `certificate_of` names the certificate of a host, or None."""

        def choose(handshake: ssl.SSLObject | ssl.SSLSocket, sent: str | None, _: ssl.SSLContext) -> None:
            name = (sent or "").lower().rstrip(".")
            handshake.context = self.context(certificate_of(name), ciphers_of(name))

        context = _bare_context(self._tls)
        context.sni_callback = choose  # called for clients that name no host as well
        self._listening.append(context)
        return context

    def _load(self, digest: str, ciphers: str) -> ssl.SSLContext:
        now = self._clock()
        if self._failed.get(digest, now) > now:
            return self._fallback
        try:
            context = server_context(self._path_of(digest), self._tls, ciphers)
        except OSError:  # ssl.SSLError is one
            log.exception("certificate %s cannot be loaded; its hosts get the default certificate", digest)
            self._failed = {of: until for of, until in self._failed.items() if until > now}
            self._failed[digest] = now + RETRY_SECONDS
            return self._fallback
        self._contexts[digest, ciphers] = context
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
        return context


def server_context(pem: Path, tls: ClientTls | None = None, ciphers: str = "") -> ssl.SSLContext:
    context = _bare_context(tls or ClientTls(), ciphers)
    context.load_cert_chain(pem)
    return context


def _bare_context(tls: ClientTls, ciphers: str = "") -> ssl.SSLContext:
    """HTTP/1.1 by ALPN (RFC 7301)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_IGNORE_UNEXPECTED_EOF | ssl.OP_SINGLE_ECDH_USE
    context.set_alpn_protocols(["http/1.1"])
    _configure(context, tls, ciphers)
    return context


def _configure(context: ssl.SSLContext, tls: ClientTls, ciphers: str) -> None:
    """Versions, ciphers, curve and tickets. Python's contexts have no list of curves, and no say in session caches."""
    limit_protocols(context, tls.protocols)
    _set(context, ssl.OP_CIPHER_SERVER_PREFERENCE, on=tls.prefer_server_ciphers)
    _set(context, ssl.OP_NO_TICKET, on=not tls.tickets)
    for text in (ciphers, tls.ciphers, "DEFAULT"):
        with contextlib.suppress(ssl.SSLError):
            if text:
                context.set_ciphers(text)
                break
    if tls.curves and tls.curves != "auto" and ":" not in tls.curves:
        with contextlib.suppress(ValueError, ssl.SSLError):
            context.set_ecdh_curve(tls.curves)


def _set(context: ssl.SSLContext, option: ssl.Options, *, on: bool) -> None:
    if on:
        context.options |= option
    else:
        context.options &= ~option

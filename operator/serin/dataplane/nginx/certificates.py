"""A link for each name with a certificate, which nginx reads at each handshake: renewal needs no reload.

Links are swapped by rename, so that a handshake finds the certificate before or after. A PEM that OpenSSL cannot load
is not linked to: what was there stays. Key material is read by OpenSSL from its file, never through Python.
"""

import contextlib
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

from serin.routing.identity import digest64
from serin.telemetry import log

DEFAULT = "default.pem"
TRIES = 30
"""How often a certificate that cannot be loaded is said to be worth another try: its file may only be on its way."""
_log = logging.getLogger(__name__)


def loads(pem: Path) -> None:
    """OSError (ssl.SSLError is one) when OpenSSL cannot serve with chain and key of this file."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pem)


def link_name(name: str) -> str:
    """The link of a host name, without user text in it."""
    return f"{digest64((name,))}.pem"


class Certificates:
    """Links in `folder`, to files in `tls`; `own` is the data plane's own certificate, the last resort."""

    def __init__(self, folder: Path, tls: Path, own: Path, check: Callable[[Path], None] = loads) -> None:
        self._folder = folder
        self._tls = tls
        self._own = own
        self._check = check
        self._sound: set[str] = set()
        self._refused: dict[str, int] = {}

    def put(self, certified: Mapping[str, str], default: str | None) -> None:
        """Names to digests, and the default certificate's digest: in force with the next handshake.

        Links of other names stay: nginx asks for them until it is reloaded. OSError when a link cannot be made.
        """
        wanted = set(certified.values()) | ({default} if default else set())
        self._sound &= wanted
        self._refused = {digest: tries for digest, tries in self._refused.items() if digest in wanted}
        self._point(DEFAULT, self._file(default), self._own, keep=bool(default))
        fallback = self._folder / DEFAULT
        for name, digest in certified.items():
            self._point(link_name(name), self._file(digest), fallback, keep=True)

    def retire(self, certified: Mapping[str, str]) -> None:
        """nginx asks for no other names than these any more."""
        kept = {DEFAULT, *(link_name(name) for name in certified)}
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)

    @property
    def waiting(self) -> bool:
        """Some certificate could not be loaded: `put` again later."""
        return any(tries < TRIES for tries in self._refused.values())

    def _file(self, digest: str | None) -> Path | None:
        """None for a certificate that cannot be served with."""
        if not digest:
            return None
        path = self._tls / f"{digest}.pem"
        if digest in self._sound:
            return path
        try:
            self._check(path)
        except OSError as error:
            if digest not in self._refused:
                log.event(_log, log.CERTIFICATE_REFUSED, level=logging.ERROR, certificate=digest, error=str(error))
            self._refused[digest] = self._refused.get(digest, 0) + 1
            return None
        self._sound.add(digest)
        self._refused.pop(digest, None)
        return path

    def _point(self, name: str, target: Path | None, fallback: Path, *, keep: bool) -> None:
        """Without a target the link stays as it is (`keep`) while it leads somewhere, else it leads to the fallback."""
        link = self._folder / name
        if target is None:
            if keep and link.exists():
                return
            target = fallback
        text = os.path.relpath(target, self._folder)
        with contextlib.suppress(OSError):
            if link.readlink() == Path(text):
                return
        fresh = self._folder / f".{name}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(text)
        fresh.replace(link)

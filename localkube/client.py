"""Plain JSON requests to an API server or etcd, for setting up and asking in tests; no retries, no caches."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from localkube.errors import LocalKubeError
from localkube.pki import KeyPair

_TIMEOUT = 30.0
_TYPES = {"PATCH": "application/merge-patch+json"}


class RequestFailedError(LocalKubeError):
    """An answer other than 2xx; `status` is 0 when there was no answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}" if status else text)
        self.status = status


class Client:
    """One server and one client certificate; certificates are read with each request, so they may be renewed."""

    def __init__(self, server: str, authority: Path | None = None, identity: KeyPair | None = None) -> None:
        self.server = server
        self._authority = authority
        self._identity = identity

    def request(self, method: str, path: str, body: Any = None, *, timeout: float = _TIMEOUT) -> Any:
        """The answer's JSON, or its text when it is none."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": _TYPES.get(method, "application/json"), "Accept": "application/json"}
        request = urllib.request.Request(self.server + path, data, headers, method=method)  # noqa: S310  ours
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._context()) as answer:  # noqa: S310
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RequestFailedError(error.code, error.read().decode(errors="replace")) from error
        except OSError as error:
            raise RequestFailedError(0, f"{method} {self.server}{path}: {error}") from error
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _context(self) -> ssl.SSLContext | None:
        if self._authority is None or self._identity is None:
            return None
        context = ssl.create_default_context(cafile=str(self._authority))
        context.load_cert_chain(self._identity.certificate, self._identity.key)
        return context

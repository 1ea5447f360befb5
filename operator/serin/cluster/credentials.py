"""What each call proves its caller by: a token from its file, a token or certificate of a plugin, a name and password.

Token files are read for each call: the kubelet replaces them long before they expire. A plugin's answer is kept until
shortly before it expires, or until the API server refuses it.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serin.cluster.server import Connection, ExecPlugin
from serin.errors import SerinError

PLUGIN_TIMEOUT = 30.0
"""Seconds that a plugin may take."""
EARLY = 60.0
"""Seconds before the end of its life that a plugin's credential is replaced."""


class CredentialError(SerinError):
    """No token or certificate could be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """`authorization` is the header's value; certificate and key (PEM) only where a plugin gave them."""

    authorization: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: float | None = None
    """Seconds since the epoch."""


class Credentials:
    """One for each event loop that talks to the API server."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._plugin: ExecPlugin | None = None
        self._kept: Credential | None = None
        self._lock = asyncio.Lock()

    async def read(self, connection: Connection, *, anew: bool = False) -> Credential:
        """`anew`: what was given last has been refused. CredentialError when there should be one and is none."""
        if connection.plugin is not None:
            return await self._of_plugin(connection.plugin, anew)
        if connection.token_file:
            return _of_file(connection.token_file)
        if connection.token:
            return Credential(authorization=f"Bearer {connection.token}")
        if connection.username:
            pair = f"{connection.username}:{connection.password}".encode()
            return Credential(authorization="Basic " + base64.b64encode(pair).decode())
        return Credential()

    async def _of_plugin(self, plugin: ExecPlugin, anew: bool) -> Credential:
        refused = self._kept if anew else None
        async with self._lock:
            kept = self._kept if self._plugin == plugin else None
            expired = kept is not None and kept.expires is not None and self._clock() >= kept.expires - EARLY
            # While we waited for the lock another call may have replaced what was refused.
            if kept is None or expired or (anew and kept is refused):
                kept = _credential(plugin, await _run(plugin))
                self._plugin, self._kept = plugin, kept
            return kept


def _of_file(path: str) -> Credential:
    try:
        token = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"cannot read the token in {path}: {error}") from error
    if not token:
        raise CredentialError(f"the token in {path} is empty")
    return Credential(authorization=f"Bearer {token}")


async def _run(plugin: ExecPlugin) -> bytes:
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(info)}
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )
    except OSError as error:
        raise CredentialError(f"the kubeconfig's plugin {plugin.command} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(PLUGIN_TIMEOUT):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise CredentialError(f"the kubeconfig's plugin {plugin.command} took over {PLUGIN_TIMEOUT:g} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(err.decode(errors="replace").split())[-300:]
        raise CredentialError(f"the kubeconfig's plugin {plugin.command} ended with {process.returncode}: {said}")
    return out


def _credential(plugin: ExecPlugin, out: bytes) -> Credential:
    try:
        status: Any = json.loads(out)["status"]
        token, certificate = status.get("token") or "", status.get("clientCertificateData") or ""
        key, until = status.get("clientKeyData") or "", status.get("expirationTimestamp")
        expires = dt.datetime.fromisoformat(until).timestamp() if until else None
        if not (token or (certificate and key)):
            raise ValueError("neither token nor clientCertificateData and clientKeyData")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CredentialError(
            f"the kubeconfig's plugin {plugin.command} did not print an ExecCredential with a status: {error}"
        ) from error
    return Credential(f"Bearer {token}" if token else "", certificate, key, expires)

"""The TLS side of a connection, from PEM texts in memory.

OpenSSL loads a client's certificate and key only from files: they are shown to it in a file that lives in memory, so
that no key of a kubeconfig or plugin comes to lie on a disk.
"""

import os
import ssl

from serin.cluster.credentials import Credential
from serin.cluster.server import Connection
from serin.errors import UsageError


def tls_context(connection: Connection, credential: Credential) -> ssl.SSLContext | None:
    """None for an http:// server. The plugin's certificate goes before the kubeconfig's."""
    if not connection.server.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cadata=connection.ca or None)
        if connection.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = credential.certificate, credential.key
        if not certificate:
            certificate, key = connection.certificate, connection.key
        if certificate:
            _load(context, certificate + "\n" + key)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"the CA, client certificate or key for {connection.server} is not usable: {error}") from error
    return context


def _load(context: ssl.SSLContext, chain_and_key: str) -> None:
    handle = os.memfd_create("serin-client-certificate", os.MFD_CLOEXEC)
    try:
        with open(handle, "w", closefd=False) as file:
            file.write(chain_and_key)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)

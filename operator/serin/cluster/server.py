"""What is known of an API server and of who we are to it: contents, not paths.

Made again and compared by fingerprint it tells whether a CA or a client certificate was replaced. Tokens are not part
of that, because they rotate and are read again for each call. Nothing is read or sent from here.
"""

import hashlib
from dataclasses import dataclass, field

EXEC_API = "client.authentication.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """The command of a kubeconfig that prints an ExecCredential (client.authentication.k8s.io)."""

    command: str
    """A name for PATH, or an absolute path."""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = EXEC_API


@dataclass(frozen=True, slots=True)
class Connection:
    """`server` is a URL without a slash at its end. Certificates and keys are PEM texts, empty where there are none."""

    server: str
    ca: str = field(default="", repr=False)
    insecure: bool = False
    """The server's certificate is not verified."""
    server_name: str = ""
    """Expected in the server's certificate instead of the URL's host."""
    proxy: str = field(default="", repr=False)
    """A URL, with name and password where the proxy asks for them."""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Goes before `token`; read anew for each call, because bound tokens rotate."""
    username: str = ""
    password: str = field(default="", repr=False)
    plugin: ExecPlugin | None = None
    namespace: str = ""
    """Of the kubeconfig's context, or of the pod."""

    @property
    def fingerprint(self) -> str:
        """Differs when a client made from it would be another one; tokens do not count."""
        parts = (self.server, self.ca, str(self.insecure), self.server_name, self.proxy, self.certificate, self.key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

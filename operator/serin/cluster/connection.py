"""Where the API server is and how to prove who we are: from flags, a kubeconfig, or the pod we run in.

Called again, the same arguments tell what is there now: a replaced CA or certificate shows in the fingerprint. What is
wrong ends as a UsageError of one sentence. Nothing is sent from here.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from serin.cluster.kubeconfig import read_kubeconfig, read_text
from serin.cluster.server import Connection, ExecPlugin
from serin.errors import UsageError

__all__ = ["ACCOUNT", "Connection", "ExecPlugin", "in_pod", "own_namespace", "read_connection"]

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's service account."""
DEFAULT_NAMESPACE = "default"


def read_connection(
    kubeconfig: Path | None = None,
    server: str = "",
    ca: Path | None = None,
    *,
    context: str = "",
    environ: Mapping[str, str] = os.environ,
    account: Path = ACCOUNT,
) -> Connection:
    """--kubeconfig; else the pod's service account; else KUBECONFIG; else ~/.kube/config.

    With a `context` (--context) of these it is a kubeconfig, in a pod too.

    `server` (--apiserver-host) and `ca` (--certificate-authority) replace what was found. UsageError when there is
    nothing to connect with, or when a file that is named cannot be used.
    """
    if kubeconfig is not None:
        found = read_kubeconfig([kubeconfig], context)
    elif not context and in_pod(environ, account):
        found = _of_pod(environ, account)
    else:
        named = _existing([Path(text) for text in environ.get("KUBECONFIG", "").split(os.pathsep) if text])
        usual = Path(environ.get("HOME") or "/") / ".kube" / "config"
        paths = named or ([usual] if usual.exists() else [])
        if not paths and not server:
            raise UsageError(
                "there is no Kubernetes API server to connect to: this is not a pod with a service account, "
                f"KUBECONFIG is not set and {usual} does not exist; name one by --kubeconfig or --apiserver-host"
            )
        found = read_kubeconfig(paths, context) if paths else Connection(server="")
    if server:
        found = replace(found, server=server.rstrip("/"))
    if ca is not None:
        found = replace(found, ca=read_text(ca, "--certificate-authority"))
    _check_server(found.server)
    return found


def in_pod(environ: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> bool:
    """This process runs in a pod that has a service account."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and (account / "token").exists()


def own_namespace(connection: Connection, environ: Mapping[str, str] = os.environ) -> str:
    """Where the Lease lies: POD_NAMESPACE, else the namespace of the context or pod, else `default`."""
    return environ.get("POD_NAMESPACE", "") or connection.namespace or DEFAULT_NAMESPACE


def _of_pod(environ: Mapping[str, str], account: Path) -> Connection:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT") or "443"
    bracketed = f"[{host}]" if ":" in host else host
    namespace = account / "namespace"
    return Connection(
        server=f"https://{bracketed}:{port}",
        ca=read_text(account / "ca.crt", "the pod's service account"),
        token_file=str(account / "token"),
        namespace=namespace.read_text().strip() if namespace.exists() else "",
    )


def _existing(paths: list[Path]) -> list[Path]:
    """Of several files those that are there, as kubectl takes them; when none is, the first is to be complained of."""
    return [path for path in paths if path.exists()] or paths[:1]


def _check_server(server: str) -> None:
    if "@" in server:  # not shown: there may be a password in it
        raise UsageError("the API server's address must not hold a name or password; a user of a kubeconfig may")
    try:
        parts = urlsplit(server)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"the API server's address {server!r} is not a URL as https://host:6443")

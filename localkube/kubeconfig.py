"""Kubeconfig files. Credentials are named by path, not copied in: renewed files count at once."""

import json
from pathlib import Path
from typing import Any

from localkube.pki import KeyPair


def with_certificate(path: Path, server: str, authority: Path, identity: KeyPair) -> Path:
    """Written to `path`, which is given back."""
    user = {"client-certificate": str(identity.certificate), "client-key": str(identity.key)}
    return _write(path, server, authority, user, "default")


def with_token(path: Path, server: str, authority: Path, token: Path, namespace: str) -> Path:
    """A token read from its file by the client, as in a pod; `namespace` is the context's."""
    return _write(path, server, authority, {"tokenFile": str(token)}, namespace)


def _write(path: Path, server: str, authority: Path, user: dict[str, Any], namespace: str) -> Path:
    context = {"cluster": "local", "user": "local", "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "local", "user": user}],
        "contexts": [{"name": "local", "context": context}],
        "current-context": "local",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1))  # JSON is YAML
    return path

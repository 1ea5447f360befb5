"""The API server's audit log: who asked for what. Proves what a program wrote and which rights it used.

Policy: every request at its end (a watch at its beginning, too), writes with their bodies, but for Secrets and tokens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {
            "level": "Metadata",
            "resources": [
                {"group": "", "resources": ["secrets", "serviceaccounts/token"]},
                {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
            ],
        },
        {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "Metadata"},
    ],
}
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `resource` is `ingresses` or `ingresses/status`; empty for paths that are no resource."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    path: str
    status: int
    body: Any = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def writes(self) -> bool:
        """Whether it was to change something, allowed or not."""
        return self.verb in WRITES

    @property
    def forbidden(self) -> bool:
        """Whether the user has no right to it. A namespace that is being deleted takes nothing new with a 403, too."""
        return bool(self.raw.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid")


def read_entry(line: str) -> Entry:
    """One line of the log (audit.k8s.io/v1 Event)."""
    raw = json.loads(line)
    target = raw.get("objectRef", {})
    parts = [target.get("resource", ""), target.get("subresource", "")]
    who = raw.get("impersonatedUser") or raw.get("user", {})
    return Entry(
        user=who.get("username", ""),
        verb=raw.get("verb", ""),
        group=target.get("apiGroup", ""),
        resource="/".join(filter(None, parts)),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        path=raw.get("requestURI", ""),
        status=raw.get("responseStatus", {}).get("code", 0),
        body=raw.get("requestObject"),
        raw=raw,
    )


class AuditLog:
    """Read as it grows: each line once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._entries: list[Entry] = []

    def entries(self) -> list[Entry]:
        """All so far, in the order they were written."""
        if self.path.exists():
            with self.path.open("rb") as log:
                log.seek(self._offset)
                data = log.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            self._entries += [read_entry(line) for line in whole.decode().splitlines() if line]
        return list(self._entries)

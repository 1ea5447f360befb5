"""Names of Kubernetes objects, and of places inside them.

Every value that Serin derives carries the object and field it came from, so that a problem, an Event or
`serin explain` can point at the line to change. This module must not import anything of Serin.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """An object's name. `namespace` is empty for cluster-scoped kinds and for files."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A field of an object, as a user would write its path: `spec.rules[0].host`."""

    ref: Ref
    field: str = ""

    def __str__(self) -> str:
        return f"{self.ref}: {self.field}" if self.field else str(self.ref)

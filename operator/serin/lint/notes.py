"""Notes: what happens as asked for and surprises people, or differs from ingress-nginx; each with an example request.

Made of one compile's plan and readings, host by host, only where the objects at hand make it real. Notes are Problems
of severity info: no Event, no warning of the admission webhook.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from serin.compile.compiler import Compiled
from serin.compile.ingresses import IngressReading
from serin.lint import note_hosts, note_routes
from serin.lint.note import Note
from serin.routing.plan import Host


@dataclass(frozen=True, slots=True)
class _At:
    """A host as compiled, and the Ingresses that serve it."""

    host: Host
    readings: tuple[IngressReading, ...]


def notes_of(compiled: Compiled) -> tuple[Note, ...]:
    """All notes, sorted by object and field, each once."""
    found: set[Note] = set()
    for at in _hosts(compiled):
        found.update(note_hosts.notes(at.host, at.readings, compiled.plan, compiled.memo.snapshot))
        found.update(note_routes.notes(at.host, at.readings))
    found.update(note_routes.siblings(compiled.plan))
    found.update(note_routes.mixed(compiled.plan))
    return tuple(sorted(found, key=lambda note: (note.problem, note.request)))


def _hosts(compiled: Compiled) -> Iterator[_At]:
    for name, host in compiled.plan.hosts.items():
        members = compiled.memo.members.get(name) or ()
        yield _At(host, tuple(r for r in members if r.served and not r.is_canary))

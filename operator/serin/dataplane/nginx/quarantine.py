"""What is kept out of nginx.conf because nginx refused it: found inside a host, and told in state/quarantine.json.

The least is taken away that nginx accepts: the routes of the guilty objects answer 503; where even that is refused they
are left out; as the last step the whole host answers 503, or is not there. All else of the host goes live.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from serin.dataplane.nginx.culprits import Verdict, culprits
from serin.refs import Ref
from serin.render.atomic import write_file
from serin.render.nginx.closing import close, close_host, leave_out, objects_of
from serin.routing.plan import Host

VERSION = 1
FILE_MODE = 0o640


class Level(IntEnum):
    """What becomes of an object's routes on a host."""

    CLOSED = 1
    LEFT_OUT = 2


@dataclass(frozen=True, slots=True)
class Cure:
    """How a host is made acceptable. `whole`: nothing of it is served but 503; `absent`: not even that."""

    objects: Mapping[Ref, Level]
    errors: Mapping[Ref, str]
    whole: bool = False
    absent: bool = False

    def __call__(self, host: Host) -> Host | None:
        """The host as it is to be rendered; None: not at all."""
        if self.absent:
            return None
        if self.whole:
            return close_host(host)
        for ref, level in self.objects.items():
            host = close(host, ref) if level is Level.CLOSED else leave_out(host, ref)
        return host


TryHost = Callable[[Host], Verdict[Ref]]
"""Whether nginx takes a host in this form, beside nothing but the base."""


def cure(host: Host, error: str, attempt: TryHost) -> Cure:
    """The smallest `Cure` for a host that nginx refused with `error`."""
    objects = objects_of(host)
    empty = _without(host, objects)
    if attempt(empty).error:
        return whole(host, error, attempt)
    found = culprits(objects, lambda kept: attempt(_without(host, [ref for ref in objects if ref not in kept])))
    levels: dict[Ref, Level] = {}
    for ref in found.guilty:
        levels[ref] = Level.CLOSED
        if attempt(_treated(host, levels, objects, found.good)).error:
            levels[ref] = Level.LEFT_OUT
    return Cure(levels, found.guilty)


def whole(host: Host, error: str, attempt: TryHost) -> Cure:
    absent = bool(attempt(close_host(host)).error)
    objects = objects_of(host)
    return Cure({}, dict.fromkeys(objects, error), whole=True, absent=absent)


def _without(host: Host, refs: Iterable[Ref]) -> Host:
    for ref in refs:
        host = leave_out(host, ref)
    return host


def _treated(host: Host, levels: Mapping[Ref, Level], objects: Iterable[Ref], good: Iterable[Ref]) -> Host:
    """The good objects, and the guilty ones that were treated so far; others are left out."""
    kept = {*good, *levels}
    return Cure(levels, {})(_without(host, [ref for ref in objects if ref not in kept])) or host


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object that nginx refused on a host. `since` in seconds since 1970."""

    ref: Ref
    host: str
    error: str
    since: int = 0


def document(objects: Sequence[Quarantined]) -> bytes:
    """state/quarantine.json."""
    listed = [
        {
            "kind": one.ref.kind,
            "namespace": one.ref.namespace,
            "name": one.ref.name,
            "host": one.host,
            "error": one.error,
            "since": one.since,
        }
        for one in objects
    ]
    return json.dumps({"version": VERSION, "objects": listed}, indent=1, ensure_ascii=False).encode() + b"\n"


class QuarantineFile:
    """Written when it changes. `clock`: seconds since 1970."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._written: bytes | None = None
        self._since: dict[tuple[Ref, str], int] = _former(path)

    def put(self, objects: Sequence[Quarantined]) -> tuple[Quarantined, ...]:
        """All objects in quarantine now; gives them with their times. OSError when it cannot be written."""
        now = int(self._clock())
        since = {(one.ref, one.host): self._since.get((one.ref, one.host), now) for one in objects}
        dated = tuple(
            Quarantined(one.ref, one.host, one.error, since[(one.ref, one.host)])
            for one in sorted(objects, key=lambda one: (one.ref, one.host))
        )
        data = document(dated)
        if data != self._written:
            write_file(self._path, data, FILE_MODE)
        self._written, self._since = data, since
        return dated


def _former(path: Path) -> dict[tuple[Ref, str], int]:
    """Since when objects were there, from a data plane before this one."""
    try:
        objects = json.loads(path.read_bytes())["objects"]
        return {
            (Ref(str(o["kind"]), str(o["namespace"]), str(o["name"])), str(o["host"])): int(o["since"]) for o in objects
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}

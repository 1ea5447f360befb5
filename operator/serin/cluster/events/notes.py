"""From problems to what is told on which object. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from serin.cluster.kinds import INGRESS
from serin.problems import Problem, Severity
from serin.refs import Ref

MESSAGE_BYTES = 1024
"""The API server takes no longer message."""
FAN_OUT = 20
"""Ingresses on which a problem of another object is told: one IngressClass may have thousands."""
_CUT = " …"
_WORDS = {"canaryroute": "CanaryRoute"}
"""Words of codes that are written otherwise in a reason."""


@dataclass(frozen=True, slots=True)
class About:
    """An object that exists, as an Event has to name it for `kubectl describe` to find it."""

    ref: Ref
    uid: str
    api_version: str


@dataclass(frozen=True, slots=True)
class Note:
    """One Event's content; equal notes are counted in one Event. `warning`: type Warning, else Normal."""

    about: About
    reason: str
    message: str
    warning: bool = True
    error: bool = field(default=False, compare=False)
    """Told before others: something that was asked for does not happen."""
    passing: bool = field(default=False, compare=False)
    """It happened, once, and is told at once and once, also as a warning: nothing that lasts."""


Find = Callable[[Ref], About | None]
"""None when there is no such object."""
Concerned = Callable[[Ref], Iterable[Ref]]
"""The Ingresses that an object has to do with."""


def notes_of(problem: Problem, find: Find, concerned: Concerned, own: About | None) -> Iterator[Note]:
    """On the object itself, if it exists, and on the Ingresses concerned; what can be told on neither, on our own pod.

    An object that is not there has nothing to tell it on: a Secret that an Ingress names is told of on the Ingress.
    """
    ref = problem.source.ref
    told = False
    about = find(ref)
    if about is not None:
        told = True
        yield _note(about, problem, problem.source.field)
    if ref.kind == INGRESS.name:
        return
    if own is None or ref != own.ref:
        for ingress in _first(concerned(ref), FAN_OUT):
            about = find(ingress)
            if about is not None:
                told = True
                yield _note(about, problem, str(problem.source))
    if not told and own is not None:
        yield _note(own, problem, str(problem.source))


def sync_note(about: About) -> Note:
    return Note(about, "Sync", "Scheduled for sync", warning=False)


def passing_note(about: About, reason: str, message: str, *, warning: bool) -> Note:
    """What happened to an object, such as a step of a rollout."""
    return Note(about, reason, cut(message), warning, passing=True)


def reason_of(code: str) -> str:
    """`service-not-found` as `ServiceNotFound`."""
    return "".join(_WORDS.get(part, part[:1].upper() + part[1:]) for part in code.split("-"))


def cut(text: str, size: int = MESSAGE_BYTES) -> str:
    """No longer than `size` bytes in UTF-8; what was cut shows."""
    data = text.encode()
    if len(data) <= size:
        return text
    return data[: size - len(_CUT.encode())].decode(errors="ignore") + _CUT


def _note(about: About, problem: Problem, where: str) -> Note:
    text = f"{where}: {problem.text}" if where else problem.text
    return Note(about, reason_of(problem.code), cut(text), True, problem.severity is Severity.ERROR)


def _first(refs: Iterable[Ref], count: int) -> Iterator[Ref]:
    for number, ref in enumerate(refs):
        if number == count:
            return
        yield ref

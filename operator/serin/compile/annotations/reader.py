"""Reads an object's annotations: values where they can be read, problems where not, and what comes of that."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from serin.compile.annotations.grammar import has_control
from serin.compile.annotations.model import OURS as OUR_PREFIX
from serin.compile.annotations.model import Annotation, Concern, Fate, Values
from serin.compile.annotations.table import ALIASES, ANNOTATIONS, OURS, REMOVED
from serin.compile.findings import Findings
from serin.compile.near import Near
from serin.compile.options import Options
from serin.objects.fields import shorten
from serin.objects.views import Meta
from serin.refs import Source
from serin.routing.plan import Closed

_NEAR = Near((*ANNOTATIONS, *ALIASES))
_OLD_PREFIX = "ingress.kubernetes.io"


@dataclass(frozen=True, slots=True)
class Reading:
    """`closed`: an access rule could not be honoured. `left_out`: the Ingress must not be served at all.

    `unreadable`: those whose values closed the routes.
    """

    values: Values
    closed: Closed | None = None
    left_out: bool = False
    others: tuple[str, ...] = ()
    unreadable: frozenset[Annotation[Any]] = frozenset()


@dataclass(slots=True)
class _Outcome:
    closed: Closed | None = None
    left_out: bool = False
    unreadable: set[Annotation[Any]] = field(default_factory=set)


def read_annotations(
    meta: Meta, options: Options, findings: Findings, only: frozenset[Annotation[Any]] | None = None
) -> Reading:
    """All annotations under the options' prefix, and ours, as far as their data plane honours them.

    With `only` the other known ones are named in `others` and not read.
    """
    found: dict[Annotation[Any], tuple[Any, str]] = {}
    others: list[str] = []
    outcome = _Outcome()
    for key, annotation in _known(meta, options.annotations_prefix, findings):
        text = meta.annotations[key]
        if text == "":
            continue
        if only is not None and annotation not in only:
            others.append(key)
        elif not annotation.supported or options.plane not in annotation.planes:
            _unsupported(annotation, text, meta.annotation_source(key), findings, outcome)
        else:
            value = None if has_control(text) else annotation.grammar.read(text)
            if value is None:
                _bad(annotation, text, meta.annotation_source(key), findings, outcome)
            else:
                found[annotation] = (value, key)
    values = Values(meta, found)
    return Reading(values, outcome.closed, outcome.left_out, tuple(others), frozenset(outcome.unreadable))


def _known(meta: Meta, prefix: str, findings: Findings) -> list[tuple[str, Annotation[Any]]]:
    """Whole name and annotation, in the order of the names; unknown ones become problems."""
    start = prefix + "/"
    known = []
    for key in meta.annotations:
        if key.startswith(start):
            name = key[len(start) :]
            newer = ALIASES.get(name)
            if newer is not None and meta.annotations.get(start + newer):
                text = f"{newer} is set, too, and counts; this one has no effect"
                findings.warning(meta.annotation_source(key), "annotation-doubled", text)
                continue
            annotation = ANNOTATIONS.get(newer or name)
            if annotation is None:
                _unknown(meta.annotation_source(key), name, findings)
                continue
        elif key.startswith(OUR_PREFIX):
            annotation = OURS.get(key[len(OUR_PREFIX) :])
            if annotation is None:
                _unknown_ours(meta.annotation_source(key), findings)
                continue
        else:
            _misplaced(meta, key, prefix, findings)
            continue
        known.append((key, annotation))
    known.sort(key=lambda entry: entry[0])
    return known


def _unknown(source: Source, name: str, findings: Findings) -> None:
    removed = REMOVED.get(name)
    if removed is not None:
        findings.warning(source, "annotation-removed", f"no version of the last years knows it: {removed}; no effect")
        return
    near = _NEAR.find(name)
    hint = f" (did you mean {near}?)" if near else ""
    findings.warning(source, "annotation-unknown", f"no annotation has this name{hint}; it has no effect")


def _misplaced(meta: Meta, key: str, prefix: str, findings: Findings) -> None:
    """A name of ours under a prefix that is almost ours, or the one that ingress-nginx had before version 0.9."""
    found, _, name = key.rpartition("/")
    if name not in ANNOTATIONS and name not in ALIASES:
        return
    if found == _OLD_PREFIX or _near_prefix(prefix).find(found):
        text = f"expected {prefix}/{name}; under another prefix it has no effect"
        findings.warning(meta.annotation_source(key), "annotation-misplaced", text)


@cache
def _near_prefix(prefix: str) -> Near:
    return Near((prefix,))


def _unknown_ours(source: Source, findings: Findings) -> None:
    listed = ", ".join(OUR_PREFIX + name for name in OURS)
    findings.warning(source, "annotation-unknown", f"no annotation has this name, expected one of {listed}; no effect")


def _unsupported(annotation: Annotation[Any], text: str, source: Source, findings: Findings, outcome: _Outcome) -> None:
    if text.strip() in annotation.neutral:
        return
    said = annotation.instead if annotation.advice is None else annotation.advice(text)
    instead = f"; {said}" if said else ""
    lack = "is not supported"
    if annotation.supported:
        (plane,) = annotation.planes
        lack = f"needs the {plane} plane (--plane {plane})"
    if annotation.concern is Concern.ACCESS or annotation.guards(text):
        what = f"this access rule {lack}{instead}; {Fate.CLOSED.value}"
        findings.error(source, "annotation-unsupported", what)
        outcome.closed = outcome.closed or Closed(503, "annotation-unsupported", source)
    elif annotation.concern is Concern.ROUTING:
        findings.error(source, "annotation-unsupported", f"{lack} and has no effect{instead}")
    else:
        findings.warning(source, "annotation-unsupported", f"{lack} and has no effect{instead}")


def _bad(annotation: Annotation[Any], text: str, source: Source, findings: Findings, outcome: _Outcome) -> None:
    fate = annotation.fate_of_bad
    said = f"expected {annotation.grammar.expected}, found {shorten(text)!r}; {fate.value}"
    findings.error(source, "annotation-invalid", said)
    if fate is Fate.CLOSED:
        outcome.closed = outcome.closed or Closed(503, "annotation-invalid", source)
        outcome.unreadable.add(annotation)
    elif fate is Fate.LEFT_OUT:
        outcome.left_out = True

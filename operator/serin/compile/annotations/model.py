"""What an annotation is, and the values of one object's annotations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast

from serin.compile.annotations.grammar import ANYTHING, Grammar
from serin.objects.views import Meta
from serin.refs import Source

T = TypeVar("T")

OURS = "serin.dev/"
"""Prefix of annotations that ingress-nginx does not have."""


BOTH = frozenset({"proxy", "nginx"})
NGINX = frozenset({"nginx"})
"""The data planes that honour an annotation."""


class Scope(StrEnum):
    """INGRESS: it counts for the host or the whole Ingress; LOCATION: for each of the Ingress's paths."""

    INGRESS = "ingress"
    LOCATION = "location"


class Concern(StrEnum):
    """ACCESS: who may come in; what cannot be honoured closes the routes. ROUTING and COSMETIC: it counts as absent."""

    ACCESS = "access"
    ROUTING = "routing"
    COSMETIC = "cosmetic"


class Fate(StrEnum):
    """What a value that cannot be read does to its Ingress."""

    ABSENT = "the annotation counts as absent"
    CLOSED = "the routes of this Ingress answer 503 until it is repaired"
    LEFT_OUT = "this Ingress is left out until it is repaired"


def _never(_text: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Annotation(Generic[T]):
    """`default` is the value when absent. `fate` overrides what the concern says of a value that cannot be read.

    For one that is not supported, or not by the data plane at hand: values in `neutral` ask for nothing more than what
    is done anyway, `instead` says what to use (`advice`: for a value), and `guards` tells of a value that it is an
    access rule although the annotation's concern is another. `differs`: what is not as in ingress-nginx although it is
    honoured, for whoever comes from there (docs/migration.md).
    """

    name: str
    grammar: Grammar[T]
    default: T
    concern: Concern
    scope: Scope
    about: str
    planes: frozenset[str] = BOTH
    supported: bool = True
    instead: str = ""
    neutral: frozenset[str] = frozenset()
    guards: Callable[[str], bool] = field(default=_never)
    advice: Callable[[str], str] | None = None
    fate: Fate | None = None
    ours: bool = False
    differs: str = ""

    def key(self, prefix: str) -> str:
        """The whole name under a prefix like `nginx.ingress.kubernetes.io`."""
        return OURS + self.name if self.ours else f"{prefix}/{self.name}"

    @property
    def fate_of_bad(self) -> Fate:
        if self.fate is not None:
            return self.fate
        return Fate.CLOSED if self.concern is Concern.ACCESS else Fate.ABSENT


def unsupported(
    name: str,
    concern: Concern,
    scope: Scope,
    about: str,
    *,
    instead: str = "",
    neutral: tuple[str, ...] = (),
    guards: Callable[[str], bool] = _never,
    advice: Callable[[str], str] | None = None,
) -> Annotation[str]:
    """An annotation of ingress-nginx that Serin knows and does not honour."""
    return Annotation(
        name,
        ANYTHING,
        "",
        concern,
        scope,
        about,
        planes=frozenset(),
        supported=False,
        instead=instead,
        neutral=frozenset(neutral),
        guards=guards,
        advice=advice,
    )


@dataclass(frozen=True, slots=True)
class Values:
    """The readable annotations of one object. Compared by content."""

    meta: Meta
    found: Mapping[Annotation[Any], tuple[Any, str]]
    """Value, and the whole name as the user wrote it."""

    def __contains__(self, annotation: Annotation[Any]) -> bool:
        return annotation in self.found

    def get(self, annotation: Annotation[T]) -> T:
        entry = self.found.get(annotation)
        return annotation.default if entry is None else cast("T", entry[0])

    def get_or(self, annotation: Annotation[T], default: T) -> T:
        """With a default of its own, for those that the ConfigMap sets for all."""
        entry = self.found.get(annotation)
        return default if entry is None else cast("T", entry[0])

    def source(self, annotation: Annotation[Any]) -> Source:
        entry = self.found.get(annotation)
        return self.meta.annotation_source(annotation.name if entry is None else entry[1])

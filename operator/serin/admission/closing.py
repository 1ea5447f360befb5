"""Whether an annotation that cannot be honoured keeps its Ingress from being served: closed, or left out."""

from typing import Any

from serin.compile.annotations.grammar import has_control
from serin.compile.annotations.model import OURS as OUR_PREFIX
from serin.compile.annotations.model import Annotation, Concern, Fate
from serin.compile.annotations.table import ALIASES, ANNOTATIONS, OURS
from serin.compile.options import Options
from serin.objects.views import Meta
from serin.refs import Source


def closes(source: Source, meta: Meta, options: Options) -> bool:
    """`source`: the place of an annotation of an object that has `meta`, and a value that is refused."""
    key = next((key for key in meta.annotations if meta.annotation_source(key) == source), "")
    annotation = _annotation(key, options.annotations_prefix)
    if annotation is None:
        return False
    text = meta.annotations[key]
    if annotation.supported and options.plane in annotation.planes:
        readable = not has_control(text) and annotation.grammar.read(text) is not None
        return not readable and annotation.fate_of_bad is not Fate.ABSENT
    return annotation.concern is Concern.ACCESS or annotation.guards(text)


def _annotation(key: str, prefix: str) -> Annotation[Any] | None:
    name = key.removeprefix(prefix + "/")
    if name != key:
        return ANNOTATIONS.get(ALIASES.get(name, name))
    return OURS.get(key.removeprefix(OUR_PREFIX)) if key.startswith(OUR_PREFIX) else None

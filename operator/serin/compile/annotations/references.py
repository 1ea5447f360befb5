"""Annotations that name a Secret or ConfigMap: of the Ingress's own namespace.

Whoever owns the Secret must have wanted it, and a ConfigMap of others may hold what is not meant for all to see.
"""

from serin.compile.annotations import grammar
from serin.compile.annotations.model import Annotation, Values
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.routing.plan import Closed

SECRET = grammar.pattern(r"(?:[a-z0-9-]+/)?[a-z0-9.-]+", "a Secret's name, or NAMESPACE/NAME")


CONFIG_MAP = grammar.pattern(r"(?:[a-z0-9-]+/)?[a-z0-9.-]+", "a ConfigMap's name, or NAMESPACE/NAME")


def secret_of(values: Values, annotation: Annotation[str], code: str, findings: Findings) -> Key | Closed:
    """The Secret that the annotation names, with or without its namespace; of another one: closed, with `code`."""
    own = values.meta.ref.namespace
    namespace, slash, name = values.get(annotation).rpartition("/")
    if not slash or namespace == own:
        return own, name
    text = f"a Secret of another namespace is refused, expected one of {own}; requests get 503"
    findings.error(values.source(annotation), code, text)
    return Closed(503, code, values.source(annotation))


def config_map_of(values: Values, annotation: Annotation[str], code: str, findings: Findings) -> Key | Closed:
    """As `secret_of`, for a ConfigMap."""
    own = values.meta.ref.namespace
    namespace, slash, name = values.get(annotation).rpartition("/")
    if not slash or namespace == own:
        return own, name
    text = f"a ConfigMap of another namespace is refused, expected one of {own}; requests get 503"
    findings.error(values.source(annotation), code, text)
    return Closed(503, code, values.source(annotation))

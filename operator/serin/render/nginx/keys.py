"""The texts that choose endpoints (upstream-hash-by, and kin) as nginx variables.

A name that nginx does not know would end the whole file, so only the names listed here are written; any other is the
empty text, as in the proxy (dataplane/proxy/variables.py).
"""

import re
from collections.abc import Iterable, Mapping

from serin.refs import Source
from serin.render.nginx.blocks import Blocks, MapBlock, about, fits
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import HashBy, Route
from serin.routing.variables import is_variable_part

_SAME = (
    *("request_uri", "uri", "document_uri", "args", "query_string", "is_args", "host", "best_http_host"),
    *("request_method", "request", "server_protocol", "scheme", "https", "remote_addr", "remote_port"),
    *("content_type", "content_length", "proxy_add_x_forwarded_for", "msec"),
)
_NAMES = {
    **{name: name for name in _SAME},
    "the_real_ip": "remote_addr",
    "binary_remote_addr": "remote_addr",
    "server_port": "pass_port",
}
_OF_REQUEST = re.compile(r"(?:http|cookie|arg)_[a-z0-9_]+").fullmatch

ADDRESS = ("$remote_addr",)
_NONE: Mapping[str, str | Variable] = {}


def key_variable(blocks: Blocks, route: Route, version: int) -> str:
    """The variable (no `$`) with the key of a version; empty where it is the client's address."""
    by = route.versions[version].hash_by
    if by is None or by.parts == ADDRESS:
        return ""
    name, new = blocks.once(("key", by.parts), "key")
    if new:
        source: Source | None = by.source or route.versions[version].source
        blocks.add(MapBlock("key", Template(()), Variable(name), key_text(route, by), (), about(source)))
    return name


def key_text(route: Route, by: HashBy, more: Mapping[str, str | Variable] = _NONE) -> Template:
    """The key as a text of nginx; what the route fixes stands there as it is, and is main's.

    Of a text that is too long for nginx the last parts are left out. `more`: further variables, by name.
    """
    return wide_text(by.parts, {**_fixed(route), **more})


def wide_text(raw: Iterable[str], fixed: Mapping[str, str | Variable]) -> Template:
    """The same for parts that are no route's."""
    parts = [part for one in raw for part in _part(one, fixed)]
    while not fits("".join(part if isinstance(part, str) else f"${part.name}" for part in parts)):
        parts.pop()
    return Template(tuple(parts))


def _part(raw: str, fixed: Mapping[str, str | Variable]) -> tuple[str | Variable, ...]:
    if not is_variable_part(raw):
        return (raw,)
    name = raw[1:].lower()
    if name in fixed:
        return (fixed[name],)
    if name in _NAMES:
        return (Variable(_NAMES[name]),)
    return (Variable(name),) if _OF_REQUEST(name) else ()


def _fixed(route: Route) -> dict[str, str]:
    main = route.versions[0] if route.versions else None
    return {
        "namespace": route.ingress.namespace,
        "ingress_name": route.ingress.name,
        "service_name": "" if main is None else main.service,
        "service_port": "" if main is None else main.port,
        "location_path": route.rule.path,
    }

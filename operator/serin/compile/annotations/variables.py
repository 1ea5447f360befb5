"""Which nginx variables the texts of users may hold: those that both data planes know how to fill in."""

from serin.compile.annotations.balancing import is_variable
from serin.routing.variables import is_variable_part, split_variables

ADDRESSING = frozenset(
    {"escaped_request_uri", "pass_access_scheme", "pass_server_port", "req_id", "request_id", "server_name"}
)
"""Beside those of upstream-hash-by: what URLs and headers for others than the endpoints are made of."""
HOST_NAMES = frozenset({"host", "http_host", "best_http_host", "server_name"})
"""In the authority of a URL these stand for the host that is served."""


def variables_in(text: str) -> tuple[str, ...]:
    """Their names, in the order written."""
    return tuple(part[1:] for part in split_variables(text) if is_variable_part(part))


def unknown_variables(text: str) -> tuple[str, ...]:
    """Those that no data plane knows, each once and with its `$`; also a `$` that begins no name."""
    bare = tuple("$" for part in split_variables(text) if part == "$")
    names = (name for name in variables_in(text) if not is_variable(name) and name.lower() not in ADDRESSING)
    return tuple(dict.fromkeys((*(f"${name}" for name in names), *bare)))

"""Texts of users that go to others than a route's endpoints (URLs, headers of external authentication), with variables.

Only variables that nginx surely knows are written; any other is the empty text, as in the proxy.
"""

from serin.render.nginx.headers import Headers
from serin.render.nginx.keys import key_text
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import HashBy, Route
from serin.routing.variables import split_variables

_SAME = ("req_id", "request_id", "remote_user")
_LINES = {"uri": "serin_uri_line", "document_uri": "serin_uri_line"}
_OF_ROUTE = frozenset({"serin_uri_line", "args", "query_string", "is_args", "serin_escaped_uri"})


def text_of(route: Route, text: str, headers: Headers) -> Template:
    """For one line: a decoded path is without its control characters. Parts beyond nginx's bound are left out."""
    more: dict[str, str | Variable] = {name: Variable(name) for name in _SAME}
    more["escaped_request_uri"] = Variable("serin_escaped_uri")
    more["pass_access_scheme"] = headers.scheme
    more["pass_server_port"] = Variable("pass_port")
    more["server_name"] = route.rule.host or "_"
    parts = key_text(route, HashBy(split_variables(text)), more).parts
    return Template(tuple(_line(part) for part in parts))


def _line(part: str | Variable) -> str | Variable:
    return Variable(_LINES[part.name]) if isinstance(part, Variable) and part.name in _LINES else part


def needs_route(part: str | Variable) -> bool:
    """Whether the variable has another value in a subrequest than in the route's location."""
    return isinstance(part, Variable) and (part.name in _OF_ROUTE or part.name.startswith("arg_"))

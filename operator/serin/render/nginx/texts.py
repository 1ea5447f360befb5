"""Texts of users that go to others than a route's endpoints (URLs, headers of external authentication), with variables.

Only variables that nginx surely knows are written; any other is the empty text, as in the proxy.
"""

from serin.render.nginx.headers import Headers
from serin.render.nginx.keys import key_text, wide_text
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import HashBy, Route
from serin.routing.variables import is_variable_part, split_variables

_SAME = ("req_id", "request_id", "remote_user")
OF_ROUTES = ("namespace", "ingress_name", "service_name", "service_port")
_LINES = {"uri": "serin_uri_line", "document_uri": "serin_uri_line"}
_OF_ROUTE = frozenset({"serin_uri_line", "args", "query_string", "is_args", "serin_escaped_uri"})


def text_of(route: Route, text: str, headers: Headers) -> Template:
    """For one line: a decoded path is without its control characters. Parts beyond nginx's bound are left out."""
    more = _more(headers) | {"server_name": route.rule.host or "_"}
    parts = key_text(route, HashBy(split_variables(text)), more).parts
    return Template(tuple(_line(part) for part in parts))


def text_of_all(text: str, headers: Headers) -> Template:
    """The same for routes of all hosts: what they are called is in variables of nginx (`OF_ROUTES`)."""
    more = _more(headers) | {name: Variable(name) for name in OF_ROUTES} | {"server_name": Variable("host")}
    more["escaped_request_uri"] = Variable("request_uri")
    return Template(tuple(_line(part) for part in wide_text(split_variables(text), more).parts))


def fastcgi_text(route: Route, text: str, headers: Headers) -> Template:
    """A FastCGI parameter: the script's name may be in it, too."""
    more = _more(headers) | {name: Variable(name) for name in ("document_root", "fastcgi_script_name")}
    return key_text(route, HashBy(split_variables(text)), more | {"server_name": route.rule.host or "_"})


def speaks_of_routes(text: str) -> bool:
    """Whether a text for all hosts needs the variables in `OF_ROUTES`."""
    return any(part[1:] in OF_ROUTES for part in split_variables(text) if is_variable_part(part))


def _more(headers: Headers) -> dict[str, str | Variable]:
    found: dict[str, str | Variable] = {name: Variable(name) for name in _SAME}
    found["escaped_request_uri"] = Variable("serin_escaped_uri")
    found["pass_access_scheme"] = headers.scheme
    found["pass_server_port"] = Variable("pass_port")
    return found


def _line(part: str | Variable) -> str | Variable:
    return Variable(_LINES[part.name]) if isinstance(part, Variable) and part.name in _LINES else part


def needs_route(part: str | Variable) -> bool:
    """Whether the variable has another value in a subrequest than in the route's location."""
    return isinstance(part, Variable) and (part.name in _OF_ROUTE or part.name.startswith("arg_"))

"""The access log's lines as formats of nginx: the same as serin.telemetry.access_log writes for the proxy.

ingress-nginx's `upstreaminfo` is parsed byte for byte by log pipelines. Every `$` here is a variable of nginx.
"""

from dataclasses import dataclass

from serin.render.nginx.values import Template, Text, Variable
from serin.routing.variables import is_variable_part, split_variables

UPSTREAMINFO = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent ',
    '"$http_referer" "$http_user_agent" $request_length $request_time ',
    "[$proxy_upstream_name] [$proxy_alternative_upstream_name] ",
    "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id",
)

_JSON = (
    ("time", '"$time_iso8601"'),
    ("remote_addr", '"$remote_addr"'),
    ("remote_user", '"$remote_user"'),
    ("host", '"$host"'),
    ("request", '"$request"'),
    ("status", "$status"),
    ("body_bytes_sent", "$body_bytes_sent"),
    ("referer", '"$http_referer"'),
    ("user_agent", '"$http_user_agent"'),
    ("request_length", "$request_length"),
    ("request_time", "$request_time"),
    ("namespace", '"$namespace"'),
    ("ingress", '"$ingress_name"'),
    ("service", '"$service_name"'),
    ("service_port", '"$service_port"'),
    ("version", '"$serin_version"'),
    ("reason", '"$serin_reason"'),
    ("upstream_addr", '"$serin_last_addr"'),
    ("upstream_response_length", "$serin_last_length"),
    ("upstream_response_time", "$serin_last_time"),
    ("upstream_status", "$serin_last_status"),
    ("request_id", '"$req_id"'),
)

JSON_FIELDS = tuple(
    ("{" if number == 0 else "") + f'"{name}":{value}' + ("}" if number == len(_JSON) - 1 else ",")
    for number, (name, value) in enumerate(_JSON)
)


@dataclass(frozen=True, slots=True)
class Last:
    """The last attempt's part of a variable that lists all attempts; `otherwise` where there was none."""

    name: str
    of: str
    otherwise: Text


LAST = (
    Last("addr", "upstream_addr", Text("")),
    Last("length", "upstream_response_length", Text("0")),
    Last("time", "upstream_response_time", Text("0.000")),
    Last("status", "upstream_status", Text("0")),
)

LEVELS = {"debug": "info", "warning": "warn", "critical": "crit"}
"""Levels of the process log that nginx calls otherwise; its own debug level would be a log of bytes."""

BEHIND = "serin_client"
"""The client's address where TLS comes by our own stream part: nginx refuses some requests before it asks real_ip."""

_RENAMED = {
    "arguments": "args",
    "location_path": "serin_never",
    "pass_server_port": "pass_port",
    "protocol": "server_protocol",
    "sent_bytes": "bytes_sent",
}
_PIECE = 500
"""Characters; nginx reads a format in any number of tokens."""


def own_lines(access_log: str, address: str) -> tuple[Text, ...]:
    """Our own formats. `address`: the variable with the client's."""
    lines = JSON_FIELDS if access_log == "json" else UPSTREAMINFO
    return tuple(Text(line.replace("$remote_addr", f"${address}")) for line in lines)


def format_lines(text: str, scheme: Variable, address: str) -> tuple[Template, ...]:
    """A format of a user, of which all variables exist (log-format-upstream). `scheme`: the client's."""
    renamed = {**_RENAMED, "remote_addr": address, "the_real_ip": address}
    found: list[Template] = []
    for part in split_variables(text):
        if is_variable_part(part):
            name = part[1:].lower()
            variable = scheme if name == "pass_access_scheme" else Variable(renamed.get(name, name))
            found.append(Template((variable,)))
        else:
            found += (Template((part[at : at + _PIECE],)) for at in range(0, len(part), _PIECE))
    return tuple(found)

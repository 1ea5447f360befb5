"""The access log of the stream part of nginx.conf: its format, its file, and what logs call an upstream."""

from collections.abc import Sequence
from dataclasses import dataclass

from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.values import File, Template, Variable
from serin.routing.stream_log import stream_format
from serin.routing.variables import is_variable_part, split_variables
from serin.routing.wide import Logs

_NAME = "proxy_upstream_name"
_PIECE = 500
"""Characters; nginx reads a format in any number of tokens."""


@dataclass(frozen=True, slots=True)
class NamedUpstream:
    """A line of a map: `key` is a protocol and port, or an upstream that gets TLS by its name."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class StreamLog:
    """`ports`, `passed`: empty where the format names no upstream."""

    lines: tuple[Template, ...]
    escape_json: bool
    path: File
    named: bool
    ports: tuple[NamedUpstream, ...]
    passed: tuple[NamedUpstream, ...]


def stream_log(
    logs: Logs, settings: NginxSettings, ports: Sequence[NamedUpstream], passed: Sequence[NamedUpstream]
) -> StreamLog | None:
    """None: nothing is logged."""
    if logs.stream_off or settings.access_log == "off":
        return None
    text, escape_json = stream_format(logs, json=settings.access_log == "json")
    lines: list[Template] = []
    named = False
    for part in split_variables(text):
        if is_variable_part(part):
            name = part[1:].lower()
            named = named or name == _NAME
            lines.append(Template((Variable(name),)))
        else:
            lines += (Template((part[at : at + _PIECE],)) for at in range(0, len(part), _PIECE))
    path = logs.stream_path or logs.path or settings.access_log_path
    return StreamLog(
        tuple(lines),
        escape_json,
        File("/dev/stdout" if path == "-" else path),
        named,
        tuple(ports) if named else (),
        tuple(passed) if named else (),
    )

"""Headers and parameters out of ConfigMaps: each key is a name, each value what is set.

A line that cannot be set is a fault, told with its key; whoever asks decides whether the others are set all the same.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from serin.compile.annotations.headers import fault_of_name, fault_of_value
from serin.compile.annotations.variables import unknown_variables
from serin.compile.findings import Findings
from serin.objects.fields import shorten
from serin.objects.views import ConfigMap
from serin.refs import Ref, Source
from serin.routing.lines import HeaderLine

MOST_LINES = 256
"""Of one ConfigMap: each is worked out for every request, and written for every path."""
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
FCGI_VARIABLES = frozenset(
    (
        *("fastcgi_script_name", "fastcgi_path_info", "document_root", "realpath_root", "request_filename"),
        *("server_addr", "server_name", "remote_user", "nginx_version"),
    )
)
"""Variables that only nginx has, which alone speaks FastCGI."""


@dataclass(frozen=True, slots=True)
class HeaderMap:
    """`faults`: key and what is wrong with its line. `missing`: there is no such ConfigMap."""

    lines: tuple[HeaderLine, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    missing: bool = False


def for_endpoints(config_map: ConfigMap | None) -> HeaderMap:
    """An empty value: the header is not sent."""
    return _read(config_map, lambda name, value: fault_of_name(name, of_request=True) or fault_of_value(value))


def for_clients(config_map: ConfigMap | None) -> HeaderMap:
    return _read(config_map, lambda name, value: fault_of_name(name) or fault_of_value(value))


def fastcgi_parameters(config_map: ConfigMap | None) -> HeaderMap:
    return _read(config_map, _fault_of_parameter)


def _read(config_map: ConfigMap | None, fault_of: Callable[[str, str], str]) -> HeaderMap:
    if config_map is None:
        return HeaderMap(missing=True)
    lines, faults = {}, []
    for number, (name, value) in enumerate(sorted(config_map.data.items())):
        if number == MOST_LINES:
            faults.append((name, f"only the first {MOST_LINES} lines are read, neither this one nor those behind it"))
            break
        value = value.strip()
        fault = fault_of(name, value)
        if not fault and name.lower() in lines:
            fault = "the name is there already, written with other letters"
        if fault:
            faults.append((name, fault))
        else:
            lines[name.lower()] = HeaderLine(name, value)
    return HeaderMap(tuple(lines.values()), tuple(faults))


def _fault_of_parameter(name: str, value: str) -> str:
    if _PARAMETER.fullmatch(name) is None:
        return "its name is not of letters, digits and _"
    if not value:
        return "it has no value"
    unknown = [name for name in unknown_variables(value) if name[1:] not in FCGI_VARIABLES]
    return f"{', '.join(unknown)}: no such variable" if unknown else fault_of_value(_plain(value))


def _plain(value: str) -> str:
    """Without what was judged already."""
    return value.replace("$", "")


def tell_faults(found: HeaderMap, ref: Ref, findings: Findings) -> None:
    """On the ConfigMap itself, where the other lines count."""
    for key, fault in found.faults:
        text = f"{fault}; this line has no effect, the others have"
        findings.error(Source(ref, f"data[{shorten(key)}]"), "header-invalid", text)

"""Ports of TCP and UDP that the data plane cannot have, as it leaves them in state/refused-ports.json.

A Problem for each on the ConfigMap that asks for it. The file is another process's and is checked like quarantine.json.
"""

import json
from typing import Any

from serin.compile.options import Options
from serin.problems import Problem, Severity
from serin.refs import Ref, Source

CODE = "stream-port-conflict"
MAX_PORTS = 10_000
TEXT_LENGTH = 300


def read_refused_ports(data: bytes, options: Options) -> tuple[Problem, ...]:
    """The problems of a refused-ports.json, sorted. ValueError when it is none; entries that are none are left out."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"refused-ports.json: {error}") from error
    if not isinstance(document, dict) or document.get("version") != 1 or not isinstance(document.get("ports"), list):
        raise ValueError("refused-ports.json: not a document of this version")
    found = (_problem(entry, options) for entry in document["ports"][:MAX_PORTS])
    return tuple(sorted({problem for problem in found if problem is not None}))


def _problem(entry: Any, options: Options) -> Problem | None:
    if not isinstance(entry, dict):
        return None
    protocol, port, error = entry.get("protocol"), entry.get("port"), entry.get("error")
    named = options.tcp_services if protocol == "TCP" else options.udp_services if protocol == "UDP" else None
    if named is None or type(port) is not int or not 0 < port < 65536 or not isinstance(error, str):
        return None
    said = "".join(c if c.isprintable() else " " for c in error)[:TEXT_LENGTH]
    text = f"expected a port that is free, and the data plane cannot listen on it: {said}; nobody answers there, and "
    text += "it is tried again"
    return Problem(Source(Ref("ConfigMap", *named), f"data[{port}]"), CODE, Severity.ERROR, text)

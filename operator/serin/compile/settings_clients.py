"""Keys of the ConfigMap about clients: whose address counts, their connections, how many processes serve them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import BOOLEAN, DURATION, Grammar
from serin.compile.annotations.headers import NAME
from serin.compile.annotations.model import NGINX
from serin.compile.annotations.networks import usable
from serin.compile.settings_model import Key, Partly, Settings, own, part

_BUFFERS = re.compile(r"([0-9]{1,3}) +([0-9]{1,8}[kKmM]?)")
_BUFFER = grammar.size(256, 1 << 20, "a size from 256 to 1m")
_LARGE_BUFFER = grammar.size(512, 1 << 20, "a size from 512 to 1m")
"""nginx refuses less than its own pool of a connection."""
_SECONDS = grammar.integer(0, 2147483, "whole seconds")


def networks(text: str) -> Partly | tuple[str, ...]:
    """Those that cannot be read are refused one by one."""
    kept, refused = usable(text)
    return Partly(kept, refused) if refused else kept


def _large_buffers(text: str) -> tuple[int, int] | None:
    found = _BUFFERS.fullmatch(text.strip())
    size = None if found is None else _LARGE_BUFFER.read(found[2])
    return None if found is None or size is None or not 1 <= int(found[1]) <= 64 else (int(found[1]), size)


def _put_buffers(settings: Settings, value: Any) -> Settings:
    number, size = value
    made = replace(settings.connections, large_headers_number=number, large_headers_size=size)
    return replace(settings, connections=made)


def _workers(text: str) -> int | None:
    return 0 if text.strip().lower() == "auto" else grammar.integer(1, 1024).read(text)


KEYS: Mapping[str, Key] = {
    "use-forwarded-headers": part(
        "forwarding", "trust", BOOLEAN, "X-Forwarded-* of clients stand, and say who they are.", "false"
    ),
    "compute-full-forwarded-for": part(
        "forwarding", "full", BOOLEAN, "Our own peer's address is put behind X-Forwarded-For.", "false"
    ),
    "forwarded-for-header": part(
        "forwarding", "header", NAME, "The header that has a client's address.", "X-Forwarded-For"
    ),
    "enable-real-ip": part("forwarding", "real_ip", BOOLEAN, "The address alone is taken from that header.", "false"),
    "use-proxy-protocol": part(
        "forwarding", "proxy_protocol", BOOLEAN, "Each connection begins with a PROXY line.", "false"
    ),
    "proxy-real-ip-cidr": part(
        "forwarding",
        "proxies",
        Grammar(networks, "networks separated by commas"),
        "Whose word about a client's address is taken. Of a list with bad entries the good ones stay.",
        "0.0.0.0/0",
    ),
    "keep-alive": part("connections", "keep_alive", _SECONDS, "Seconds that an idle connection is kept.", "75"),
    "keep-alive-requests": part(
        "connections", "keep_alive_requests", grammar.integer(1, 2**31 - 1), "Requests over one connection.", "1000"
    ),
    "client-header-timeout": part(
        "connections", "header_timeout", grammar.SECONDS, "Seconds for the head of a request.", "60"
    ),
    "client-body-timeout": part(
        "connections", "body_timeout", grammar.SECONDS, "Seconds between two reads of a body.", "60"
    ),
    "client-header-buffer-size": part("connections", "header_buffer", _BUFFER, "Memory for a head.", "1k"),
    "large-client-header-buffers": Key(
        Grammar(_large_buffers, "a number and a size like 4 8k"),
        _put_buffers,
        about="Memory for larger heads, and the longest line.",
        default="4 8k",
    ),
    "enable-underscores-in-headers": part(
        "connections", "underscores", BOOLEAN, "Headers with `_` in their names are passed on.", "false"
    ),
    "ignore-invalid-headers": part(
        "connections", "ignore_invalid", BOOLEAN, "Headers with other characters are dropped.", "true"
    ),
    "http2-max-concurrent-streams": part(
        "connections", "streams", grammar.integer(1, 65535), "Requests at a time over one.", "128", planes=NGINX
    ),
    "worker-processes": part(
        "connections", "workers", Grammar(_workers, "auto or a number from 1 to 1024"), "Processes that serve.", "auto"
    ),
    "max-worker-connections": part(
        "connections", "worker_connections", grammar.integer(0, 1 << 20), "Connections of each; 0: as many as can be."
    ),
    "worker-shutdown-timeout": part(
        "connections", "shutdown_timeout", DURATION, "How long one that ends waits for its requests.", "240s"
    ),
    "generate-request-id": own("generate_request_id", BOOLEAN, "X-Request-ID where the client sent none.", "true"),
}

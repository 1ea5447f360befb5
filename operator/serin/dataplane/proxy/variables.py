"""nginx variables in user texts (upstream-hash-by, upstream-vhost), compiled once into a function of the request.

The set is what those texts are known to use. A name that is not known is the empty text, as an nginx map without
default would give; compile warns about it, this module never fails. It must not decide what the text is used for.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.headers import cookie_header
from serin.routing.cookies import cookie_reader
from serin.routing.variables import is_variable_part

Evaluate = Callable[[RequestHead, Client, bytes], bytes]
"""(head, client, path without query as it is sent on) -> text."""


def compile_parts(parts: Iterable[str], constants: Mapping[str, bytes]) -> Evaluate:
    """One function for the whole text. `constants` holds what the route fixes ($namespace, $service_name, …)."""
    steps: list[bytes | Evaluate] = []
    for part in parts:
        step = _variable(part[1:].lower(), constants) if is_variable_part(part) else part.encode()
        if isinstance(step, bytes) and steps and isinstance(steps[-1], bytes):
            steps[-1] += step
        else:
            steps.append(step)
    if len(steps) == 1:
        only = steps[0]
        return _constant(only) if isinstance(only, bytes) else only
    functions = tuple(_constant(s) if isinstance(s, bytes) else s for s in steps)

    def joined(head: RequestHead, client: Client, path: bytes) -> bytes:
        return b"".join([f(head, client, path) for f in functions])

    return joined


def _constant(text: bytes) -> Evaluate:
    return lambda head, client, path: text


def _variable(name: str, constants: Mapping[str, bytes]) -> bytes | Evaluate:
    if name in constants:
        return constants[name]
    if name in _VARIABLES:
        return _VARIABLES[name]
    family, _, rest = name.partition("_")
    if rest and family in _FAMILIES:
        return _FAMILIES[family](rest)
    return b""


def _header(name: str) -> Evaluate:
    wanted = name.replace("_", "-").encode()
    if wanted == b"cookie":
        return lambda head, client, path: cookie_header(head) or b""
    return lambda head, client, path: head.get(wanted) or b""


def _cookie(name: str) -> Evaluate:
    read = cookie_reader(name.encode())
    return lambda head, client, path: read(cookie_header(head) or b"") or b""


def _argument(name: str) -> Evaluate:
    wanted = name.encode()

    def value(head: RequestHead, client: Client, path: bytes) -> bytes:
        for pair in _query(head).split(b"&"):
            key, equals, text = pair.partition(b"=")
            if equals and key.lower() == wanted:
                return text
        return b""

    return value


def _query(head: RequestHead) -> bytes:
    return head.target.partition(b"?")[2].partition(b"#")[0]


def _binary_address(head: RequestHead, client: Client, path: bytes) -> bytes:
    return client.address.encode()  # only equality counts for a key


_VARIABLES: dict[str, Evaluate] = {
    "request_uri": lambda head, client, path: head.target,
    "uri": lambda head, client, path: path,
    "document_uri": lambda head, client, path: path,
    "args": lambda head, client, path: _query(head),
    "query_string": lambda head, client, path: _query(head),
    "is_args": lambda head, client, path: b"?" if _query(head) else b"",
    "host": lambda head, client, path: head.host.encode(),
    "best_http_host": lambda head, client, path: client.host or head.host_header or head.host.encode(),
    "request_method": lambda head, client, path: head.method.encode(),
    "request": lambda head, client, path: b"%b %b %b" % (head.method.encode(), head.target, _protocol(head)),
    "server_protocol": lambda head, client, path: _protocol(head),
    "scheme": lambda head, client, path: b"https" if client.tls else b"http",
    "https": lambda head, client, path: b"on" if client.tls else b"",
    "remote_addr": lambda head, client, path: client.address.encode(),
    "the_real_ip": lambda head, client, path: client.address.encode(),
    "binary_remote_addr": _binary_address,
    "remote_port": lambda head, client, path: b"%d" % client.port,
    "server_port": lambda head, client, path: b"%d" % client.server_port,
    "pass_server_port": lambda head, client, path: client.said_port or b"%d" % client.server_port,
    "pass_access_scheme": lambda head, client, path: client.scheme or (b"https" if client.tls else b"http"),
    "escaped_request_uri": lambda head, client, path: quote(head.target, safe="").encode(),
    "content_type": lambda head, client, path: head.get(b"content-type") or b"",
    "content_length": lambda head, client, path: head.get(b"content-length") or b"",
    "proxy_add_x_forwarded_for": lambda head, client, path: b", ".join(
        [v for v in (head.get(b"x-forwarded-for"), client.address.encode()) if v]
    ),
    "msec": lambda head, client, path: b"%d.%03d" % divmod(time.time_ns() // 1_000_000, 1000),
}

_FAMILIES: dict[str, Callable[[str], Evaluate]] = {"http": _header, "cookie": _cookie, "arg": _argument}


def _protocol(head: RequestHead) -> bytes:
    return b"HTTP/1.0" if head.http10 else b"HTTP/1.1"

"""Ports of TCP and UDP out of the ConfigMaps that --tcp-services-configmap and --udp-services-configmap name.

A line is `"PORT": "NAMESPACE/SERVICE:PORT[:PROXY[:PROXY]]"`, as in ingress-nginx: the first PROXY says that connections
begin with a PROXY line, the second that one is sent to the endpoint. A line that cannot be read is a problem on the
ConfigMap, and all others are in force. Nothing of Services or endpoints is looked at here.
"""

import re

from serin.compile.beside import Besides
from serin.compile.context import HostContext
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.objects.fields import shorten
from serin.refs import Ref, Source
from serin.routing.wide import Stream

TCP, UDP = "TCP", "UDP"
_EXPECTED = "expected NAMESPACE/SERVICE:PORT, or NAMESPACE/SERVICE:PORT:PROXY:PROXY with one or both of the last two"
_NOT_SERVED = "this port is not served"
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?").fullmatch
_PORT_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?").fullmatch


def compile_streams(context: HostContext, besides: Besides, findings: Findings) -> tuple[Stream, ...]:
    """All ports that are passed on, by protocol and number. `besides` gets the Services."""
    options = context.options
    found: list[Stream] = []
    for protocol, key in ((TCP, options.tcp_services), (UDP, options.udp_services)):
        if key is not None:
            found += _of_config_map(protocol, key, context, besides, findings)
    _warn_of_headers(context, findings)
    return tuple(sorted(found, key=lambda stream: (stream.protocol, stream.port)))


def _warn_of_headers(context: HostContext, findings: Findings) -> None:
    """nginx behind its own stream part takes a client's address from one place alone: the PROXY line."""
    forwarding, options = context.settings.forwarding, context.options
    reads = (forwarding.trust or forwarding.real_ip) and not forwarding.proxy_protocol
    if options.plane == "nginx" and options.ssl_passthrough and reads:
        key = "use-forwarded-headers" if forwarding.trust else "enable-real-ip"
        text = "with --enable-ssl-passthrough nginx takes no client's address from headers, but the connection's, and "
        text += "lists and limits go by that; let the load balancer speak the PROXY protocol (use-proxy-protocol)"
        findings.error(context.settings.source(key), "passthrough-without-headers", text)


def _of_config_map(protocol: str, key: Key, context: HostContext, besides: Besides, findings: Findings) -> list[Stream]:
    ref = Ref("ConfigMap", *key)
    config_map = context.config_maps.read(key)
    if config_map is None:
        text = f"there is no such ConfigMap; no port of {protocol} is passed on"
        findings.warning(Source(ref), "config-map-not-found", text)
        return []
    found: dict[int, Stream] = {}
    for name, text in sorted(config_map.data.items()):
        source = Source(ref, f"data[{name}]")
        port = _port(protocol, name, found, context, source, findings)
        if port is not None:
            stream = _stream(protocol, port, text, source, besides, findings)
            if stream is not None:
                found[port] = stream
    return list(found.values())


def _port(
    protocol: str, name: str, found: dict[int, Stream], context: HostContext, source: Source, findings: Findings
) -> int | None:
    if not name.isascii() or not name.isdigit() or len(name) > 5 or not 0 < int(name) < 65536:
        text = f"expected a port from 1 to 65535 as the key, found {shorten(name)!r}; {_NOT_SERVED}"
        findings.error(source, "stream-port-invalid", text)
        return None
    port = int(name)
    if port in found:
        text = f"another key names port {port} as well; this one is not served"
        findings.error(source, "stream-port-conflict", text)
        return None
    if protocol == TCP and port in context.options.own_ports:
        text = f"Serin itself listens on port {port}; expected another one; {_NOT_SERVED}"
        findings.error(source, "stream-port-conflict", text)
        return None
    return port


def _stream(protocol: str, port: int, text: str, source: Source, besides: Besides, findings: Findings) -> Stream | None:
    parts = text.strip().split(":")
    namespace, slash, service = parts[0].partition("/")
    words = [part.upper() for part in parts[2:]]
    wanted = _service_port(parts[1]) if len(parts) > 1 else None
    readable = slash and _NAME(namespace) and _NAME(service) and wanted is not None
    if not readable or wanted is None or len(words) > 2 or not set(words) <= {"", "PROXY"}:
        findings.error(source, "stream-invalid", f"{_EXPECTED}; found {shorten(text)!r}; {_NOT_SERVED}")
        return None
    if protocol == UDP and "PROXY" in words:
        text = "the PROXY protocol is for TCP alone; datagrams are passed on without it"
        findings.warning(source, "stream-proxy-protocol-unsupported", text)
        words = []
    to = besides.service(namespace, service, wanted, source, protocol=protocol)
    words += [""] * (2 - len(words))
    return Stream(protocol, port, to, decode=words[0] == "PROXY", encode=words[1] == "PROXY")


def _service_port(text: str) -> int | str | None:
    """A number or a name, as a Service's ports have them."""
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 5 and 0 < int(text) < 65536 else None
    return text if _PORT_NAME(text) else None

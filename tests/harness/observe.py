"""Send a case's request and say what was seen, in the words that `expect` uses."""

import collections
import concurrent.futures
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from harness.http2 import grpc_message
from harness.wire import Door, Jar, Reply, Request, request_of

Seen = dict[str, Any]

CLIENT = "127.0.0.1"
TRANSPORT_HEADERS = {
    "date",
    "content-length",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "server",
    "x-echo-backend",
}
"""Of the connection or of the echo backend; `server` is the product's own name."""
DRAWS = 8
"""A canary of half the requests takes at most two in a row."""
REDIRECTS = {301, 302, 303, 307, 308}


def observe(door: Door, spec: Mapping[str, Any]) -> Seen:
    kind = spec.get("kind", "plain")
    if kind == "plain":
        kind = "plain" if spec.get("count", 1) == 1 else "counted"
    return KINDS[kind](door, dict(spec))


def plain(door: Door, spec: dict[str, Any]) -> Seen:
    return describe(spec, door.send(request_of(spec)))


def counted(door: Door, spec: dict[str, Any]) -> Seen:
    request = request_of(spec)
    return {"counts": count(door.send(request) for _ in range(spec["count"]))}


def concurrent_requests(door: Door, spec: dict[str, Any]) -> Seen:
    request = request_of(spec)
    with concurrent.futures.ThreadPoolExecutor(spec["count"]) as pool:
        return {"counts": count(pool.map(door.send, [request] * spec["count"]))}


def spread(door: Door, spec: dict[str, Any]) -> Seen:
    request = request_of(spec)
    return {"backends": sorted({backend_of(door.send(request)) or "-" for _ in range(spec["count"])})}


def sticky(door: Door, spec: dict[str, Any]) -> Seen:
    """The first answer, then `count` requests with its cookie, then `fresh` ones without."""
    fresh = spec.get("fresh", 30)
    first = first_with_cookie(door, spec)
    seen = describe(spec, first)
    seen.pop("backend", None)
    jar = Jar()
    jar.take(first)
    with_cookie = dict(spec, cookies=dict(jar.cookies), headers=spec.get("then_headers", spec.get("headers")))
    later = [door.send(request_of(with_cookie)) for _ in range(spec.get("count", 20))]
    seen["same_backend"] = {backend_of(r) for r in later} == {backend_of(first)} and backend_of(first) is not None
    seen["sets_cookie_again"] = any(r.all("set-cookie") for r in later)
    without = {backend_of(door.send(request_of(spec))) for _ in range(fresh)}
    if fresh >= 20:
        seen["spreads_without_cookie"] = len(without) > 1
    return seen


def first_with_cookie(door: Door, spec: dict[str, Any]) -> Reply:
    """The first answer. Where a cookie is expected but a canary without affinity may be drawn, which sets none, the
    first one that brings it."""
    wanted = "set-cookie" in spec["expect"].get("headers", ())
    for _ in range(DRAWS):
        reply = door.send(request_of(spec))
        if reply.all("set-cookie") or not wanted:
            break
    return reply


def hashed(door: Door, spec: dict[str, Any]) -> Seen:
    """How many endpoints each variant of the request reaches, and how many all of them together."""
    reached = []
    for variant in spec["variants"]:
        request = request_of(spec, **variant)
        reached.append({backend_of(door.send(request)) for _ in range(spec.get("count", 15))})
    return {
        "backends_per_variant": [len(backends) for backends in reached],
        "distinct_over_variants": len(set().union(*reached)),
    }


def tls_info(door: Door, spec: dict[str, Any]) -> Seen:
    connection = door.connect(tls=True, server_name=request_of(spec).server_name)
    try:
        certificate = x509.load_der_x509_certificate(connection.getpeercert(True))  # type: ignore[attr-defined]
        subject = ",".join(
            f"{attribute.rfc4514_attribute_name}={attribute.value!s}" for attribute in certificate.subject
        )
        return {
            "cert_subject": subject,
            "alpn": connection.selected_alpn_protocol(),  # type: ignore[attr-defined]
            "tls_version": connection.version(),  # type: ignore[attr-defined]
        }
    finally:
        connection.close()


def grpc(door: Door, spec: dict[str, Any]) -> Seen:
    """A call with one message over HTTP/2 and TLS; what came back in headers, body and trailers."""
    headers = (*request_of(spec).headers, ("content-type", "application/grpc"), ("te", "trailers"))
    request = dataclasses.replace(
        request_of(spec), http2=True, method="POST", headers=headers, body=grpc_message(b"asked")
    )
    reply = door.send(request)
    seen: Seen = {"status": reply.status, "grpc_status": grpc_status(reply)}
    if reply.error:
        seen["error"] = reply.error
    if (name := reply.first("x-echo-backend")) is not None:
        seen["backend"] = name
        received = json.loads(reply.body[5:])
        seen |= {"uri": received["uri"], "proto": received["proto"], "upstream_tls": received["tls"]}
        if received["host"] != spec.get("host"):
            seen["backend_host"] = received["host"]
    return seen


def grpc_status(reply: Reply) -> str | None:
    """Of the trailers, or of the headers where an answer has no body."""
    return reply.first("trailer:grpc-status") or reply.first("grpc-status")


KINDS = {
    "grpc": grpc,
    "plain": plain,
    "counted": counted,
    "concurrent": concurrent_requests,
    "spread": spread,
    "sticky": sticky,
    "hash": hashed,
    "tls_info": tls_info,
}


def count(replies: Any) -> dict[str, int]:
    return dict(collections.Counter(f"{reply.status} {backend_of(reply) or '-'}" for reply in replies))


def echo_of(reply: Reply) -> dict[str, Any] | None:
    """What the echo backend says that it received, when it was one that answered."""
    try:
        received = json.loads(reply.body)
    except ValueError:
        return None
    return received if isinstance(received, dict) and {"backend", "uri", "headers"} <= received.keys() else None


def backend_of(reply: Reply) -> str | None:
    received = echo_of(reply)
    name = reply.first("x-echo-backend")
    if name is None and received is not None:
        return str(received["backend"])
    return name


def describe(spec: Mapping[str, Any], reply: Reply) -> Seen:
    seen: Seen = {"status": reply.status}
    if reply.error:
        seen["error"] = reply.error
    if (name := backend_of(reply)) is not None:
        seen["backend"] = re.sub(r"^s[123]$", "s*", name)
    received = echo_of(reply)
    if received is not None:
        seen.update(what_backend_saw(spec, received))
    if headers := listed_headers(reply, echoed=received is not None):
        seen["headers"] = headers
    if reply.echoed:
        seen["ws_echo"] = reply.echoed
    if received is None and reply.body and reply.status not in REDIRECTS and not reply.all("content-encoding"):
        text = re.sub(r"<[^>]*>", " ", reply.body.decode("latin-1"))
        seen["body"] = " ".join(text.split())[:80]
    return seen


def what_backend_saw(spec: Mapping[str, Any], received: dict[str, Any]) -> Seen:
    request: Request = request_of(dict(spec))
    seen: Seen = {"uri": received["uri"] if len(received["uri"]) < 300 else "{as sent}"}
    if seen["uri"] == "{as sent}" and received["uri"] != request.path:
        seen["uri"] = "{changed}"
    if received["host"] != spec.get("host"):
        seen["backend_host"] = received["host"]
    if received["method"] != request.method:
        seen["backend_method"] = received["method"]
    if wanted := spec.get("record_sent"):
        sent = collections.defaultdict(list)
        for name, value in received["headers"]:
            sent[name.lower()].append(masked(value))
        names = sorted(sent) if wanted == "*" else wanted
        seen["sent"] = {name: single(sorted(sent[name])) if name in sent else None for name in names}
        if wanted == "*":
            seen["proto"] = received["proto"]
    return seen


def listed_headers(reply: Reply, *, echoed: bool) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in reply.headers:
        if name in TRANSPORT_HEADERS:
            continue
        if name == "content-type" and (echoed or reply.status >= 300):
            continue
        headers.setdefault(name, []).append(masked_cookie(value) if name == "set-cookie" else masked(value))
    return {name: single(values) for name, values in headers.items()}


def single(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def masked(value: str) -> str:
    """The client's address and random identifiers have placeholders in the case files."""
    if re.fullmatch(r"[0-9a-f]{32}", value):
        return "{hex32}"
    return value.replace(CLIENT, "{client_ip}")


def masked_cookie(line: str) -> str:
    pair, *attributes = line.split("; ")
    name, _, value = pair.partition("=")
    attributes = [re.sub(r"^(?i:expires)=.*", "Expires={date}", attribute) for attribute in attributes]
    return "; ".join([f"{name}={'{value}' if value else ''}", *attributes])

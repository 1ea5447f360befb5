"""Backends and clients of TCP and UDP: lines come back behind a name, so that a test sees who answered what."""

import contextlib
import random
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from harness.casefile import self_signed
from harness.manifests import NAMESPACE, Manifest, put
from harness.wire import Door
from harness.world import World

TIMEOUT = 10.0
TCP_MAP = ("--tcp-services-configmap", f"{NAMESPACE}/tcp")
UDP_MAP = ("--udp-services-configmap", f"{NAMESPACE}/udp")
PASSED = "passed.example"
CONFIG = ("--configmap", f"{NAMESPACE}/config")


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    name = b""
    context: ssl.SSLContext | None = None


class _Lines(socketserver.StreamRequestHandler):
    """A greeting, then each line behind the name, until the client has sent all."""

    server: _Tcp

    def handle(self) -> None:
        stream: Any = self.request
        with contextlib.suppress(OSError):
            if self.server.context is not None:
                stream = self.server.context.wrap_socket(self.request, server_side=True)
            with stream.makefile("rwb") as file:
                file.write(b"hello of " + self.server.name + b"\n")
                file.flush()
                for line in file:
                    file.write(self.server.name + b":" + line)
                    file.flush()
                file.write(b"end of " + self.server.name + b"\n")


class _Datagrams(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        for _ in range(self.server.answers):  # type: ignore[attr-defined]
            sock.sendto(self.server.name + b":" + data, self.client_address)  # type: ignore[attr-defined]


@contextlib.contextmanager
def tcp_backend(name: str, certified: str = "") -> Iterator[int]:
    """Its port on 127.0.0.1. `certified`: the name in its certificate, with TLS."""
    server = _Tcp(("127.0.0.1", 0), _Lines)
    server.name = name.encode()
    if certified:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"".join(self_signed(certified)))
            file.flush()
            server.context.load_cert_chain(file.name)
    with _running(server):
        yield server.server_address[1]


@contextlib.contextmanager
def udp_backend(name: str, answers: int = 1) -> Iterator[int]:
    """Its port on 127.0.0.1; `answers` to each datagram."""
    server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Datagrams)
    server.daemon_threads = True
    server.name, server.answers = name.encode(), answers  # type: ignore[attr-defined]
    with _running(server):
        yield server.server_address[1]


@contextlib.contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One that nobody has, out of a range that the kernel gives nobody by itself."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket(socket.AF_INET, kind) as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def config_map(name: str, lines: Mapping[str, str]) -> Manifest:
    data = dict(lines)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def with_config(world: World, **data: str) -> tuple[str, str]:
    """The flag for a ConfigMap that has these options from now on, with `_` for `-`."""
    lines = {key.replace("_", "-"): value for key, value in data.items()}
    put(world.folder / "config.yaml", config_map("config", lines))
    return CONFIG


def ports_map(name: str, lines: Mapping[int, str] | None = None, **more: str) -> Manifest:
    """A ConfigMap of ports; `more`: keys that are none."""
    return config_map(name, {str(port): line for port, line in (lines or {}).items()} | more)


def stream_service(name: str, protocol: str = "TCP") -> Manifest:
    ports = [{"name": "s", "port": 7, "protocol": protocol}]
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def stream_slice(name: str, *ports: int, protocol: str = "TCP") -> Manifest:
    """Endpoints on 127.0.0.1, each with a port of its own: a port of a slice for each."""
    labels = {"kubernetes.io/service-name": name}
    metadata = {"name": f"{name}-1", "namespace": NAMESPACE, "labels": labels}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}] if ports else [],
        "ports": [{"name": "s", "port": port, "protocol": protocol} for port in ports],
    }


def talk(port: int, *lines: bytes, prelude: bytes = b"", source: str = "127.0.0.1") -> bytes:
    """All that comes back of a connection whose client says these lines, and then that it has said all.

    Empty when there is no connection, or it was cut.
    """
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT, source_address=(source, 0)) as sock,
    ):
        sock.sendall(prelude + b"".join(line + b"\n" for line in lines))
        sock.shutdown(socket.SHUT_WR)
        return _all(sock)
    return b""


def talk_tls(door: Door, name: str, *lines: bytes, prelude: bytes = b"") -> tuple[str, bytes]:
    """The name in the certificate that is shown for a name, and what comes back. Empty ones without a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError), socket.create_connection(door.https, timeout=TIMEOUT) as bare:
        bare.sendall(prelude)
        with context.wrap_socket(bare, server_hostname=name) as sock:
            shown = sock.getpeercert(binary_form=True) or b""
            sock.sendall(b"".join(line + b"\n" for line in lines))
            back = b""
            while back.count(b"\n") < len(lines) + 1 and (data := sock.recv(65536)):
                back += data
            return _common_name(shown), back
    return "", b""


def ask_udp(port: int, data: bytes, seconds: float = 0.5) -> bytes:
    """The answer to a datagram; empty when none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        with contextlib.suppress(OSError):
            sock.connect(("127.0.0.1", port))
            sock.send(data)
            return sock.recv(65536)
    return b""


def _all(sock: socket.socket) -> bytes:
    back = b""
    while data := sock.recv(65536):
        back += data
    return back


def _common_name(der: bytes) -> str:
    from cryptography import x509

    names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""

"""HTTP/2 frame by frame: the echo backend's side of a connection, and a client whose streams a test can hold open."""

import asyncio
import collections
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

Pairs = list[tuple[str, str]]
PREFACE = b"PRI * HTTP/2.0\r\n"
STREAM_PATH = "/echo.Echo/Stream"
"""A call whose messages come back one by one, as long as the caller goes on."""
GRPC = "application/grpc"
FRAME_HEAD, GOAWAY = 9, 7
"""Octets before a frame's payload, and a frame's type (RFC 9113, 4.1 and 6.8)."""


def grpc_message(payload: bytes) -> bytes:
    """Length-prefixed, not compressed (gRPC over HTTP/2, "Length-Prefixed-Message")."""
    return struct.pack(">BI", 0, len(payload)) + payload


class EchoConnection:
    """One connection of the backend; `describe` makes the body from method, target and headers."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        name: str,
        describe: Callable[..., dict[str, Any]],
    ) -> None:
        self._reader, self._writer = reader, writer
        self._name, self._describe = name, describe
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self._h2 = h2.connection.H2Connection(config)
        self._headers: dict[int, Pairs] = {}
        self._sizes: collections.Counter[int] = collections.Counter()

    async def run(self, received: bytes) -> None:
        """`received`: what was read already."""
        self._h2.initiate_connection()
        data = received
        while data:
            with contextlib.suppress(h2.exceptions.StreamClosedError):
                for event in self._h2.receive_data(data):
                    self._handle(event)
            self._writer.write(self._h2.data_to_send())
            await self._writer.drain()
            data = await self._reader.read(65536)

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream)):
                self._headers[stream] = [(str(name), str(value)) for name, value in event.headers or ()]
                if self._streams(stream):
                    self._begin(stream)
            case h2.events.DataReceived(stream_id=int(stream)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                self._sizes[stream] += len(event.data or b"")
                if self._streams(stream) and event.data:
                    self._h2.send_data(stream, event.data)
            case h2.events.StreamEnded(stream_id=int(stream)):
                self._end(stream)

    def _streams(self, stream: int) -> bool:
        return dict(self._headers[stream]).get(":path", "") == STREAM_PATH

    def _is_grpc(self, stream: int) -> bool:
        return dict(self._headers[stream]).get("content-type", "").startswith(GRPC)

    def _begin(self, stream: int) -> None:
        kind = GRPC if self._is_grpc(stream) else "application/json"
        self._h2.send_headers(stream, [(":status", "200"), ("content-type", kind), ("x-echo-backend", self._name)])

    def _end(self, stream: int) -> None:
        if not self._streams(stream):
            self._begin(stream)
            headers = self._headers[stream]
            pseudo = {name: value for name, value in headers if name.startswith(":")}
            told = self._describe(
                method=pseudo[":method"],
                target=pseudo[":path"],
                host=pseudo.get(":authority") or dict(headers).get("host", ""),
                headers=[[name, value] for name, value in headers if not name.startswith(":")],
                size=self._sizes[stream],
            )
            body = json.dumps(told).encode()
            self._h2.send_data(stream, grpc_message(body) if self._is_grpc(stream) else body)
        if self._is_grpc(stream):
            self._h2.send_headers(stream, [("grpc-status", "0"), ("grpc-message", "")], end_stream=True)
        else:
            self._h2.end_stream(stream)


class Client:
    """A connection (TLS with ALPN h2, or plain with prior knowledge) of a test; streams by number."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1", validate_inbound_headers=False)
        self._h2 = h2.connection.H2Connection(config)
        self._h2.initiate_connection()
        self._flush()
        self.headers: dict[int, Pairs] = {}
        self.trailers: dict[int, Pairs] = {}
        self.ended: set[int] = set()
        self.reset: dict[int, int] = {}
        self.goaway = False
        self._received = bytearray()
        self._data: dict[int, bytearray] = collections.defaultdict(bytearray)

    def open(
        self, host: str, path: str, *, method: str = "POST", headers: Pairs | None = None, end: bool = False
    ) -> int:
        """Begin a request; its number."""
        stream: int = self._h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]
        self._h2.send_headers(stream, [*pseudo, *(headers or [])], end_stream=end)
        self._flush()
        return stream

    def send(self, stream: int, data: bytes = b"", *, end: bool = False) -> None:
        """As fast as the other side lets it; an answer that ends before ends this, too."""
        while len(data) > (room := self._room(stream)):
            if room:
                self._h2.send_data(stream, data[:room])
                data = data[room:]
                self._flush()
            else:
                self._receive()
            if stream in self.ended:
                return
        self._h2.send_data(stream, data, end_stream=end)
        self._flush()

    def _room(self, stream: int) -> int:
        return min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)

    def read(self, stream: int, size: int) -> bytes:
        """So many bytes of an answer's body, or fewer at its end."""
        while len(self._data[stream]) < size and stream not in self.ended:
            self._receive()
        taken = bytes(self._data[stream][:size])
        del self._data[stream][:size]
        return taken

    def finish(self, stream: int) -> bytes:
        """Wait for the end of an answer; what is left of its body."""
        while stream not in self.ended:
            self._receive()
        return bytes(self._data.pop(stream, b""))

    def status(self, stream: int) -> int:
        while stream not in self.headers and stream not in self.ended:
            self._receive()
        return int(dict(self.headers.get(stream, [])).get(":status", "0"))

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("closed by the other side")
        self._received += data
        for event in self._h2.receive_data(self._without_goaway()):
            self._handle(event)
        self._flush()

    def _without_goaway(self) -> bytes:
        """Whole frames. GOAWAY is taken out: it lets streams that are open go on (RFC 9113, 6.8), h2 does not."""
        passed = b""
        while len(self._received) >= FRAME_HEAD:
            size = FRAME_HEAD + int.from_bytes(self._received[:3], "big")
            if len(self._received) < size:
                break
            if self._received[3] == GOAWAY:
                self.goaway = True
            else:
                passed += self._received[:size]
            del self._received[:size]
        return passed

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=int(stream)):
                self.headers[stream] = [(str(name), str(value)) for name, value in event.headers or ()]
            case h2.events.TrailersReceived(stream_id=int(stream)):
                self.trailers[stream] = [(str(name), str(value)) for name, value in event.headers or ()]
            case h2.events.DataReceived(stream_id=int(stream)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                self._data[stream] += event.data or b""
            case h2.events.StreamEnded(stream_id=int(stream)):
                self.ended.add(stream)
            case h2.events.StreamReset(stream_id=int(stream)):
                self.reset[stream] = int(event.error_code or 0)
                self.ended.add(stream)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._socket.sendall(data)

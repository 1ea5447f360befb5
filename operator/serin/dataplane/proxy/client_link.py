"""The transport side of a client connection: writing, flow control, deadlines and the ways to close.

Everything that would be the same for any protocol spoken on it. What the bytes mean is downstream.py's.
"""

import asyncio
import os
import socket
import struct
import time
from abc import ABC, abstractmethod

from serin.dataplane.proxy.connection_settings import ConnectionSettings

NEVER = float("inf")

IDLE, EXCHANGE, DRAIN, LINGER, CLOSED = range(5)
"""Between requests; in one; throwing away the rest of a body; throwing away everything; closing or gone."""

HOLD_UPLOAD, HOLD_CONNECTING, HOLD_BUFFER = 1, 2, 4
ALL_HOLDS = HOLD_UPLOAD | HOLD_CONNECTING | HOLD_BUFFER
"""Why nothing is read: the endpoint does not take it, there is none yet, what was read waits for its turn."""


class ClientLink(asyncio.Protocol, ABC):
    __slots__ = (
        "_holds",
        "_linger_end",
        "_queued",
        "_state",
        "_tls",
        "_write_paused",
        "deadline",
        "settings",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, settings: ConnectionSettings, *, tls: bool) -> None:
        self.settings = settings
        self.deadline = NEVER
        """When to act next, on time.monotonic()'s clock; the sweep looks at it."""
        self._tls = tls
        self._state = IDLE
        self._holds = 0
        self._queued = 0
        self._write_paused = False
        self._linger_end = 0.0

    @property
    def idle(self) -> bool:
        """Between two requests, or before the first."""
        return self._state == IDLE

    # --- writing ---

    def write(self, data: bytes) -> None:
        try:  # noqa: SIM105 - contextlib.suppress costs as much as a small write
            self.transport.write(data)
        except RuntimeError:  # uvloop: closed, connection_lost not yet called
            pass

    def pause_writing(self) -> None:
        self._write_paused = True
        self._watch_output()
        self._output_paused(paused=True)

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._state == LINGER:
            self._linger_on()
        elif self._state != CLOSED:
            self.deadline = self._next_deadline()
            self._output_paused(paused=False)

    @abstractmethod
    def _output_paused(self, *, paused: bool) -> None:
        """What feeds this connection is to be stopped or may go on."""

    @abstractmethod
    def _next_deadline(self) -> float:
        """The deadline of the state that the connection is in, counted from now."""

    def _watch_output(self) -> None:
        self._queued = self.transport.get_write_buffer_size()
        self.deadline = time.monotonic() + self.settings.send_timeout

    def _output_stuck(self, now: float) -> bool:
        """The deadline has passed while output waits: False, and a new one, when the client has taken some since."""
        queued = self.transport.get_write_buffer_size()
        if queued >= self._queued:
            return True
        self._queued = queued
        self.deadline = now + self.settings.send_timeout
        return False

    # --- reading ---

    def hold(self, why: int, *, on: bool) -> None:
        """Stop or resume reading for one of the reasons HOLD_*."""
        before = self._holds
        self._holds = after = before | why if on else before & ~why
        if bool(before) == bool(after) or self.transport.is_closing():
            return
        if after:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
        if not self._write_paused and self._state != CLOSED:
            self.deadline = self._next_deadline()

    def let_others(self) -> None:
        """The last read cost much: whoever else has sent something comes before the next one."""
        if not self._holds and not self.transport.is_closing():
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self._holds and not self.transport.is_closing():
            self.transport.resume_reading()

    # --- closing ---

    def _close(self) -> None:
        """Close once everything written is sent; a client that does not take it is cut by the sweep."""
        if self._state != CLOSED:
            self._state = CLOSED
            self._watch_output()
            self.transport.close()

    def _reset(self) -> None:
        """Cut with a reset: the only way to say that a body, which the end of the connection ends, is not whole."""
        self._state = CLOSED
        link = self.transport.get_extra_info("socket")
        if link is not None and link.fileno() >= 0:
            with socket.socket(fileno=os.dup(link.fileno())) as same:
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _close_lingering(self, *, unread: bool) -> None:
        """Close, but read on for a while what the client still sends: a reset would destroy the answer on its way."""
        if self._state in (LINGER, CLOSED):
            return
        if self.transport.is_closing() or (self._tls and not unread):
            self._close()
            return
        self._state = LINGER
        if self._holds:
            self._holds = 0
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        now = time.monotonic()
        self._linger_end = now + self.settings.linger_time
        self.deadline = now + self.settings.linger_timeout

    def _linger_on(self) -> None:
        """Something was read and thrown away."""
        if not self._write_paused:
            self.deadline = min(time.monotonic() + self.settings.linger_timeout, self._linger_end)

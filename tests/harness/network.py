"""A network of a test's own: addresses that are not loopback ones, seen by nobody else.

The API server takes no loopback address as an endpoint. So the test's thread, and every process and thread it starts,
goes into a network namespace where the backends' addresses lie on the loopback interface; what listens outside of it is
reached by a relay.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from typing import Self

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NoNetworkError(Exception):
    """This machine does not let us make one."""


class PrivateNetwork:
    """Context manager; `addresses` are those that may be listened on inside."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = tuple(addresses)

    def __enter__(self) -> Self:
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if _libc.unshare(_CLONE_NEWNET) != 0:
            os.close(self._outside)
            raise NoNetworkError(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        self._inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _ip("link", "set", "lo", "up")
            for address in self._addresses:
                _ip("address", "add", f"{address}/32", "dev", "lo")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _enter(self._outside)
        os.close(self._outside)
        os.close(self._inside)

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """What is started meanwhile belongs to the machine's own network."""
        _enter(self._outside)
        try:
            yield
        finally:
            _enter(self._inside)

    def listen(self, port: int) -> socket.socket:
        """On 127.0.0.1 inside."""
        return socket.create_server(("127.0.0.1", port), backlog=128)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise NoNetworkError(os.strerror(ctypes.get_errno()))


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoNetworkError("there is no command `ip`") from error
    if done.returncode:
        raise NoNetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

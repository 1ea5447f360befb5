"""The right to bind ports below 1024, CAP_NET_BIND_SERVICE, as it comes to a user that is not root.

The image carries it on Python's program file as permitted and not as effective: it is there only where the container
may have it, and does nothing until a process asks for it. The parent does so while it opens its sockets and then gives
it up for good, so that no worker, which reads what strangers send, ever has it. Root's rights must not be touched: they
are whoever started us to choose, and each exec would bring them back.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from serin.errors import SerinError

_NET_BIND_SERVICE = 1 << 10  # linux/capability.h
_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("thread", ctypes.c_int))


class _Sets(ctypes.Structure):
    """Capabilities 0 to 31; a second one follows it for those above. See capset(2)."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def low_ports() -> Iterator[None]:
    """Inside, ports below 1024 may be bound if this thread is permitted to; afterwards neither it nor its children may.

    Call it before there are other threads: each has rights of its own. Nothing happens for root, or without the right.
    SerinError when the right cannot be given up.
    """
    sets = (_Sets * 2)()
    asked = _libc.capget(ctypes.byref(_Header(_VERSION_3)), sets) == 0
    if not asked or os.geteuid() == 0 or not sets[0].permitted & _NET_BIND_SERVICE:
        yield
        return
    sets[0].effective |= _NET_BIND_SERVICE
    _change(sets)
    try:
        yield
    finally:
        # Or the program file would permit it again to a worker.
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise _refused()
        sets[0].effective &= ~_NET_BIND_SERVICE
        sets[0].permitted &= ~_NET_BIND_SERVICE
        sets[0].inheritable &= ~_NET_BIND_SERVICE
        _change(sets)


def _change(sets: ctypes.Array[_Sets]) -> None:
    if _libc.capset(ctypes.byref(_Header(_VERSION_3)), sets) != 0:
        raise _refused()


def _refused() -> SerinError:
    return SerinError(f"the right to bind ports below 1024 cannot be changed: {os.strerror(ctypes.get_errno())}")

"""The name that a TLS client asks for, out of the first bytes that it sends (RFC 8446 4.1.2, RFC 6066 3).

Only read, never answered: the same bytes go to whoever ends the TLS. What cannot be read has no name.
"""

MOST = 16640
"""Bytes that are looked at: a record's most. nginx looks at as many (preread_buffer_size 16k)."""
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


def server_name(data: bytes) -> str | None:
    """In lower case and without a dot at its end; empty when the client names none, or does not speak TLS.

    None while more has to come.
    """
    try:
        hello = _hello(data)
        if hello is None:
            return None if len(data) < MOST else ""
        return _name(hello)
    except (_NotTlsError, IndexError):
        return ""


class _NotTlsError(Exception):
    """These bytes are no ClientHello."""


def _hello(data: bytes) -> bytes | None:
    """The body of the ClientHello, put together from the records that it came in; None while it is not whole."""
    message, at = b"", 0
    while at < len(data):
        if data[at] != _HANDSHAKE or (at + 1 < len(data) and data[at + 1] != 3):
            raise _NotTlsError
        if at + 5 > len(data):
            return None
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if not length:
            raise _NotTlsError
        message += data[at + 5 : at + 5 + length]
        at += 5 + length
        if message and message[0] != _CLIENT_HELLO:
            raise _NotTlsError
        if len(message) >= 4:
            whole = 4 + int.from_bytes(message[1:4], "big")
            if whole > MOST:
                raise _NotTlsError
            if len(message) >= whole:
                return message[4:whole]
    return None


def _name(hello: bytes) -> str:
    """IndexError when a length in it leads beyond its end."""
    at = 34  # version and random
    at += 1 + hello[at]
    at += 2 + _number(hello, at)
    at += 1 + hello[at]
    if at == len(hello):
        return ""
    end = at + 2 + _number(hello, at)
    at += 2
    while at < end:
        kind, length = _number(hello, at), _number(hello, at + 2)
        if kind == _SERVER_NAME:
            return _host_name(hello[at + 4 : at + 4 + length])
        at += 4 + length
    return ""


def _host_name(extension: bytes) -> str:
    at = 2
    while at < len(extension):
        length = _number(extension, at + 1)
        if extension[at] == _HOST_NAME:
            name = extension[at + 3 : at + 3 + length]
            return name.decode("ascii", "replace").lower().rstrip(".") if len(name) == length else ""
        at += 3 + length
    return ""


def _number(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + 2], "big")

"""Header lines that a user's texts ask for, compiled once: a constant where they hold no variable.

A line set takes the place of those that have its name; whoever writes the message drops these by `names`. It must not
know whether the message is a request or an answer.
"""

from collections.abc import Iterable, Mapping

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.headers import one_line
from serin.dataplane.proxy.variables import Evaluate, compile_parts
from serin.routing.lines import HeaderLine
from serin.routing.variables import is_variable_part, split_variables


class ReadyLines:
    """Lines ready to be written. An empty value writes none, so the header is taken away, as nginx does."""

    __slots__ = ("_constant", "_parts", "names")

    def __init__(self, lines: Iterable[HeaderLine], constants: Mapping[str, bytes]) -> None:
        last = {line.name.lower(): line for line in lines}
        self.names = frozenset(name.encode() for name in last)
        """In lower case."""
        self._parts: list[bytes | tuple[bytes, Evaluate]] = []
        for line in last.values():
            pieces = split_variables(line.value)
            if any(is_variable_part(piece) for piece in pieces):
                self._parts.append((line.name.encode(), compile_parts(pieces, constants)))
            elif line.value:
                self._parts.append(header_line(line.name.encode(), line.value.encode()))
        fixed = [part for part in self._parts if isinstance(part, bytes)]
        self._constant = b"".join(fixed) if len(fixed) == len(self._parts) else None

    def text(self, head: RequestHead, client: Client, path: bytes) -> bytes:
        """The lines of one request, each ended by CRLF."""
        if self._constant is not None:
            return self._constant
        lines = []
        for part in self._parts:
            if isinstance(part, bytes):
                lines.append(part)
            elif value := part[1](head, client, path):
                lines.append(header_line(part[0], value))
        return b"".join(lines)


def header_line(name: bytes, value: bytes) -> bytes:
    return b"%b: %b\r\n" % (name, one_line(value))


def without_names(lines: bytes, names: frozenset[bytes]) -> bytes:
    """Header lines but those of these lower-case names."""
    kept = [line for line in lines.split(b"\r\n") if line and line.partition(b":")[0].lower() not in names]
    return b"".join([line + b"\r\n" for line in kept])


def names_of(lines: bytes) -> frozenset[bytes]:
    """The lower-case names of header lines."""
    return frozenset(line.partition(b":")[0].lower() for line in lines.split(b"\r\n") if line)

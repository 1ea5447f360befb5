"""Request heads: what HTTP forbids is refused here, what is left becomes a RequestHead.

The request line is always read by the strict patterns below. The header block goes through aiohttp's parser and the
checks that it leaves to us (reference: RFC 9112, sections 3, 5 and 6); the result depends on the block's bytes alone,
so a connection may keep it and skip the work when the same block comes again.
"""

import re

from serin.dataplane.proxy.exchange import RequestHead
from serin.dataplane.proxy.parsers import BadHeadError, HeadParser, LowerNames
from serin.routing.paths import normalize

TOO_LARGE = 494
"""nginx's number for a head that is too large: the answer is 400 with a page of its own."""
CHUNKED = -1
_MAX_HOSTS = 1024

_NO_OPTIONS: frozenset[bytes] = frozenset()
COMMON_METHODS = {m.encode(): m for m in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")}

read_common_line = re.compile(rb'([A-Z][A-Z_-]*) (/[!"$-~\x80-\xff]*) HTTP/1\.1').fullmatch
"""Nearly every request line: origin form, HTTP/1.1. Groups: method, target. Anything else goes through `read_line`.

Bytes above 0x7f are not RFC 3986's; as nginx does, they are taken, because clients send letters without encoding them.
"""
_token = re.compile(rb"[A-Z][A-Z_-]*").fullmatch
_version = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
_origin = re.compile(rb'/[!"$-~\x80-\xff]*').fullmatch
_absolute = re.compile(rb'https?://([^/?#]*)((?:[/?][!"$-~\x80-\xff]*)?)', re.IGNORECASE).fullmatch
_host = re.compile(
    rb"([A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\])(?::[A-Za-z0-9._~-]*)?"
).fullmatch

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        b"host",
    )
)
"""Never passed on as sent: RFC 9110, section 7.6.1; Expect is answered here, Host is the gate's."""
PLAIN_NAME = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Headers whose names hold other characters are not passed on: nginx drops them (ignore_invalid_headers)."""
UNDERSCORED_NAME = PLAIN_NAME + b"_"
"""With underscores_in_headers."""
ANY_NAME = UNDERSCORED_NAME + b"!#$%&'*+.^`|~"
"""RFC 9110's token: what a header's name may hold at all."""
_NOT_NAMED = frozenset((b"close", b"keep-alive", b"", b"content-length", b"host"))
"""Options of Connection that name no header, and headers that stay although named: without them the endpoint would see
another message than we did."""


class RefusedError(Exception):
    """The request is answered with `status` (or page 494) and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Fields:
    """A header block, read and checked."""

    __slots__ = (
        "content_length",
        "expect_continue",
        "headers",
        "host",
        "host_header",
        "lower",
        "options",
        "passed",
        "passed_without",
        "persistent",
        "plain",
        "referer",
        "upgrade",
        "user_agent",
    )

    def __init__(self, headers: list[tuple[bytes, bytes]], lower: list[bytes]) -> None:
        self.headers = headers
        self.lower = lower
        self.host = ""
        self.host_header = b""
        self.content_length = 0
        self.upgrade = b""
        self.expect_continue = False
        self.persistent = False
        """The client wants to keep the connection (RFC 9112, section 9.3)."""
        self.options = _NO_OPTIONS
        """What Connection names, but close and keep-alive."""
        self.referer: bytes | None = None
        self.user_agent: bytes | None = None
        self.passed = b""
        """The lines sent on when the names in `passed_without` are dropped."""
        self.passed_without: frozenset[bytes] | None = None
        self.plain = PLAIN_NAME
        """Headers whose names hold other characters are not passed on."""

    def values(self, name: bytes) -> list[bytes]:
        return [v for (_, v), n in zip(self.headers, self.lower, strict=True) if n == name]


def read_line(line: bytes) -> tuple[bytes, bytes, bytes | None, bool]:
    """Method, target in origin form, authority of an absolute target or None, whether it is HTTP/1.0.

    Raises RefusedError as nginx answers: 400, 505.
    """
    parts = line.split(b" ")
    if len(parts) != 3 or _token(parts[0]) is None or _version(parts[2]) is None:
        raise RefusedError(400)
    method, target, version = parts
    authority = None
    if _origin(target) is None:
        match = _absolute(target)
        if match is None:
            raise RefusedError(400)
        authority, target = match.groups()
        if not target.startswith(b"/"):
            target = b"/" + target
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise RefusedError(505)
    return method, target, authority, version == b"HTTP/1.0"


def other_method(method: bytes, target: bytes) -> str:
    """A method out of the ordinary. Those that nobody has heard of are passed on.

    CONNECT is not for a gateway, TRACE would show headers of ours: 405, as nginx answers, which reads the path and the
    headers before it looks at the method.
    """
    if method in (b"CONNECT", b"TRACE"):
        raise RefusedError(400 if normalize(target) is None else 405)
    return method.decode("ascii")


def host_name(value: bytes) -> str:
    """A Host value without port and trailing dot, in lower case; raises RefusedError when it is not one name.

    Any port text is taken and no character of RFC 3986's reg-name refused, as nginx does; two dots in a row are.
    """
    match = _host(value)
    if match is None or b".." in value or value.startswith(b".:") or value == b".":
        raise RefusedError(400)
    name: str = match[1].decode("ascii").lower()
    return name.removesuffix(".")


class HeadReader:
    """Reads header blocks. One for a worker."""

    def __init__(self, max_line: int, plain: bytes = PLAIN_NAME) -> None:
        self._parser = HeadParser(answers=False)
        self._names = LowerNames()
        self._hosts: dict[bytes, str] = {}
        self._max_line = max_line
        self._plain = plain

    def fields(self, block: bytes, *, http10: bool) -> Fields:
        """`block` ends with its empty line. Raises RefusedError."""
        if len(block) > self._max_line and max(map(len, block.split(b"\r\n"))) + 2 > self._max_line:
            raise RefusedError(TOO_LARGE)
        # The parser sees a line of ours: it knows too few methods, and the real line is checked elsewhere.
        line = b"GET / HTTP/1.0\r\n" if http10 else b"GET / HTTP/1.1\r\n"
        names = self._names
        try:
            headers = list(self._parser.read(line + block).raw_headers)
            lower = [names[name] for name, _ in headers]
        except BadHeadError as error:
            raise RefusedError(400) from error
        fields = Fields(headers, lower)
        fields.plain = self._plain
        fields.persistent = not http10
        if http10 and b"transfer-encoding" in lower:
            raise RefusedError(400)
        for name in _DECIDING.intersection(lower):
            single = lower.count(name) == 1
            value = headers[lower.index(name)][1]
            if name == b"host":
                if not single:
                    raise RefusedError(400)
                fields.host_header = value
                fields.host = self._hosts.get(value) or self._host(value)
            elif name == b"user-agent":
                fields.user_agent = value
            elif name == b"referer":
                fields.referer = value
            else:
                _FIELDS[name](fields, value if single else b",".join(fields.values(name)), single=single)
        if b"host" not in lower and not http10:
            raise RefusedError(400)
        if http10 or fields.content_length or b"upgrade" not in fields.options:
            fields.upgrade = b""
        if http10:
            fields.expect_continue = False  # RFC 9110, section 10.1.1
        return fields

    def _host(self, value: bytes) -> str:
        name = host_name(value)
        if len(self._hosts) >= _MAX_HOSTS:
            self._hosts.clear()
        self._hosts[value] = name
        return name


def _connection(fields: Fields, value: bytes, *, single: bool) -> None:
    options = frozenset([token.strip(b" \t").lower() for token in value.split(b",")])
    if b"close" in options:
        fields.persistent = False
    elif b"keep-alive" in options:
        fields.persistent = True
    fields.options = options - _NOT_NAMED


def _content_length(fields: Fields, value: bytes, *, single: bool) -> None:
    if not single or not value.isdigit() or len(value) > 18:
        raise RefusedError(400)
    if fields.content_length != CHUNKED:
        fields.content_length = int(value)


def _transfer_encoding(fields: Fields, value: bytes, *, single: bool) -> None:
    if not single:
        raise RefusedError(400)
    if value.lower() != b"chunked":
        raise RefusedError(501)  # RFC 9112, section 6.1
    if b"content-length" in fields.lower:
        raise RefusedError(400)
    fields.content_length = CHUNKED


def _upgrade(fields: Fields, value: bytes, *, single: bool) -> None:
    """h2c would carry requests past every rule of the gate."""
    tokens = [t.strip(b" \t").lower() for t in value.split(b",")]
    fields.upgrade = b"" if b"h2c" in tokens else value


def _expect(fields: Fields, value: bytes, *, single: bool) -> None:
    if not single:
        raise RefusedError(400)
    fields.expect_continue = value.lower() == b"100-continue"


def _once(fields: Fields, value: bytes, *, single: bool) -> None:
    if not single:
        raise RefusedError(400)


_ONCE = frozenset(
    (
        b"authorization",
        b"content-range",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
    )
)
"""Headers that nginx refuses when they are repeated. Of two Authorization lines nobody knows which one was checked."""
_FIELDS = {
    b"connection": _connection,
    b"content-length": _content_length,
    b"transfer-encoding": _transfer_encoding,
    b"upgrade": _upgrade,
    b"expect": _expect,
    **dict.fromkeys(_ONCE, _once),
}
_DECIDING = frozenset((*_FIELDS, b"host", b"referer", b"user-agent"))


def request_head(fields: Fields, method: str, target: bytes, host: str, *, http10: bool) -> RequestHead:
    return RequestHead(
        method,
        target,
        host,
        fields.host_header,
        http10,
        fields.headers,
        fields.lower,
        fields.content_length,
        fields.upgrade,
        fields.expect_continue,
        fields.plain,
    )


_without: dict[frozenset[bytes], frozenset[bytes]] = {}
_MAX_WITHOUT = 256


def passed_lines(fields: Fields, drop: frozenset[bytes]) -> bytes:
    """The client's lines for the endpoint, as sent and in order; then what frames or upgrades our own message."""
    if fields.passed_without is drop:
        return fields.passed
    without = _without.get(drop)
    if without is None:
        if len(_without) >= _MAX_WITHOUT:
            _without.clear()
        without = _without[drop] = drop | HOP_BY_HOP
    if fields.options:
        without = without | fields.options
    lines = [
        b": ".join(pair)
        for pair, name in zip(fields.headers, fields.lower, strict=True)
        if name not in without and not name.translate(None, fields.plain)
    ]
    if fields.content_length == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked")
    if fields.upgrade:
        lines.append(b"Upgrade: %b" % fields.upgrade)
        if b"connection" not in drop:
            lines.append(b"Connection: upgrade")
    lines.append(b"")
    fields.passed = b"\r\n".join(lines)
    fields.passed_without = drop
    return fields.passed

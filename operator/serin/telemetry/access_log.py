"""The access log: one line for each exchange, in ingress-nginx's `upstreaminfo` format or as JSON.

Log pipelines parse the first byte for byte, so its fields and its quoting are nginx's. Lines are made when the exchange
ends and handed on once a second or at 64 KiB, since a write for each would cost more than the request.
"""

import re
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from json.encoder import encode_basestring_ascii as _text
from typing import Any, Protocol

BLOCK_BYTES = 65536
FLUSH_SECONDS = 1.0
_MEMO_ENTRIES = 4096
_MEMO_LENGTH = 512
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MILLISECONDS = tuple(f"0.{ms:03d}" for ms in range(1000))
_find_unsafe = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]').search


class LogFormat(StrEnum):
    UPSTREAMINFO = "upstreaminfo"
    JSON = "json"
    OFF = "off"


class Context(Protocol):
    """Names of the route that answered; all may be empty."""

    namespace: str
    ingress: str
    service: str
    port: str
    upstream: str
    alternative: str
    version: str
    reason: str
    remote_user: str
    request_id: str


class Attempt(Protocol):
    """A try at an endpoint; `address` is `ip:port`, `seconds` how long it took, `status` 0 when unknown."""

    address: str
    length: int
    seconds: float
    status: int


class Exchange(Protocol):
    """What is logged; dataplane.proxy.completed has the fields' meaning."""

    remote_addr: str
    request: bytes
    status: int
    body_bytes: int
    request_length: int
    request_time: float
    referer: bytes | None
    user_agent: bytes | None
    host: str
    upstream_addr: str
    upstream_length: int
    upstream_time: float
    upstream_status: int

    @property
    def log(self) -> Context: ...

    @property
    def earlier(self) -> Sequence[Attempt]: ...


class AccessLog:
    """Gathers lines and hands blocks of them to `write`.

    `later` is the event loop's call_later; `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        later: Callable[[float, Callable[[], None]], object],
        *,
        log_format: LogFormat = LogFormat.UPSTREAMINFO,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._write = write
        self._later = later
        self._clock = clock
        self._json = log_format is LogFormat.JSON
        self._lines: list[str] = []
        self._size = 0
        self._second = -1
        self._stamp = ""
        self._own: Callable[[Any, int], str] | None = None

    def use(self, line: "Callable[[Any, int], str] | None") -> None:
        """Lines are made by `line` from now on (serin.telemetry.log_format), None: in the format given at first."""
        self._own = line

    def add(self, exchange: Exchange) -> None:
        """Log an exchange that has just ended."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._stamp = iso_time(second) if self._json else local_time(second)
        if self._own is not None:
            line = self._own(exchange, second)
        else:
            line = json_line(exchange, self._stamp) if self._json else upstreaminfo(exchange, self._stamp)
        lines = self._lines
        if not lines:
            self._later(FLUSH_SECONDS, self.flush)
        lines.append(line)
        self._size += len(line)
        if self._size >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what was gathered; to be called once more before the process ends."""
        if self._lines:
            block = "".join(self._lines).encode("latin-1")
            self._lines.clear()
            self._size = 0
            self._write(block)


def upstreaminfo(e: Exchange, stamp: str) -> str:
    """ingress-nginx's default line with its line end; `stamp` is nginx's time_local."""
    c = e.log
    if e.earlier:
        upstream = _attempts(e)
    elif e.upstream_addr:
        ms = int(e.upstream_time * 1000)
        seconds = _MILLISECONDS[ms] if 0 <= ms < 1000 else seconds_text(e.upstream_time)
        upstream = f"{e.upstream_addr} {e.upstream_length} {seconds} {e.upstream_status or '-'}"
    else:
        upstream = "- - - -"
    user = quote(c.remote_user.encode()) if c.remote_user else "-"
    referer = "-" if e.referer is None else _quoted(e.referer)
    agent = "-" if e.user_agent is None else _quoted(e.user_agent)
    ms = int(e.request_time * 1000)
    took = _MILLISECONDS[ms] if 0 <= ms < 1000 else seconds_text(e.request_time)
    request = e.request.decode("ascii") if _find_unsafe(e.request) is None else quote(e.request)
    return (
        f'{e.remote_addr} - {user} [{stamp}] "{request or "-"}" {e.status} {e.body_bytes} '
        f'"{referer}" "{agent}" {e.request_length} {took} '
        f"[{c.upstream}] [{c.alternative}] {upstream} {c.request_id or '-'}\n"
    )


def json_line(e: Exchange, stamp: str) -> str:
    """The same as a JSON object, with who answered (version) and why (reason). `attempts` only after a retry."""
    c = e.log
    return (
        f'{{"time":"{stamp}","remote_addr":"{e.remote_addr}","remote_user":{_text(c.remote_user)},'
        f'"host":{_text(e.host)},"request":{_text(_readable(e.request))},"status":{e.status},'
        f'"body_bytes_sent":{e.body_bytes},"referer":{_text(_readable(e.referer))},'
        f'"user_agent":{_text(_readable(e.user_agent))},"request_length":{e.request_length},'
        f'"request_time":{seconds_text(e.request_time)},"namespace":{_text(c.namespace)},"ingress":{_text(c.ingress)},'
        f'"service":{_text(c.service)},"service_port":{_text(c.port)},"version":{_text(c.version)},"reason":{_text(c.reason)},'
        f'"upstream_addr":"{e.upstream_addr}","upstream_response_length":{e.upstream_length},'
        f'"upstream_response_time":{seconds_text(e.upstream_time)},"upstream_status":{e.upstream_status},'
        f'"request_id":{_text(c.request_id)}{_json_attempts(e.earlier) if e.earlier else ""}}}\n'
    )


def quote(value: bytes) -> str:
    r"""nginx's default escaping: `"`, `\`, control characters and bytes above 126 as \xXX with upper-case digits."""
    if _find_unsafe(value) is None:
        return value.decode("ascii")
    return "".join(chr(b) if 31 < b < 127 and b not in (34, 92) else f"\\x{b:02X}" for b in value)


def local_time(second: int) -> str:
    """nginx's time_local: `21/Nov/2026:08:21:24 +0000`, in this machine's time zone, English whatever the locale."""
    t = time.localtime(second)
    sign, offset = "-" if t.tm_gmtoff < 0 else "+", abs(t.tm_gmtoff) // 60
    return (
        f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} "
        f"{sign}{offset // 60:02d}{offset % 60:02d}"
    )


def iso_time(second: int) -> str:
    """RFC 3339 in UTC: `2026-11-21T08:21:24Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


_memo: dict[bytes, str] = {}


def _quoted(value: bytes) -> str:
    """`quote` for what comes again and again (user agents)."""
    text = _memo.get(value)
    if text is None:
        text = quote(value)
        if len(_memo) >= _MEMO_ENTRIES:
            _memo.clear()
        if len(value) <= _MEMO_LENGTH:
            _memo[value] = text
    return text


def seconds_text(value: float) -> str:
    """nginx's times: seconds with three decimals, cut off."""
    ms = int(value * 1000)
    if 0 <= ms < 1000:
        return _MILLISECONDS[ms]
    return f"{ms // 1000}.{ms % 1000:03d}" if ms > 0 else "0.000"


def _attempts(e: Exchange) -> str:
    """The four upstream fields, each with a value for every attempt, as nginx joins them."""
    tries = [(a.address, a.length, a.seconds, a.status) for a in e.earlier]
    if e.upstream_addr:
        tries.append((e.upstream_addr, e.upstream_length, e.upstream_time, e.upstream_status))
    fields = (
        [address for address, _, _, _ in tries],
        [str(length) for _, length, _, _ in tries],
        [seconds_text(seconds) for _, _, seconds, _ in tries],
        [str(status or "-") for _, _, _, status in tries],
    )
    return " ".join(", ".join(values) for values in fields)


def _json_attempts(earlier: Sequence[Attempt]) -> str:
    attempts = (
        f'{{"addr":"{a.address}","length":{a.length},"time":{seconds_text(a.seconds)},"status":{a.status}}}'
        for a in earlier
    )
    return f',"attempts":[{",".join(attempts)}]'


def _readable(value: bytes | None) -> str:
    return value.decode("utf-8", "backslashreplace") if value else ""

"""How nginx holds bodies: buffers and temporary files. The proxy plane streams both ways and needs none of it.

nginx refuses a whole configuration for sizes that do not fit each other, so they are made to fit here.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import Grammar
from serin.compile.annotations.model import NGINX, Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.routing.plan import Buffering

_C, _L = Concern.COSMETIC, Scope.LOCATION
_K, _M, _G = 1 << 10, 1 << 20, 1 << 30

ON_OFF: Grammar[str] = grammar.one_of("on", "off")


def _is_on(text: str) -> bool | None:
    word = ON_OFF.read(text)
    return None if word is None else word == "on"


SWITCH = Grammar(_is_on, "on or off")
BUFFER_SIZE = grammar.size(_K, 16 * _M, "a size from 1k to 16m")
BUFFERS = grammar.integer(1, 4096)
BUSY_SIZE = grammar.size(_K, 16 * _G, "a size from 1k to 16g")
TEMP_FILE = grammar.size(0, 1024 * _G, "a size up to 1024g (0: no temporary file)")
BODY_BUFFER = grammar.size(_K, 256 * _M, "a size from 1k to 256m")
VERSION = grammar.one_of("1.0", "1.1")

BUFFERING = Annotation(
    "proxy-buffering",
    SWITCH,
    False,
    _C,
    _L,
    "`on`: nginx reads an answer as fast as the endpoint sends it, and holds it for the client.",
    planes=NGINX,
    neutral=frozenset({"off"}),
)
SIZE = Annotation(
    "proxy-buffer-size",
    BUFFER_SIZE,
    4096,
    _C,
    _L,
    "Memory for an answer's headers, and size of each of its buffers. Larger headers get 502.",
    planes=NGINX,
)
NUMBER = Annotation(
    "proxy-buffers-number", BUFFERS, 4, _C, _L, "Number of buffers for an answer, at least 2.", planes=NGINX
)
BUSY: Annotation[int | None] = Annotation(
    "proxy-busy-buffers-size",
    BUSY_SIZE,
    None,
    _C,
    _L,
    "How much of the buffers may be on its way to the client. Between one buffer and all but one.",
    planes=NGINX,
)
MAX_TEMP_FILE: Annotation[int | None] = Annotation(
    "proxy-max-temp-file-size",
    TEMP_FILE,
    None,
    _C,
    _L,
    "Longest part of a buffered answer that goes to a temporary file. 0: none does. Default: nginx's own, 1024m.",
    planes=NGINX,
)
REQUESTS = Annotation(
    "proxy-request-buffering",
    SWITCH,
    True,
    _C,
    _L,
    "`on`: a request is read as a whole before an endpoint gets it.",
    planes=NGINX,
    neutral=frozenset({"on", "off"}),
)
REQUEST_SIZE: Annotation[int | None] = Annotation(
    "client-body-buffer-size",
    BODY_BUFFER,
    None,
    _C,
    _L,
    "Memory for a request's body; a longer one goes to a temporary file. Default: nginx's own, 16k.",
    planes=NGINX,
)
HTTP_VERSION = Annotation(
    "proxy-http-version",
    VERSION,
    "1.1",
    Concern.ROUTING,
    _L,
    "HTTP version towards the endpoints. With `1.0` there is no keep-alive, no WebSocket and no chunked body.",
    planes=NGINX,
    neutral=frozenset({"1.1"}),
)

FAMILY: tuple[Annotation[Any], ...] = (
    BUFFERING,
    SIZE,
    NUMBER,
    BUSY,
    MAX_TEMP_FILE,
    REQUESTS,
    REQUEST_SIZE,
    HTTP_VERSION,
)


def buffering_of(values: Values, defaults: Buffering, findings: Findings) -> Buffering:
    """Sizes that nginx would refuse are moved to the nearest that it takes, with a warning where they were asked for.

    `defaults` come from the ConfigMap, and fit already.
    """
    if values.found.keys().isdisjoint(FAMILY):
        return defaults
    asked = Buffering(
        answers=values.get_or(BUFFERING, defaults.answers),
        requests=values.get_or(REQUESTS, defaults.requests),
        size=values.get_or(SIZE, defaults.size),
        number=values.get_or(NUMBER, defaults.number),
        busy=values.get_or(BUSY, defaults.busy),
        max_temp_file=values.get_or(MAX_TEMP_FILE, defaults.max_temp_file),
        request_size=values.get_or(REQUEST_SIZE, defaults.request_size),
    )
    made = fitting(asked)
    for annotation, text in misfits(asked, made):
        if annotation in values:
            findings.warning(values.source(annotation), "buffer-size-adjusted", text)
    return made


def fitting(asked: Buffering) -> Buffering:
    """What nginx takes: at least two buffers; busy ones of one buffer to all but one; a temporary file of one or none.

    nginx's own default for busy buffers is two of them, which with two in all is one too many.
    """
    number = max(asked.number, 2)
    most = (number - 1) * asked.size
    busy = asked.busy
    if busy is not None or number == 2:
        busy = min(max(busy or asked.size, asked.size), most)
    file = asked.max_temp_file
    if file:
        file = max(file, asked.size)
    return replace(asked, number=number, busy=busy, max_temp_file=file)


def misfits(asked: Buffering, made: Buffering) -> Iterator[tuple[Annotation[Any], str]]:
    """What was asked for and is not done."""
    if made.number != asked.number:
        yield NUMBER, f"nginx needs at least 2, found {asked.number}; 2 are taken"
    if asked.busy is not None and made.busy != asked.busy:
        most = (made.number - 1) * made.size
        text = f"with {made.number} buffers of {made.size} bytes expected {made.size} to {most} bytes"
        yield BUSY, f"{text}, found {asked.busy}; {made.busy} are taken"
    if made.max_temp_file != asked.max_temp_file:
        text = f"expected 0 or at least one buffer, {made.size} bytes, found {asked.max_temp_file}"
        yield MAX_TEMP_FILE, f"{text}; {made.max_temp_file} are taken"

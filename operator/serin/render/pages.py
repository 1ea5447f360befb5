"""The bodies of answers that Serin makes itself: all made at once, at the start of a process, never per request.

Phrases are nginx's, which partly differ from today's RFC 9110: scripts and tests of users look for them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from jinja2 import Environment, StrictUndefined, Template

from serin.render.assets import read_text

PHRASES: Mapping[int, str] = MappingProxyType(
    {
        301: "Moved Permanently",
        302: "Found",
        303: "See Other",
        307: "Temporary Redirect",
        308: "Permanent Redirect",
        400: "Bad Request",
        401: "Authorization Required",
        402: "Payment Required",
        403: "Forbidden",
        404: "Not Found",
        405: "Not Allowed",
        406: "Not Acceptable",
        408: "Request Time-out",
        409: "Conflict",
        410: "Gone",
        411: "Length Required",
        412: "Precondition Failed",
        413: "Request Entity Too Large",
        414: "Request-URI Too Large",
        415: "Unsupported Media Type",
        416: "Requested Range Not Satisfiable",
        421: "Misdirected Request",
        429: "Too Many Requests",
        500: "Internal Server Error",
        501: "Not Implemented",
        502: "Bad Gateway",
        503: "Service Temporarily Unavailable",
        504: "Gateway Time-out",
        505: "HTTP Version Not Supported",
        507: "Insufficient Storage",
    }
)

LARGE_HEADERS = "Request Header Or Cookie Too Large"


class Pages:
    """Bodies by status. HTML in UTF-8; the same object for every request."""

    def __init__(self) -> None:
        template = _template()

        def render(title: str, heading: str, text: str) -> bytes:
            return template.render(title=title, heading=heading, text=text).encode()

        self._bodies = {
            status: render(f"{status} {phrase}", f"{status} {phrase}", "") for status, phrase in PHRASES.items()
        }
        self._fallback = render("Error", "Error", "")
        self.large_headers = render(f"400 {LARGE_HEADERS}", "400 Bad Request", LARGE_HEADERS)
        """400 for a request whose headers do not fit the limits."""

    def body(self, status: int) -> bytes:
        """The page of a status; a general one for a status without a phrase."""
        return self._bodies.get(status, self._fallback)


def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True)
    return environment.from_string(read_text("templates", "page.html.j2"))

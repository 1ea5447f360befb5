"""Keys of the ConfigMap about what is passed on unread: ports of TCP and UDP, TLS by its name, PROXY lines."""

from collections.abc import Mapping

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import BOOLEAN, DURATION, Grammar
from serin.compile.settings_model import Key, part


def _some(text: str) -> int | None:
    """nginx would end each connection at once for 0."""
    return DURATION.read(text) or None


_SOME = Grammar(_some, "a time like 30s, 10m or 1h, longer than 0")

KEYS: Mapping[str, Key] = {
    "proxy-stream-timeout": part(
        "passing", "timeout", _SOME, "A connection or UDP session without a byte for so long is closed.", "600s"
    ),
    "proxy-stream-responses": part(
        "passing", "responses", grammar.integer(0, 65535), "Answers to a datagram that end a UDP session.", "1"
    ),
    "proxy-stream-next-upstream": part(
        "passing", "next_upstream", BOOLEAN, "Another endpoint is tried where one cannot be connected.", "true"
    ),
    "proxy-stream-next-upstream-timeout": part(
        "passing", "tries_timeout", DURATION, "No further endpoint is tried after this; 0: no bound.", "600s"
    ),
    "proxy-stream-next-upstream-tries": part(
        "passing", "tries", grammar.integer(0, 1000), "Endpoints that are tried; 0: no bound.", "3"
    ),
    "proxy-protocol-header-timeout": part("forwarding", "line_timeout", _SOME, "How long a PROXY line may take.", "5s"),
}

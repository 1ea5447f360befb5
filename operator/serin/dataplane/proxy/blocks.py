"""Who gets 403 everywhere: networks, user agents and referers of the settings (Blocks).

Texts are compared as nginx's `map` does: as a whole and in any case, or as patterns, of which none is tried on a header
that is empty or not there. A pattern that cannot be run to its end blocks: nobody knows what it would have said.
"""

from collections.abc import Iterable

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.networks import Networks
from serin.errors import SerinError
from serin.native.pattern import Pattern
from serin.routing.wide import Blocks


class Texts:
    """A list of texts; one that begins with `~` is a PCRE, with `~*` in any case."""

    __slots__ = ("_patterns", "_whole")

    def __init__(self, texts: Iterable[str]) -> None:
        written = tuple(texts)
        self._whole = frozenset(text.lower().encode() for text in written if not text.startswith("~"))
        self._patterns = tuple(_pattern(text) for text in written if text.startswith("~"))

    def match(self, value: bytes) -> bool:
        if not value:
            return False
        if value.lower() in self._whole:
            return True
        try:
            return any(pattern.search(value) is not None for pattern in self._patterns)
        except SerinError:
            return True


def _pattern(text: str) -> Pattern:
    return Pattern(text[2:], ignore_case=True) if text.startswith("~*") else Pattern(text[1:])


class ReadyBlocks:
    """One for a plan."""

    __slots__ = ("_agents", "_referers", "cidrs")

    def __init__(self, blocks: Blocks) -> None:
        self.cidrs = Networks(blocks.cidrs) if blocks.cidrs else None
        """Looked at with the lists of a route, after what a rewrite or a redirect answers."""
        self._agents = Texts(blocks.user_agents) if blocks.user_agents else None
        self._referers = Texts(blocks.referers) if blocks.referers else None

    def by_header(self, head: RequestHead) -> bool:
        """Whether the request is refused for what it says of itself."""
        if self._agents is not None and self._agents.match(head.get(b"user-agent") or b""):
            return True
        return self._referers is not None and self._referers.match(head.get(b"referer") or b"")

    def by_address(self, client: Client) -> bool:
        return self.cidrs is not None and client.address in self.cidrs


def ready_blocks(blocks: Blocks) -> ReadyBlocks | None:
    return ReadyBlocks(blocks) if blocks.cidrs or blocks.user_agents or blocks.referers else None

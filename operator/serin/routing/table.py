"""A host's routes in the form that a proxy worker asks: dictionaries for plain paths, patterns only where they can win.

Same answers as `match.find_route`, in a time that does not grow with the number of plain routes. What a lookup gives
back is the caller's own value for the route, so that a worker keeps all that it made of a route in one place.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from serin.errors import SerinError
from serin.routing.plan import Host, PathKind, Route
from serin.routing.search import PatternMaker, Searcher, path_searcher

V = TypeVar("V")
Clock = Callable[[], float]

MOST_SECONDS = 0.05
"""Of the processor, for all searches of a lookup together: each pattern has a bound of its own, but there may be
thousands."""
LOOK_EVERY = 16


class RouteTable(Generic[V]):
    """Built once for a host. Plain routes that an earlier one hides are left out.

    Of those left, a longer prefix always comes before the prefixes it begins with, and an exact path before the
    prefixes that would take it: so the first hit from the long end is the right one.
    """

    __slots__ = ("_clock", "_exact", "_longest", "_patterns", "_prefix", "_root")

    def __init__(
        self, host: Host, patterns: PatternMaker, value: Callable[[Route], V], clock: Clock | None = None
    ) -> None:
        """`clock`: seconds of the processor that this thread has had; None: searches have no bound together."""
        self._clock = clock
        self._exact: dict[bytes, tuple[int, V]] = {}
        self._prefix: dict[bytes, tuple[int, V]] = {}
        self._patterns: list[tuple[int, Searcher, V]] = []
        self._longest = 0
        self._root: tuple[int, V] | None = None
        for place, route in enumerate(host.routes):
            path = route.match.path.encode()
            if route.match.kind is PathKind.REGEX:
                search = path_searcher(patterns, route.match.path)
                self._patterns.append((place, search, value(route)))
            elif route.match.kind is PathKind.PREFIX:
                if self._find_prefix(path) is None:
                    self._prefix[path] = (place, value(route))
                    self._longest = max(self._longest, len(path))
            elif path not in self._exact and self._find_prefix(path) is None:
                self._exact[path] = (place, value(route))
        self._root = self._prefix.pop(b"/", None)

    def find(self, path: bytes) -> V | None:
        """The value of the route that takes a normalised path, or None. SerinError: a pattern failed (answer 500)."""
        hit = self._exact.get(path)
        if hit is None:
            hit = (self._find_prefix(path) if self._prefix else None) or self._root
        if self._patterns:
            begun: float | None = None
            for searches, (place, searcher, value) in enumerate(self._patterns, 1):
                if hit is not None and place > hit[0]:
                    break
                if searches % LOOK_EVERY == 0 and self._clock is not None:
                    begun = _bounded(begun, self._clock())
                if searcher.search(path) is not None:
                    return value
        return None if hit is None else hit[1]

    def _find_prefix(self, path: bytes) -> tuple[int, V] | None:
        """The longest prefix that takes the path: the whole of it, then cut at each `/` from the end."""
        prefixes = self._prefix
        hit = prefixes.get(path)
        end = min(len(path), self._longest + 1)
        while hit is None:
            end = path.rfind(b"/", 0, end)
            if end < 0:
                return None
            hit = prefixes.get(path[: end + 1]) or prefixes.get(path[:end])
        return hit


def _bounded(begun: float | None, now: float) -> float:
    """When the lookup began, as far as that is known. SerinError when it takes too long."""
    if begun is not None and now - begun > MOST_SECONDS:
        raise SerinError(f"the patterns of a host take more than {MOST_SECONDS} s")
    return now if begun is None else begun

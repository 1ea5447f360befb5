"""What routing needs of a pattern engine, so that the engine itself (serin.native.pattern) stays outside.

Patterns mean what PCRE means, work on bytes, and have a bound on their work: meeting it raises a SerinError. Nobody may
read such an error as "no match": a header rule takes its canary out of the request, a path rule answers 500.
"""

from typing import Protocol

from serin.errors import SerinError

Spans = tuple[tuple[int, int], ...]
"""Where a match and its groups begin and end; (-1, -1) for a group that took no part."""


class Searcher(Protocol):
    """A compiled pattern."""

    def search(self, subject: bytes, /) -> Spans | None:
        """The leftmost match, or None; SerinError when the bound on its work was met."""


class PatternMaker(Protocol):
    """Compiles PCRE text; SerinError when it does not compile. `serin.native.pattern.Pattern` is one."""

    def __call__(self, text: str, *, ignore_case: bool = ..., anchored: bool = ...) -> Searcher: ...


class SearchFailedError(SerinError):
    """A search had no result: the pattern does not compile here, or its work met the bound."""


class _Broken:
    """Stands where a pattern did not compile: each search fails, so that it is not taken for one that never matches."""

    __slots__ = ("_why",)

    def __init__(self, why: str) -> None:
        self._why = why

    def search(self, subject: bytes, /) -> Spans | None:
        raise SearchFailedError(self._why)


def make_searcher(patterns: PatternMaker, text: str, *, ignore_case: bool = False, anchored: bool = False) -> Searcher:
    """The pattern compiled, or a Searcher whose every search raises."""
    try:
        return patterns(text, ignore_case=ignore_case, anchored=anchored)
    except SerinError as e:
        return _Broken(f"{text}: {e}")


def path_searcher(patterns: PatternMaker, path: str) -> Searcher:
    """A rule's path as nginx's `location ~* "^path"` reads it: an alternative outside a group is not anchored."""
    return make_searcher(patterns, "^" + path, ignore_case=True)

"""Patterns of users (header-pattern, regex paths, rewrites): PCRE's meaning, a bound on the time of each search."""

from serin.errors import SerinError
from serin.native._ffi import ffi, lib

MAX_GROUPS = 32

_IGNORE_CASE = 1
_ANCHORED = 2


class PatternError(SerinError, ValueError):
    """The pattern does not compile, or this machine has no libpcre2-8; the text says which and where."""


class PatternLimit(SerinError):  # noqa: N818 - a bound that was met is no defect of the pattern
    """A search met the bound on its work: neither a match nor none."""


class Pattern:
    """A compiled pattern over bytes; not to be shared between threads."""

    __slots__ = ("_pattern", "_spans", "text")

    def __init__(self, text: str, *, ignore_case: bool = False, anchored: bool = False) -> None:
        """`anchored`: a match begins at the subject's start. PatternError when it does not compile."""
        data = text.encode("utf-8", "surrogateescape")
        error = ffi.new("char[256]")
        flags = (_IGNORE_CASE if ignore_case else 0) | (_ANCHORED if anchored else 0)
        pattern = lib.srn_pattern_new(data, len(data), flags, error, len(error))
        if pattern == ffi.NULL:
            raise PatternError(ffi.string(error).decode(errors="replace").removeprefix("pattern: "))
        self.text = text
        self._pattern = ffi.gc(pattern, lib.srn_pattern_free)
        self._spans = ffi.new("int32_t[]", 2 * MAX_GROUPS)

    def search(self, subject: bytes) -> tuple[tuple[int, int], ...] | None:
        """Where the whole match and each group lie, (-1, -1) for a group that took no part; None: no match.

        PatternLimit after 2 ms of CPU time.
        """
        count = lib.srn_pattern_search(self._pattern, subject, len(subject), self._spans, MAX_GROUPS)
        if count == 0:
            return None
        if count < 0:
            raise PatternLimit(self.text)
        spans = self._spans
        return tuple((spans[2 * i], spans[2 * i + 1]) for i in range(count))

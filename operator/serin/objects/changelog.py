"""Which objects changed between two revisions, as far back as a bounded memory reaches."""

from serin.refs import Ref

_KEPT = 16384


class ChangeLog:
    """One entry for every revision, oldest dropped first. One writer; readers hold a revision and may lag behind it."""

    __slots__ = ("_base", "_kept", "_refs")

    def __init__(self, kept: int = _KEPT) -> None:
        """`kept`: at least so many revisions can be looked back upon, at most twice as many."""
        self._kept = kept
        self._base = 0
        self._refs: list[Ref] = []

    @property
    def revision(self) -> int:
        return self._base + len(self._refs)

    def add(self, ref: Ref) -> None:
        self._refs.append(ref)
        if len(self._refs) >= 2 * self._kept:
            self._base += self._kept
            self._refs = self._refs[self._kept :]

    def between(self, older: int, newer: int) -> frozenset[Ref] | None:
        """Objects changed after revision `older`, up to `newer`; None when `older` is forgotten or lies ahead."""
        if not self._base <= older <= newer <= self.revision:
            return None
        return frozenset(self._refs[older - self._base : newer - self._base])

"""Which known name a mistyped one is likely to stand for. A few look-ups, whatever users write and how much of it."""

from collections.abc import Iterable

_LONGEST = 64
_SMALL_WORDS = frozenset({"by"})


class Near:
    """Finds names that differ by one letter (missing, too many, another, or two swapped) or in the order of words."""

    __slots__ = ("_by_letters", "_by_words")

    def __init__(self, names: Iterable[str]) -> None:
        self._by_letters: dict[str, str] = {}
        self._by_words: dict[tuple[str, ...], str] = {}
        for name in sorted(names):
            self._by_words.setdefault(_words(name), name)
            for shorter in _without_a_letter(name):
                self._by_letters.setdefault(shorter, name)

    def find(self, text: str) -> str:
        """The name, or the empty text."""
        if len(text) > _LONGEST:
            return ""
        found = self._by_words.get(_words(text), "")
        shorter = iter(_without_a_letter(text))
        while not found and (tried := next(shorter, None)) is not None:
            found = self._by_letters.get(tried, "")
        return found


def _without_a_letter(text: str) -> list[str]:
    """The text itself, and the text without each of its letters: two that differ by one letter share one of these."""
    return [text, *(text[:i] + text[i + 1 :] for i in range(len(text)))]


def _words(text: str) -> tuple[str, ...]:
    return tuple(sorted(word for word in text.lower().replace("_", "-").split("-") if word not in _SMALL_WORDS))

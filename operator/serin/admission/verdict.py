"""What is answered: allowed or not, and what the user is told. Held within what the API server passes on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

LONGEST_WARNING = 256
"""Characters of one warning that the API server keeps once all together are too long (apiserver's warning filter)."""
LONGEST_TOGETHER = 4096
"""Characters of all warnings of one request. Other webhooks' and the API server's own count, too."""
LONGEST_MESSAGE = 2048

_MORE = "and {} more; see the object's Events, or serin lint"
_ROOM = 256
"""Kept free of LONGEST_TOGETHER for the last line, and for the words of others."""


class Result(StrEnum):
    """UNCHECKED: allowed, because the object could not be judged."""

    ALLOWED = "allowed"
    WARNED = "warned"
    DENIED = "denied"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`message` says why it is denied; empty when it is allowed. `codes` are those of the problems that deny it."""

    warnings: tuple[str, ...] = ()
    message: str = ""
    codes: tuple[str, ...] = ()
    checked: bool = True
    judged: int = field(default=0, compare=False)
    """Ingresses of the plan that the object was judged in; 0: it was in none."""

    @property
    def allowed(self) -> bool:
        return not self.message

    @property
    def result(self) -> Result:
        if not self.checked:
            return Result.UNCHECKED
        if not self.allowed:
            return Result.DENIED
        return Result.WARNED if self.warnings else Result.ALLOWED


ALLOWED = Verdict()


def unchecked(why: str) -> Verdict:
    """Nobody is kept out because of us, and nobody is left to think that the object was looked at."""
    return Verdict(warnings=(f"Serin did not check this object: {why}",), checked=False)


def warnings_of(lines: Iterable[str]) -> tuple[str, ...]:
    """As many lines as go through, each once; the last one counts those that do not."""
    unique = list(dict.fromkeys(_clean(line, LONGEST_WARNING) for line in lines))
    found: list[str] = []
    room = LONGEST_TOGETHER - _ROOM
    for line in unique:
        if len(line) > room:
            found.append(_MORE.format(len(unique) - len(found)))
            break
        room -= len(line)
        found.append(line)
    return tuple(found)


def message_of(reasons: Iterable[str]) -> str:
    """All reasons in one line. The name of the webhook comes before it, put there by the API server."""
    return _clean("; ".join(dict.fromkeys(reasons)), LONGEST_MESSAGE)


def _clean(text: str, longest: int) -> str:
    """A control character would make the API server drop the whole warning."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"

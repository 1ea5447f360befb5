"""Clients that get 403 everywhere by their User-Agent or Referer, as rows of a map for each (routing.wide.Blocks)."""

import re
from dataclasses import dataclass

from serin.render.nginx.blocks import fits, quoted
from serin.render.nginx.values import Pattern, Variable
from serin.routing.wide import Blocks

_NAMED = re.compile(r"(?<!\\)\(\?(?:P?<[A-Za-z_]\w*>|'[A-Za-z_]\w*')")
"""Groups with names: nginx makes variables of them, and refuses all of its configuration for one that it has."""
_BY_NAME = re.compile(r"\\[kg][<{']|\(\?P[=>]|\(\?&|\(\?\([<']").search
"""What asks for a group by its name; such patterns, and those longer than nginx's tokens, are compile's to refuse."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`variable` is 1 for a header `of` that one of the patterns takes."""

    variable: Variable
    of: Variable
    patterns: tuple[Pattern, ...]


def refusals(blocks: Blocks) -> tuple[Refusal, ...]:
    """One for each header, empty where nobody is refused by them."""
    if not blocks.user_agents and not blocks.referers:
        return ()
    return (
        Refusal(Variable("serin_blocked_agent"), Variable("http_user_agent"), _patterns(blocks.user_agents)),
        Refusal(Variable("serin_blocked_referer"), Variable("http_referer"), _patterns(blocks.referers)),
    )


def _patterns(texts: tuple[str, ...]) -> tuple[Pattern, ...]:
    """A text without `~` is the whole value, in any case, as nginx compares texts of a map."""
    made = (_pattern(text) for text in texts)
    return tuple(dict.fromkeys(pattern for pattern in made if fits(pattern.value) and not _BY_NAME(pattern.value)))


def _pattern(text: str) -> Pattern:
    if not text.startswith("~"):
        return Pattern(f"^{quoted(text)}\\z", "~*")
    caseless = text.startswith("~*")
    return Pattern(_NAMED.sub("(", text[2:] if caseless else text[1:]), "~*" if caseless else "~")

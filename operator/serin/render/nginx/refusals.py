"""Clients that get 403 everywhere by their User-Agent or Referer, as rows of a map for each (routing.wide.Blocks)."""

from dataclasses import dataclass

from serin.render.nginx.blocks import quoted
from serin.render.nginx.values import Pattern, Variable
from serin.routing.wide import Blocks


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
    return tuple(dict.fromkeys(_pattern(text) for text in texts))


def _pattern(text: str) -> Pattern:
    if text.startswith("~*"):
        return Pattern(text[2:], "~*")
    if text.startswith("~"):
        return Pattern(text[1:], "~")
    return Pattern(f"^{quoted(text)}\\z", "~*")

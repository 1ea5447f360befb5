"""The address asked for as a part of another URL's query, by maps: for nginx without Lua, which has no function for it.

Only `&` would end the parameter; each step escapes one of them. What is left after the last step is cut off.
"""

from dataclasses import dataclass

from serin.render.nginx.values import Pattern, Template, Variable

_STEPS = 8


@dataclass(frozen=True, slots=True)
class Escaping:
    """A map from the variable `of` to `variable`: `value` where the pattern takes it, else as it is."""

    of: Variable
    variable: Variable
    pattern: Pattern
    value: Template


def _step(number: int) -> Escaping:
    before, after = f"serin_before_{number}", f"serin_after_{number}"
    return Escaping(
        Variable(f"serin_escaped_{number}" if number else "request_uri"),
        Variable(f"serin_escaped_{number + 1}"),
        Pattern(f"^(?<{before}>[^&]*)&(?<{after}>.*)\\z", "~"),
        Template((Variable(before), "%26", Variable(after))),
    )


ESCAPING = tuple(_step(number) for number in range(_STEPS))

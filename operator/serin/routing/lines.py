"""A header or parameter to be set, as a part of the plan's values (serin.routing.plan)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """A header to be set, in the place of those that have its name. `value` may hold nginx's variables."""

    name: str
    value: str

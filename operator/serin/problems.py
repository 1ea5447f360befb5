"""A user's mistake is a value, not an exception.

Problems are collected beside the plan and end as Events, admission warnings, lint lines and in `explain`.
This module must not know where they are shown.
"""

from dataclasses import dataclass
from enum import StrEnum

from serin.refs import Source


class Severity(StrEnum):
    """ERROR: something the user asked for does not happen. WARNING: it happens, but likely not as meant.

    INFO: it happens as it always did, and surprises people; of `serin lint` alone (serin.lint.notes).
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding. `code` is stable and kebab-case; `text` says what was expected and what happens instead."""

    source: Source
    code: str
    severity: Severity
    text: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.source}: {self.text}"

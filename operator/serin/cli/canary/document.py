"""A CanaryRoute as JSON has it, read leniently: a field that is missing, or of another type, counts as absent.

A newer or older controller may have written it. Times are seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping of the document; an empty one where there is none."""

    raw: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(self.raw)

    def text(self, key: str, default: str = "") -> str:
        """Without what a terminal would obey: whoever may annotate does not command the terminal of who looks."""
        value = self.raw.get(key)
        if isinstance(value, str) and not value.isprintable():
            return "".join(c if c.isprintable() else " " for c in value)
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else default

    def number(self, key: str) -> int:
        value = self.raw.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def flag(self, key: str) -> bool:
        return self.raw.get(key) is True

    def time(self, key: str) -> float | None:
        return read_time(self.text(key))

    def part(self, key: str) -> "Part":
        value = self.raw.get(key)
        return Part(value if isinstance(value, Mapping) else {})

    def parts(self, key: str) -> list["Part"]:
        value = self.raw.get(key)
        return [Part(item) for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Document:
    raw: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        return Part(self.raw).part("metadata").text("namespace") or "default"

    @property
    def name(self) -> str:
        return Part(self.raw).part("metadata").text("name")

    @property
    def spec(self) -> Part:
        return Part(self.raw).part("spec")

    @property
    def status(self) -> Part:
        return Part(self.raw).part("status")

    @property
    def run(self) -> Part:
        """status.rollout."""
        return self.status.part("rollout")

    @property
    def weight(self) -> str:
        """The share that the run's version has. Without a rollout in force status.rollout tells the one of before."""
        version, status = self.run.text("version"), self.status
        if status.text("phase") in ("Idle", "Invalid"):
            shares = {item.text("version"): item.text("weight") for item in status.parts("weights")}
            return shares.get(version, "")
        return self.run.text("weight")

    @property
    def generation(self) -> int:
        return Part(self.raw).part("metadata").number("generation")


def read_time(text: str) -> float | None:
    """Of RFC 3339."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


def read_percent(text: str) -> float | None:
    """A share of 1."""
    try:
        return float(text.removesuffix("%")) / 100 if text.endswith("%") else None
    except ValueError:
        return None

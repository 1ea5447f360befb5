"""Tables and times as texts."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Columns as wide as they need to be, three blanks between; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        (indent + "   ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def duration(seconds: float) -> str:
    """As people say it: 45s, 4m10s, 2h05m, 3d4h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s" if rest else f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes:02}m" if minutes else f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h" if hours else f"{days}d"

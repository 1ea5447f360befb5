"""Colours, on a terminal only."""

import os
from typing import TextIO

CODES = {"error": "31", "warning": "33", "good": "32", "dim": "2", "bold": "1"}


class Paint:
    """Wraps words in colour where `stream` is a terminal and NO_COLOR is not set (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{CODES[style]}m{text}\x1b[0m" if self.on else text

"""What nginx.conf is rendered with besides the plan, left in nginx's folder for whoever wants to see it rendered anew.

Paths, ports and flags; nothing secret. Nothing that serves reads it.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from serin.render.atomic import write_file
from serin.render.nginx.settings import LuaPaths, NginxSettings

NAME = "settings.json"
FILE_MODE = 0o640


def save(settings: NginxSettings) -> None:
    """OSError when it cannot be written."""
    text = json.dumps(dataclasses.asdict(settings), indent=1) + "\n"
    write_file(Path(settings.prefix) / NAME, text.encode(), FILE_MODE)


def load(prefix: Path) -> NginxSettings | None:
    """None where there is none, or none of this version."""
    try:
        told: dict[str, Any] = json.loads((prefix / NAME).read_bytes())
        lua = told.pop("lua")
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        return NginxSettings(**(told | lists), lua=None if lua is None else LuaPaths(**lua))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None

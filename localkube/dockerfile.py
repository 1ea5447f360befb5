"""What the last stage of a Dockerfile says of the image: read, so that an image made without Docker says the same.

Only the forms that image/Dockerfile uses: ENV and LABEL as KEY=VALUE, ENTRYPOINT as a JSON list.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    entrypoint: Sequence[str]
    user: str
    environment: Sequence[str]
    labels: Mapping[str, str]


def read(path: Path) -> Settings:
    """The settings of the last stage."""
    entrypoint: list[str] = []
    user = ""
    environment: list[str] = []
    labels: dict[str, str] = {}
    for name, value in _last_stage(path.read_text()):
        match name:
            case "ENTRYPOINT":
                entrypoint = json.loads(value)
            case "USER":
                user = value
            case "ENV":
                environment += shlex.split(value)
            case "LABEL":
                labels |= dict(each.split("=", 1) for each in shlex.split(value))
    return Settings(entrypoint, user, environment, labels)


def _last_stage(text: str) -> Iterator[tuple[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    instructions = [line.split(maxsplit=1) for line in lines.replace("\\\n", " ").splitlines() if line.strip()]
    begin = max(index for index, (name, *_) in enumerate(instructions) if name.upper() == "FROM")
    for name, *rest in instructions[begin + 1 :]:
        yield name.upper(), "".join(rest).strip()

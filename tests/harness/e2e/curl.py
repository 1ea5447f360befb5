"""One request by the program curl, as users try things, and what came back."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SECONDS = "15"


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: no answer came, `error` says why. Header names are in lower case; of several lines the last one."""

    status: int
    headers: Mapping[str, str]
    body: str
    error: str = ""

    @property
    def echo(self) -> Any:
        """What `serin echo` says that it received; an AssertionError when somebody else answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"no answer of a backend: {self.status} {self.error} {self.body[:300]}") from None

    @property
    def backend(self) -> str:
        """The name of the `serin echo` that answered, else what was answered instead: for Counters and messages."""
        return str(self.echo["backend"]) if self.status == 200 else f"{self.status} {self.error or self.body[:200]}"


def curl(url: str, *options: str, place: str, enter: tuple[str, ...] = ()) -> Answer:
    """Ask `place` (ADDRESS:PORT) for a URL whose host it serves; `enter`: a command in front, as nsenter."""
    command = [*enter, "curl", "-sS", "-i", "--max-time", _SECONDS, "--connect-to", f"::{place}", *options, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Answer(0, {}, "", done.stderr.strip())
    return _read(done.stdout)


def _read(text: str) -> Answer:
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    status = int(first.split()[1])
    if status < 200:
        return _read(body)
    pairs = (line.partition(":") for line in lines)
    return Answer(status, {name.lower(): value.strip() for name, _, value in pairs}, body)

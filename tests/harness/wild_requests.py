"""Requests as browsers, scripts and attackers send them, by chance; without what docs/nginx.md lists as different."""

import base64
import dataclasses
import random
from collections.abc import Iterator

from harness.wild_words import (
    ANSWERS,
    BAD_LINES,
    COOKIES,
    HOSTS,
    LINES,
    METHODS,
    ORDINARY_TAILS,
    QUERIES,
    STARTS,
    STRANGE_HOSTS,
    TAILS,
    VALUES,
    VERSIONS,
    WHOLE_TARGETS,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """A request, byte by byte; `HOST` in it stands for the host of its set."""

    method: str
    target: str
    version: str
    lines: tuple[str, ...]
    body: bytes = b""
    tls: bool = False

    @property
    def unsent(self) -> bool:
        """A body is announced and does not come."""
        said = [line.lower() for line in self.lines]
        return not self.body and any(line.startswith(("content-length", "transfer-encoding")) for line in said)

    def encode(self) -> bytes:
        first = " ".join(part for part in (self.method, self.target, self.version) if part)
        return "\r\n".join([first, *self.lines, "", ""]).encode("utf-8") + self.body

    def smaller(self) -> Iterator["Ask"]:
        for index in range(len(self.lines)):
            yield dataclasses.replace(self, lines=self.lines[:index] + self.lines[index + 1 :])
        plain = {"method": "GET", "version": "HTTP/1.1", "tls": False}
        for name, value in plain.items():
            if getattr(self, name) != value:
                yield dataclasses.replace(self, **{name: value})  # type: ignore[arg-type]
        if "?" in self.target:
            yield dataclasses.replace(self, target=self.target.partition("?")[0])
        if self.target.count("/") > 1:
            yield dataclasses.replace(self, target=self.target.rpartition("/")[0])
        for size in (len(self.target) // 2, len(self.target) - 1):
            if size > 0:
                yield dataclasses.replace(self, target=self.target[:size])
        if self.body and not any("hunked" in line or "ontent-" in line for line in self.lines):
            yield dataclasses.replace(self, body=b"")


def ask(dice: random.Random, hints: list[str], *, everywhere: bool = False) -> Ask:
    """`hints`: paths that the manifests have."""
    method, version = dice.choice(METHODS), dice.choice(VERSIONS) if dice.random() < 0.2 else "HTTP/1.1"
    lines = [
        f"Host: {dice.choice(STRANGE_HOSTS) if dice.random() < (0.2 if everywhere else 0.03) else dice.choice(HOSTS)}"
    ]
    if everywhere and dice.random() < 0.5:
        lines = ["Host: nobody.example"]
    if dice.random() < 0.02:
        lines = []
    for _ in range(dice.choice([0, 1, 1, 2, 3])):
        lines.append(dice.choice(LINES).format(v=dice.choice(VALUES) if dice.random() < 0.7 else _letters(dice)))
    if dice.random() < 0.25:
        lines.append("Cookie: " + dice.choice(COOKIES))
        if dice.random() < 0.2:
            lines.append("Cookie: " + dice.choice(COOKIES))
    if dice.random() < 0.1:
        words = dice.choice(["ann:secret", "ann:wrong", "bob:", "nobody:x", "ann", ""])
        lines.append(
            "Authorization: " + dice.choice(["Basic ", "basic ", "Basic  "]) + base64.b64encode(words.encode()).decode()
        )
    if dice.random() < 0.03:
        lines.append(dice.choice(BAD_LINES))
    lines = _once(lines)
    body = b""
    if method in ("POST", "PUT", "PATCH", "FOO") or dice.random() < 0.03:
        body, line = dice.choice(bodies(dice))
        lines.append(line)
    target = _target(dice, hints)
    if target.startswith("/healthz"):  # nginx applies conditions to every 200 of its own
        lines = [line for line in lines if not line.startswith("If-")]
    return Ask(method, target, version, tuple(lines), body, dice.random() < 0.35)


_SINGLE = ("x-request-id", "origin", "server", "user-agent", "content-type", "max-forwards")


def _once(lines: list[str]) -> list[str]:
    """Of some headers only the first: the proxy's parser or an older nginx cares when these come twice."""
    seen: set[str] = set()
    kept = []
    for line in lines:
        name = line.partition(":")[0].lower()
        if name not in seen or name not in _SINGLE:
            kept.append(line)
        seen.add(name)
    return kept


def bodies(dice: random.Random) -> list[tuple[bytes, str]]:
    size = dice.choice([0, 1, 10, 11, 1024, 1025, 2000])
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size) if size else b"0\r\n\r\n"
    chunked = "Transfer-Encoding: chunked"
    return [
        (b"x" * size, f"Content-Length: {size}"),
        (chunks, chunked),
        (b"5;ext=1\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n", chunked),
        (b"", f"Content-Length: {2**21}"),
    ]


def _target(dice: random.Random, hints: list[str]) -> str:
    if dice.random() < 0.02:
        return dice.choice(WHOLE_TARGETS)
    if dice.random() < 0.1:
        return "/" + _letters(dice)
    start = dice.choice(hints) if hints and dice.random() < 0.8 else dice.choice(STARTS)
    for sign in " ()[]*?\\$|{}#":
        start = start.replace(sign, "" if dice.random() < 0.9 else f"%{ord(sign):02x}")
    return (
        (start or "/")
        + dice.choice([dice.choice(TAILS), dice.choice(ORDINARY_TAILS), dice.choice(ORDINARY_TAILS), _letters(dice)])
        + dice.choice(QUERIES if dice.random() < 0.8 else ANSWERS)
    )


def _letters(dice: random.Random) -> str:
    """What patterns made of the same letters may take."""
    return "".join(dice.choices("aaabbAB1/.-c", k=dice.choice([1, 2, 3, 4, 6])))

"""expected.yaml of the examples: which backends to start, which requests to send, what they are answered; releases.

The format is described at the head of that file.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from serin.demo.rollouts import Release
from serin.echo import Backend


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `backend` is empty when Serin answered itself."""

    status: int
    backend: str
    uri: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Expect:
    status: int = 200
    backends: Mapping[str, int] = field(default_factory=dict)
    within: int = 0
    one_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    uri: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    subject: str | None = None

    def text(self) -> str:
        if self.backends:
            margin = f" ±{self.within}" if self.within else ""
            return split_text(self.backends) + margin
        if self.one_of:
            return "always one of " + " ".join(self.one_of)
        if self.all_of:
            return "each of " + " ".join(self.all_of)
        return str(self.status)


@dataclass(frozen=True, slots=True)
class Request:
    host: str
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    https: bool = False
    count: int = 1
    keep_cookies: bool = False
    expect: Expect = field(default_factory=Expect)

    def text(self) -> str:
        """As people say it: host and path, then what is special about it."""
        parts = [f"{'https://' if self.https else ''}{self.host}{self.path if self.path != '/' else ''}"]
        parts += [f"{name}: {value}" for name, value in self.headers.items()]
        parts += [f"Cookie: {name}={value}" for name, value in self.cookies.items()]
        parts += [f"user {self.user.partition(':')[0]}"] if self.user else []
        return "  ".join(parts)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    about: str
    requests: tuple[Request, ...]


def read(path: Path) -> tuple[list[Backend], list[Scenario], tuple[Release, ...]]:
    document = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    backends = [
        Backend(b["name"], b.get("host", "127.0.0.1"), b["port"], b.get("tls", False), b.get("errors", 0.0))
        for b in document["backends"]
    ]
    scenarios = [
        Scenario(s["name"], s["about"], tuple(_request(request) for request in s["requests"]))
        for s in document["scenarios"]
    ]
    return backends, scenarios, tuple(Release(**release) for release in document["rollouts"])


def _request(raw: Mapping[str, Any]) -> Request:
    expect = dict(raw["expect"])
    for name in ("one_of", "all_of"):
        expect[name] = tuple(expect.get(name, ()))
    return Request(**{**raw, "expect": Expect(**expect)})


def observed_text(request: Request, answers: Sequence[Answer]) -> str:
    """The counterpart of Expect.text."""
    backends = Counter(answer.backend for answer in answers)
    if request.expect.backends:
        return split_text(Counter({answer.backend or str(answer.status): 0 for answer in answers}) + backends)
    if request.expect.one_of or request.expect.all_of:
        return " ".join(sorted(backend or "-" for backend in backends))
    return " ".join(sorted({f"{answer.status} {answer.backend}".strip() for answer in answers}))


def split_text(counts: Mapping[str, int]) -> str:
    return "  ".join(f"{name or 'nobody'} {count}" for name, count in sorted(counts.items()))


def mismatches(request: Request, answers: Sequence[Answer]) -> list[str]:
    """What is not as expected, in words; empty when all is."""
    expect, found = request.expect, []
    if wrong := sorted({answer.status for answer in answers} - {expect.status}):
        found.append(f"status {', '.join(map(str, wrong))} instead of {expect.status}")
    found += _wrong_backends(expect, Counter(answer.backend for answer in answers))
    for answer in answers:
        if expect.uri is not None and answer.uri != expect.uri:
            found.append(f"the backend saw {answer.uri} instead of {expect.uri}")
        for name, value in expect.headers.items():
            if answer.headers.get(name.lower()) != value:
                found.append(f"{name}: {answer.headers.get(name.lower())} instead of {value}")
        if expect.subject is not None and answer.subject != expect.subject:
            found.append(f"certificate of {answer.subject} instead of {expect.subject}")
    return list(dict.fromkeys(found))


def _wrong_backends(expect: Expect, seen: Counter[str]) -> list[str]:
    names = set(seen)
    if expect.one_of:
        return [] if len(names) == 1 and names <= set(expect.one_of) else [f"answered by {sorted(names)}"]
    if expect.all_of:
        return [] if names == set(expect.all_of) else [f"answered by {sorted(names)}"]
    if not expect.backends:
        return [f"answered by {name}" for name in sorted(names) if name]
    return [
        f"{seen[name]} answers of {name or 'nobody'} instead of {expect.backends.get(name, 0)}"
        for name in sorted({*names, *expect.backends})
        if abs(seen[name] - expect.backends.get(name, 0)) > expect.within
    ]

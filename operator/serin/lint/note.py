"""One note, and how an example request is written."""

from dataclasses import dataclass

from serin.problems import Problem, Severity
from serin.refs import Source

ANY_HOST = "any.example"
"""Stands for a host that no rule names."""


@dataclass(frozen=True, slots=True)
class Note:
    """`request` is an example; `here` what Serin does with it, `there` ingress-nginx where that is something else."""

    problem: Problem
    request: str
    here: str
    there: str = ""

    @property
    def differs(self) -> bool:
        return bool(self.there)


def note(source: Source, code: str, text: str, request: str, here: str, there: str = "") -> Note:
    return Note(Problem(source, code, Severity.INFO, text), request, here, there)


def named(host: str) -> str:
    """A name that a host answers to."""
    if host.startswith("*."):
        return f"one{host[1:]}"
    return host or ANY_HOST


def url(host: str, path: str, *, tls: bool = False) -> str:
    return f"{'https' if tls else 'http'}://{named(host)}{path}"

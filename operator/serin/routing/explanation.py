"""An explained decision: the value that `serin explain` prints, and its two forms."""

import json
from dataclasses import dataclass
from typing import Any

from serin.problems import Problem
from serin.refs import Source


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence and the field that says so."""

    text: str
    source: Source | None = None

    def __str__(self) -> str:
        return self.text if self.source is None else f"{self.text} ({self.source})"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would answer a request. None stands for what the request does not get to.

    `status` is Serin's own answer; None: the endpoint's answer passes. `version` names one version, or shares where the
    draw decides (`shares` has them in per cent); `service` likewise. `because` leads from rule to answer, `lost` names
    what did not win. `run`: where the rollout of the CanaryRoute stands; `user`: what of the request says who its user
    is, where that chose the version.
    """

    status: int | None = None
    host: str | None = None
    path: str | None = None
    ingress: str | None = None
    rule: str | None = None
    version: str | None = None
    service: str | None = None
    reason: str | None = None
    rewritten_path: str | None = None
    redirect: str | None = None
    shares: tuple[tuple[str, float], ...] = ()
    problems: tuple[Problem, ...] = ()
    because: tuple[Note, ...] = ()
    lost: tuple[Note, ...] = ()
    run: str | None = None
    user: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values under stable keys."""
        return {
            "status": self.status,
            "host": self.host,
            "path": self.path,
            "ingress": self.ingress,
            "rule": self.rule,
            "version": self.version,
            "service": self.service,
            "reason": self.reason,
            "rewritten_path": self.rewritten_path,
            "redirect": self.redirect,
            "shares": dict(self.shares),
            "problems": [
                {
                    "code": p.code,
                    "severity": str(p.severity),
                    "object": str(p.source.ref),
                    "field": p.source.field,
                    "text": p.text,
                }
                for p in self.problems
            ],
            "because": [str(note) for note in self.because],
            "lost": [str(note) for note in self.lost],
            "run": self.run,
            "user": self.user,
        }

    def to_json_text(self) -> str:
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False)

    def to_text(self) -> str:
        """Lines for people: what answers, why, what lost."""
        host = None if self.host is None else self.host or "(any other host)"
        lines = [
            _line("host", host),
            _line("rule", self.rule),
            _line("ingress", self.ingress),
            _line("path", self.path if self.rewritten_path is None else f"{self.path} → {self.rewritten_path}"),
            _line("version", self.version),
            _line("run", self.run),
            _line("service", self.service),
            _line("reason", self.reason),
            _line("status", self.status),
            _line("redirect", self.redirect),
        ]
        for title, notes in (("because", self.because), ("lost", self.lost), ("problems", self.problems)):
            if notes:
                lines += [f"{title}:", *(f"  {note}" for note in notes)]
        return "\n".join(line for line in lines if line)


def _line(name: str, value: object) -> str:
    return "" if value is None else f"{name:<9}{value}"

"""Problems as they are found, in one place per unit of work."""

from serin.problems import Problem, Severity
from serin.refs import Source


class Findings:
    """Collects problems; the order does not matter, they are sorted at the end."""

    __slots__ = ("problems",)

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def error(self, source: Source, code: str, text: str) -> None:
        self.problems.append(Problem(source, code, Severity.ERROR, text))

    def warning(self, source: Source, code: str, text: str) -> None:
        self.problems.append(Problem(source, code, Severity.WARNING, text))

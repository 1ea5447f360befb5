"""The differences between the planes that docs/nginx.md allows, read from its table."""

import pathlib
import re
from dataclasses import dataclass

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "nginx.md"
HEADING = "## Allowed differences"


@dataclass(frozen=True, slots=True)
class Difference:
    """`subject`: a case's id, or `header NAME`. `planes`: those of nginx that differ. `statuses`: answered instead."""

    subject: str
    planes: frozenset[str]
    reason: str
    instead: str

    @property
    def statuses(self) -> frozenset[int]:
        """Statuses named in the last column, where the difference is one."""
        return frozenset(int(found) for found in re.findall(r"\b([2-5]\d\d)\b", self.instead))


def read() -> tuple[Difference, ...]:
    """Rows `| subject | planes | reason | instead |` of the table; ValueError when one is not whole."""
    _, _, section = PAGE.read_text().partition(HEADING)
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    found = []
    for row in rows[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) != 4 or not all(cells):
            raise ValueError(f"{PAGE.name}: not a whole row: {row}")
        subject, planes, reason, instead = cells
        found.append(Difference(subject.replace("`", ""), frozenset(planes.split(", ")), reason, instead))
    return tuple(found)


def of(plane: str) -> dict[str, Difference]:
    """By subject."""
    return {difference.subject: difference for difference in read() if plane in difference.planes}

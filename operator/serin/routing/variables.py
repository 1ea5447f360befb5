"""Texts of users that hold nginx variables (upstream-hash-by, upstream-vhost), cut into their parts.

Both sides need the same cut: compile checks the names, a worker looks up their values. What a variable means is not
known here.
"""

import re

_PIECE = re.compile(r"\$\{(\w+)\}|\$(\w+)|(\$|[^$]+)", re.ASCII)


def split_variables(text: str) -> tuple[str, ...]:
    """Literal parts, and variables as `$name` without braces; the form of HashBy.parts.

    A `$` that begins no name is a part of its own, so that no literal looks like a variable.
    """
    return tuple(found[3] or "$" + (found[1] or found[2]) for found in _PIECE.finditer(text))


def is_variable_part(part: str) -> bool:
    """Whether a part of `split_variables` is a variable."""
    return len(part) > 1 and part[0] == "$"

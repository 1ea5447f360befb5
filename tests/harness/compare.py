"""Where an observation departs from what a case expects."""

import math
import re
from collections.abc import Mapping
from typing import Any

ALWAYS = ("status", "error", "backend", "uri", "backend_host", "backend_method", "counts")
"""Compared also when a case does not name them: what is not expected must not be there."""
STANDARD_DEVIATIONS = 4.0
"""A right split of the observed size is reported as wrong once in 15,000 comparisons."""


def differences(expected: Mapping[str, Any], seen: Mapping[str, Any], *, within: int | None, listed: bool) -> list[str]:
    """`within`: counts may differ by this much. `listed`: headers that the case does not name are not looked at."""
    found = [
        f"{name}: expected {expected.get(name)!r}, seen {seen.get(name)!r}"
        for name in sorted({*expected, *ALWAYS} - {"headers", "sent", "counts", "body"})
        if expected.get(name) != seen.get(name)
    ]
    if "counts" in expected:
        found += count_differences(expected["counts"], seen.get("counts", {}), within)
    for part in ("headers", "sent"):
        if part in expected:
            found += part_differences(part, expected[part], seen.get(part, {}), listed=listed)
    return found


def part_differences(part: str, expected: Mapping[str, Any], seen: Mapping[str, Any], *, listed: bool) -> list[str]:
    names = set(expected) if listed and part == "headers" else {*expected, *seen}
    return [
        f"{part}.{name}: expected {expected.get(name)!r}, seen {seen.get(name)!r}"
        for name in sorted(names)
        if expected.get(name) != seen.get(name)
    ]


def count_differences(expected: Mapping[str, int], seen: Mapping[str, int], within: int | None) -> list[str]:
    """Both are samples: two proportions, unless the case bounds the difference itself. A status is none of chance."""
    seen = same_endpoint(expected, seen)
    n, m = sum(expected.values()), sum(seen.values())
    found = []
    for name in sorted({*expected, *seen}):
        wanted, got = expected.get(name, 0), seen.get(name, 0)
        if status_of(name) not in map(status_of, expected):
            fits = False
        elif within is not None:
            fits = abs(wanted - got) <= within
        elif not n or not m:
            fits = wanted == got
        else:
            pooled = (wanted + got) / (n + m)
            allowed = STANDARD_DEVIATIONS * math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
            fits = abs(wanted / n - got / m) <= allowed + 1e-9
        if not fits:
            found.append(f"counts of {name}: expected {wanted} of {n}, seen {got} of {m}")
    return found


def status_of(name: str) -> str:
    return name.partition(" ")[0]


def same_endpoint(expected: Mapping[str, int], seen: Mapping[str, int]) -> Mapping[str, int]:
    """Where one of the equal endpoints s1, s2, s3 is expected to take everything, any one of them may.

    Which one follows from their addresses, and these are other ones in each run.
    """
    wanted, got = ([name for name in counts if re.fullmatch(r"200 s[123]", name)] for counts in (expected, seen))
    if len(expected) == len(wanted) == len(got) == 1:
        return {wanted[0] if name == got[0] else name: count for name, count in seen.items()}
    return seen

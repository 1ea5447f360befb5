"""Durations, percentages and decimal numbers as a CanaryRoute writes them: in texts, so that no rounding comes between.

The patterns are those of the CRD. What does not fit one is told with the code that the reader of the field gives, and
the default is given: whoever needs the value for sure asks the report whether it failed.
"""

import re

from serin.objects.fields import Fields, shorten

LONGEST_DURATION = 28

_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}").fullmatch
_UNITS = re.compile(r"([0-9]+)(ms|h|m|s)").findall
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_PERCENTAGE = re.compile(r"(?:100(?:\.0{1,3})?|[1-9]?[0-9](?:\.[0-9]{1,3})?)%").fullmatch
_RATIO = re.compile(r"[1-9][0-9]{0,3}(?:\.[0-9]{1,3})?").fullmatch
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?(?:e[-+]?[0-9]{1,2})?").fullmatch


def read_duration(
    fields: Fields, key: str, default: float, code: str, low: float = 0.0, high: float = float("inf"), wanted: str = ""
) -> float:
    """Seconds, `low` to `high`. `wanted` says what is expected where it is more than any duration."""
    if not fields.has(key):
        return default
    expected = wanted or "a duration such as 30s, 5m or 1h30m"
    mark, text = fields.report.mark, fields.text(key, wanted=expected)
    found = duration_of(text)
    if found is not None and low <= found <= high:
        return found
    if not fields.report.failed_since(mark):
        fields.report.error(fields.at(key), code, f"expected {expected}, found {shorten(text)!r}")
    return default


def duration_of(text: str) -> float | None:
    if len(text) > LONGEST_DURATION or not _DURATION(text):
        return None
    milliseconds = sum(int(n) for n, unit in _UNITS(text) if unit == "ms")
    return sum(int(n) * _SECONDS[unit] for n, unit in _UNITS(text) if unit != "ms") + milliseconds / 1000


def read_percentage(fields: Fields, key: str, code: str) -> int:
    """Parts of 100,000; 0 when absent or not usable."""
    if not fields.has(key):
        return 0
    wanted = 'a percentage from "0%" to "100%" with at most 3 decimals'
    mark, text = fields.report.mark, fields.text(key, wanted=wanted)
    found = parts_of(text)
    if found is None and not fields.report.failed_since(mark):
        fields.report.error(fields.at(key), code, f"expected {wanted}, found {shorten(text)!r}")
    return found or 0


def parts_of(text: str) -> int | None:
    """A percentage in parts of 100,000, exactly."""
    if not _PERCENTAGE(text):
        return None
    whole, _, decimals = text.removesuffix("%").partition(".")
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))


def ratio_of(text: str) -> float | None:
    return float(text) if _RATIO(text) else None


def number_of(text: str) -> float | None:
    return float(text) if _NUMBER(text) else None

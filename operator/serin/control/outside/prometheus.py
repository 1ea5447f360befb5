"""A check that a Prometheus server answers: a query with one number as its result. Pure; the call is made elsewhere."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from serin.control.outside.calling import Call, Said
from serin.control.outside.credentials import Credentials
from serin.control.outside.run import AskedRun
from serin.errors import SerinError
from serin.objects.views import CanaryCheck
from serin.rollout.facts import OutsideResult

PATH = "/api/v1/query"
TIMEOUT = 10.0
MOST_BYTES = 1 << 20
LONGEST_GET = 4000
"""Characters of a URL; a longer query goes as a form, which servers that are not Prometheus itself may not take."""
_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_SAFE = re.compile(r"[A-Za-z0-9._-]*")
_SHOWN = 200


class QueryError(SerinError):
    """The query cannot be filled in; says why."""


def fill(query: str, variables: Mapping[str, str]) -> str:
    """`{{name}}` and so on by their values, which are names: nothing that has a meaning in PromQL. QueryError."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1])
        if found is None:
            known = ", ".join(f"{{{{{name}}}}}" for name in variables)
            raise QueryError(f"the query has {match[0][:_SHOWN]}; expected one of {known}")
        if not _SAFE.fullmatch(found):
            raise QueryError(f"{match[0]} is no name here")
        return found

    return _VARIABLE.sub(value, query)


def call_of(check: CanaryCheck, run: AskedRun, credentials: Credentials) -> tuple[Call, str]:
    """And the query as it is sent. QueryError."""
    query = fill(check.query, run.variables)
    long = len(check.address) + 3 * len(query) > LONGEST_GET
    return Call(
        method="POST" if long else "GET",
        url=check.address.rstrip("/") + PATH,
        timeout=TIMEOUT,
        most=MOST_BYTES,
        query={} if long else {"query": query},
        form={"query": query} if long else None,
        authorization=credentials.authorization,
        authority=credentials.authority,
    ), query


def read(check: CanaryCheck, said: Said, query: str, at: float) -> OutsideResult:
    """Total: whatever was said gives a result."""

    def result(verdict: str, message: str, value: str = "") -> OutsideResult:
        return OutsideResult(verdict, value, message, at, query)

    told = _object(said)
    if said.status != 200 or told is None or told.get("status") != "success":
        return result("Fail", _refusal(said, told))
    data = told.get("data")
    found = _number(data if isinstance(data, dict) else {})
    if isinstance(found, str):
        return result("Fail", found)
    if found is None or math.isnan(found):
        return result("NeedsData", "the query has no result" if found is None else "the result is not a number (NaN)")
    return result(*_weigh(check, found), f"{found:.6g}")


def _weigh(check: CanaryCheck, found: float) -> tuple[str, str]:
    if check.least is not None and found < check.least:
        return "Fail", f"{found:.6g} is below {check.least:.6g}"
    if check.most is not None and found > check.most:
        return "Fail", f"{found:.6g} is above {check.most:.6g}"
    return "Pass", ""


def _number(data: Mapping[str, Any]) -> float | str | None:
    """A text says what is wrong; None: there is no series."""
    kind, result = data.get("resultType"), data.get("result")
    try:
        if kind == "scalar":
            return float(_list(result)[1])
        if kind == "vector":
            series = _list(result)
            if len(series) > 1:
                return f"the query has {len(series)} series, expected one: sum() or avg() make one of them"
            return float(_list(series[0]["value"])[1]) if series else None
    except (ValueError, TypeError, KeyError, IndexError):
        return "the server's answer cannot be read"
    return f"the query has a {str(kind)[:20]} as its result, expected one number"


def _refusal(said: Said, told: Mapping[str, Any] | None) -> str:
    if 300 <= said.status < 400:
        return f"the server answers {said.status}: redirects are not followed"
    if not said.whole:
        return f"the server answers more than {MOST_BYTES} bytes"
    error = _line(told.get("error")) if told is not None else ""
    if error:
        return f"the server answers {said.status}: {error}"
    return f"the server answers {said.status}" + (", which is no answer of Prometheus" if said.status == 200 else "")


def _object(said: Said) -> dict[str, Any] | None:
    try:
        told = json.loads(said.body) if said.whole else None
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _list(told: Any) -> list[Any]:
    if not isinstance(told, list):
        raise TypeError("expected a list")
    return told


def _line(told: Any) -> str:
    return "".join(c if c.isprintable() else " " for c in told)[:_SHOWN] if isinstance(told, str) else ""

"""spec.rollout.checks of a CanaryRoute: what must hold for the rollout to go on.

All bounds of the CRD are held here, too. A check that cannot be read is told, and the rollout is then not carried out:
to leave one out would let a version pass that its user wanted looked at.
"""

import re
from collections.abc import Callable

from serin.objects.canary_status import WHOLE
from serin.objects.canaryroute_values import duration_of, number_of, parts_of, ratio_of, read_duration
from serin.objects.fields import Fields, shorten
from serin.objects.names import is_namespace, is_object_name
from serin.objects.views import CanaryCheck, CheckType, Meta

MOST_CHECKS = 8
LONGEST_LABEL = 32
LONGEST_QUERY = 4096
LONGEST_URL = 1024
MOST_STATUSES = 16

_CHECK = frozenset(
    (
        "name",
        "type",
        "max",
        "maxRatio",
        "min",
        "percentile",
        "statuses",
        "minRequests",
        "warmup",
        "failureThreshold",
        "interval",
        "prometheus",
        "webhook",
    )
)
_OWN = tuple(kind for kind in CheckType if not kind.outside)
_OUTSIDE = tuple(kind for kind in CheckType if kind.outside)
_ONLY = {
    "max": (*_OWN, CheckType.PROMETHEUS),
    "maxRatio": _OWN,
    "min": (CheckType.PROMETHEUS,),
    "percentile": (CheckType.LATENCY,),
    "statuses": (CheckType.ERRORS,),
    "failureThreshold": _OUTSIDE,
    "prometheus": (CheckType.PROMETHEUS,),
    "webhook": (CheckType.WEBHOOK,),
}
"""The types that a field is for; the fields that are not here are for all."""
_LIMITS = {
    CheckType.ERRORS: ("max", "maxRatio"),
    CheckType.LATENCY: ("max", "maxRatio"),
    CheckType.PROMETHEUS: ("max", "min"),
}
_MAX: dict[CheckType, tuple[Callable[[str], float | None], str]] = {
    CheckType.ERRORS: (
        lambda text: None if (parts := parts_of(text)) is None else parts / WHOLE,
        'a percentage such as "5%"',
    ),
    CheckType.LATENCY: (duration_of, "a duration such as 500ms"),
    CheckType.PROMETHEUS: (number_of, 'a number in quotes such as "0.98"'),
}
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)").fullmatch
_ADDRESS = re.compile(r"https?://[^\x00-\x20\x7f/?#@]+(?:/[^\x00-\x20\x7f?#]*)?").fullmatch
_URL = re.compile(r"https?://[^\x00-\x20\x7f/?#@]+(?:[/?][^\x00-\x20\x7f#]*)?").fullmatch


def read_checks(rollout: Fields, meta: Meta) -> tuple[CanaryCheck, ...]:
    """What could not be read is told; those that are given then do not count."""
    report, found = rollout.report, dict[str, CanaryCheck]()
    for number, fields in enumerate(rollout.mappings("checks")):
        if number == MOST_CHECKS:
            report.error(fields.path, "canaryroute-too-many", f"expected at most {MOST_CHECKS} checks")
            break
        check = _check(fields, meta)
        if check is not None and check.name in found:
            report.error(
                fields.at("name"), "canaryroute-check", f"there is a check {check.name} already; expected another name"
            )
        elif check is not None:
            found[check.name] = check
    return tuple(found.values())


def _check(fields: Fields, meta: Meta) -> CanaryCheck | None:
    fields.refuse_others(_CHECK)
    name, kind = _name(fields), _type(fields)
    if kind is None:
        return None
    for key, types in _ONLY.items():
        if fields.has(key) and kind not in types:
            text = f"expected {key} only with type {' and '.join(types)}, found type {kind}"
            fields.report.error(fields.at(key), "canaryroute-check", text)
    limits = _LIMITS.get(kind, ())
    if limits and not any(fields.has(key) for key in limits):
        fields.report.error(
            fields.path, "canaryroute-check", f"expected a limit with type {kind}: {' or '.join(limits)}"
        )
    address, query, url, timeout, secret = _asked(fields, kind)
    asked = kind.outside
    return CanaryCheck(
        name,
        kind,
        meta.at(fields.path),
        most=_most(fields, kind),
        most_ratio=_value(fields, "maxRatio", ratio_of, 'a decimal number of at least 1 in quotes, such as "1.5"'),
        least=_value(fields, "min", number_of, 'a number in quotes such as "0.98"'),
        percentile=_whole(fields, "percentile", 50, 99, 95),
        statuses=_statuses(fields),
        min_requests=_whole(fields, "minRequests", 1, 1_000_000, 0 if asked else 100),
        warmup=read_duration(fields, "warmup", 30.0, "canaryroute-check"),
        failure_threshold=_whole(fields, "failureThreshold", 1, 100, 3),
        interval=read_duration(
            fields,
            "interval",
            60.0 if asked else 15.0,
            "canaryroute-check",
            low=5.0,
            wanted="a duration of at least 5s",
        ),
        address=address,
        query=query,
        url=url,
        timeout=timeout,
        secret=secret,
    )


def _name(fields: Fields) -> str:
    name = fields.text("name")
    if len(name) > LONGEST_LABEL or not is_namespace(name):
        shown = f", found {shorten(name)!r}" if name else ""
        text = f"expected a name of at most {LONGEST_LABEL} characters a-z, 0-9 and '-'{shown}"
        fields.report.error(fields.at("name"), "canaryroute-check", text)
    return name


def _type(fields: Fields) -> CheckType | None:
    found = fields.text("type")
    if found in tuple(CheckType):
        return CheckType(found)
    shown = f", found {shorten(found)!r}" if found else ""
    fields.report.error(fields.at("type"), "canaryroute-check", f"expected one of {', '.join(CheckType)}{shown}")
    return None


def _most(fields: Fields, kind: CheckType) -> float | None:
    if kind not in _MAX:
        return None
    read, wanted = _MAX[kind]
    return _value(fields, "max", read, wanted)


def _value(fields: Fields, key: str, read: Callable[[str], float | None], wanted: str) -> float | None:
    if not fields.has(key):
        return None
    mark, text = fields.report.mark, fields.text(key, wanted=wanted)
    found = read(text)
    if found is None and not fields.report.failed_since(mark):
        fields.report.error(fields.at(key), "canaryroute-check", f"expected {wanted}, found {shorten(text)!r}")
    return found


def _whole(fields: Fields, key: str, low: int, high: int, default: int) -> int:
    found = fields.integer(key, low, high)
    return default if found is None else found


def _statuses(fields: Fields) -> tuple[str, ...]:
    if not fields.has("statuses"):
        return ("5xx",)
    mark, listed = fields.report.mark, list(fields.texts("statuses"))
    if not 1 <= len(listed) <= MOST_STATUSES and not fields.report.failed_since(mark):
        text = f"expected 1 to {MOST_STATUSES} statuses, found {len(listed)}"
        fields.report.error(fields.at("statuses"), "canaryroute-check", text)
    for path, text in listed:
        if not _STATUS(text):
            wanted = 'a status such as "503", or a class such as "5xx"'
            fields.report.error(path, "canaryroute-check", f"expected {wanted}, found {shorten(text)!r}")
    return tuple(dict.fromkeys(text for _, text in listed))


# --- who is asked ---


def _asked(fields: Fields, kind: CheckType) -> tuple[str, str, str, float, str]:
    """Address and query of Prometheus, URL and timeout of a webhook, and the Secret of either."""
    key = {CheckType.PROMETHEUS: "prometheus", CheckType.WEBHOOK: "webhook"}.get(kind)
    found = None if key is None else fields.mapping(key)
    if key is None or found is None:
        if key is not None and not fields.has(key):
            fields.report.error(fields.at(key), "missing-field", f"expected the field {key} with type {kind}")
        return "", "", "", 10.0, ""
    if kind is CheckType.PROMETHEUS:
        found.refuse_others(frozenset(("address", "query", "secretRef")))
        return _url(found, "address", _ADDRESS), _query(found), "", 10.0, _secret(found)
    found.refuse_others(frozenset(("url", "timeout", "secretRef")))
    timeout = read_duration(found, "timeout", 10.0, "canaryroute-check", 1.0, 60.0, "a duration from 1s to 60s")
    return "", "", _url(found, "url", _URL), timeout, _secret(found)


def _url(fields: Fields, key: str, usable: Callable[[str], object]) -> str:
    text = fields.text(key)
    if not 8 <= len(text) <= LONGEST_URL or not usable(text):
        shown = f", found {shorten(text)!r}" if text and "@" not in text else ""  # no password in a message
        query = ", without query" if key == "address" else ""
        wanted = f"a URL of http or https, without user name{query} and fragment"
        fields.report.error(fields.at(key), "canaryroute-check", f"expected {wanted}{shown}")
    return text


def _query(fields: Fields) -> str:
    text = fields.text("query")
    if not 1 <= len(text) <= LONGEST_QUERY:
        found = f"expected PromQL of 1 to {LONGEST_QUERY} characters, found {len(text)}"
        fields.report.error(fields.at("query"), "canaryroute-check", found)
    return text


def _secret(fields: Fields) -> str:
    """The name of a Secret of this namespace, or empty."""
    reference = fields.mapping("secretRef")
    if reference is None:
        return ""
    reference.refuse_others(frozenset(("name",)))
    name = reference.text("name")
    if not is_object_name(name):
        shown = f", found {shorten(name)!r}" if name else ""
        text = f"expected the name of a Secret in this namespace{shown}"
        fields.report.error(reference.at("name"), "canaryroute-check", text)
    return name

"""Verdicts about annotations and options, out of what compile said of each."""

import re
from collections.abc import Mapping, Sequence

from serin.compile.annotations.model import OURS, Annotation, Fate
from serin.compile.annotations.table import ALIASES, ANNOTATIONS, REMOVED
from serin.compile.annotations.table import OURS as OUR_ANNOTATIONS
from serin.compile.ingresses import IngressReading
from serin.compile.settings import KEYS
from serin.compile.settings_idle import HARMLESS, IDLE, REFUSED
from serin.lint.codes import CODES, Code
from serin.lint.migration.model import SAME, Judged, Verdict
from serin.lint.note import Note
from serin.problems import Problem, Severity
from serin.refs import Source

ProblemsAt = Mapping[Source, Sequence[Problem]]
NotesAt = Mapping[Source, Sequence[Note]]

_UNDESCRIBED = Code("", "", "", "")
_INERT = {
    "http2-push-preload": "no client takes HTTP/2 push any more",
    "auth-keepalive-share-vars": "nothing depends on it",
}
_DROPPED = frozenset(
    (
        *("limit-rps", "limit-rpm", "load-balance", "upstream-vhost", "auth-type", "server-alias"),
        *("custom-http-errors", "permanent-redirect", "permanent-redirect-code"),
    )
)
"""Annotations of which a value that cannot be read makes ingress-nginx drop the whole Ingress (as observed)."""
_LOST = re.compile(
    r".*-snippet|allow-snippet-annotations|allow-cross-namespace-resources|use-geoip2?|geoip2-.*|enable-ocsp"
    r"|enable-opentelemetry|opentelemetry-.*|otel-.*|otlp-.*|enable-syslog|syslog-.*|ssl-dh-param|ssl-session-ticket-key"
)
"""Options that are known and ask for something that Serin does not do."""
_CHANGED = frozenset(
    ("allow-backend-server-header", "default-type", "log-format-escape-none", "access-log-params", "debug-connections")
)
"""Options that are known, and whose subject is done another way that shows."""
_PER_INGRESS_DROP = "ingress-nginx drops the whole Ingress for it"


def is_annotation(key: str, prefix: str) -> bool:
    return key.startswith((f"{prefix}/", OURS))


def judge_annotation(
    key: str, text: str, reading: IngressReading, prefix: str, plane: str, at: ProblemsAt, notes: NotesAt
) -> Judged:
    """`key` is the whole name. What compile said of it in this plane decides, then what the registry says of it."""
    name = key.removeprefix(f"{prefix}/")
    source = reading.ingress.meta.annotation_source(key)
    problems = at.get(source, ())
    annotation = OUR_ANNOTATIONS.get(key.removeprefix(OURS)) if key.startswith(OURS) else None
    annotation = annotation or ANNOTATIONS.get(ALIASES.get(name, name))
    if name in REMOVED:
        return Judged(
            Verdict.NONE, "ingress-nginx does not know it any more, either", REMOVED[name], "annotation-removed"
        )
    if annotation is None:
        return Judged(Verdict.NONE, "no annotation has this name", _do(problems), "annotation-unknown")
    if not text:
        return Judged(Verdict.NONE, "an empty value counts as absent")
    if any(problem.code == "annotation-doubled" for problem in problems):
        return Judged(Verdict.NONE, problems[0].text, "take one of the two away", "annotation-doubled")
    if reading.is_canary and annotation not in reading.values and not problems:
        return Judged(Verdict.NONE, "on a canary it has no effect, as in ingress-nginx")
    found = _of_problems(annotation, text, problems, plane)
    if found is not None:
        return found
    if annotation.name in _INERT:
        return Judged(Verdict.NONE, _INERT[annotation.name])
    different = [note for note in notes.get(source, ()) if note.differs]
    if different:
        first = different[0]
        what = f"{first.problem.text} ({first.request}: {first.here}; ingress-nginx: {first.there})"
        return Judged(Verdict.DIFFERENT, what, _code(first.problem.code).do, first.problem.code)
    return Judged(Verdict.DIFFERENT, annotation.differs) if annotation.differs else SAME


def _of_problems(annotation: Annotation[object], text: str, problems: Sequence[Problem], plane: str) -> Judged | None:
    if not problems:
        return None
    worst = min(problems, key=lambda problem: (problem.severity is not Severity.ERROR, problem.code))
    do = _do((worst,))
    if worst.code == "annotation-unsupported":
        elsewhere = annotation.supported and plane not in annotation.planes
        do = f"use --plane {next(iter(annotation.planes))}" if elsewhere else ""
        return Judged(Verdict.REFUSED, worst.text, do, worst.code)
    if worst.code == "annotation-invalid":
        return _bad_value(annotation, text, worst)
    if worst.severity is Severity.ERROR and _code(worst.code).alike:
        return Judged(Verdict.SAME, f"{worst.text}, as in ingress-nginx", do, worst.code)
    if worst.severity is Severity.ERROR:
        there = _there(worst)
        what = f"{worst.text}; ingress-nginx: {there}" if there else worst.text
        return Judged(Verdict.REFUSED, what, do, worst.code)
    there = _there(worst)
    if there:
        return Judged(Verdict.DIFFERENT, f"{worst.text}; ingress-nginx: {there}", do, worst.code)
    if "no effect" in worst.text or "not used" in worst.text:
        return Judged(Verdict.NONE, worst.text, do, worst.code)
    return Judged(Verdict.SAME, worst.text, do, worst.code)


def _bad_value(annotation: Annotation[object], text: str, problem: Problem) -> Judged:
    """A value that cannot be read has one fate here for each class; in ingress-nginx it depends on the annotation."""
    do = _code(problem.code).do
    dropped = annotation.name in _DROPPED or (annotation.name == "rewrite-target" and "?" in text)
    if annotation.fate_of_bad is not Fate.ABSENT:
        what = f"{problem.text}; {_PER_INGRESS_DROP}" if dropped else problem.text
        return Judged(Verdict.REFUSED, what, do, problem.code)
    if dropped:
        return Judged(Verdict.DIFFERENT, f"{problem.text}; {_PER_INGRESS_DROP}", do, problem.code)
    if annotation.name.endswith("-timeout") and text.strip().startswith("-"):
        what = f"{problem.text}; ingress-nginx takes no further change of anybody with it"
        return Judged(Verdict.DIFFERENT, what, do, problem.code)
    return Judged(Verdict.NONE, f"{problem.text}, as in ingress-nginx", do, problem.code)


def judge_option(key: str, text: str, source: Source, plane: str, at: ProblemsAt) -> Judged:
    """A key of the controller's ConfigMap."""
    if text == "" or text.strip() in HARMLESS.get(key, ()):
        return SAME
    if key in IDLE:
        verdict = Verdict.REFUSED if _LOST.fullmatch(key) else Verdict.DIFFERENT if key in _CHANGED else Verdict.NONE
        return Judged(verdict, IDLE[key], "", "config-without-effect")
    if key in REFUSED:
        what = f"{REFUSED[key]}; it keeps nobody out"
        return Judged(Verdict.REFUSED, what, _code("config-unsupported").do, "config-unsupported")
    problems = at.get(source, ())
    if key not in KEYS:
        return Judged(Verdict.NONE, "no option has this name", _do(problems), "config-unsupported")
    for problem in problems:
        if problem.code == "config-unsupported":
            return Judged(Verdict.REFUSED, problem.text, f"use --plane {next(iter(KEYS[key].planes))}", problem.code)
        if problem.severity is Severity.ERROR:
            return Judged(Verdict.REFUSED, problem.text, _do((problem,)), problem.code)
        return Judged(Verdict.DIFFERENT, problem.text, _do((problem,)), problem.code)
    return SAME


def judge_stream(problems: Sequence[Problem]) -> Judged:
    """A line of the ConfigMaps of TCP and UDP ports."""
    for problem in problems:
        verdict = Verdict.REFUSED if problem.severity is Severity.ERROR else Verdict.DIFFERENT
        verdict = Verdict.SAME if _code(problem.code).alike else verdict
        return Judged(verdict, problem.text, _do((problem,)), problem.code)
    return SAME


def _do(problems: Sequence[Problem]) -> str:
    return _code(problems[0].code).do if problems else ""


def _there(problem: Problem) -> str:
    return _code(problem.code).there


def _code(code: str) -> Code:
    return CODES.get(code, _UNDESCRIBED)

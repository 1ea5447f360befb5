"""The report as text, Markdown and JSON. The form of JSON is stable: docs/migration.md has its fields."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from serin.lint.migration.model import Judged, Line, Report, Subject, Verdict
from serin.lint.note import Note
from serin.problems import Problem

VERSION = 1
_WIDTH = 11


def to_text(report: Report) -> Iterator[str]:
    """For a terminal. What is the same stands in one line of names."""
    for subject in _subjects(report):
        yield f"{subject.title}{_hosts(subject)}: {_verdicts(report, subject)}"
        yield from (f"  {line}" for line in _text_lines(report, subject))
        yield ""
    yield from _tail(report)


def _text_lines(report: Report, subject: Subject) -> Iterator[str]:
    same = [line.name for line in subject.lines if _is_plain(report, line)]
    if same:
        yield f"{'same':<{_WIDTH}}{', '.join(_short(name) for name in same)}"
    for line in subject.lines:
        if not _is_plain(report, line):
            for planes, judged in _grouped(report.planes, line):
                where = "" if planes == report.planes else f" [{', '.join(planes)}]"
                yield f"{judged.verdict.value:<{_WIDTH}}{_short(line.name)}: {line.value or '(empty)'}{where}"
                yield from (f"{'':<{_WIDTH}}{text}" for text in _said(judged))
    for planes, problem in _problems(report, subject):
        where = "" if planes == report.planes else f" [{', '.join(planes)}]"
        yield f"{problem.severity.value:<{_WIDTH}}{problem.source.field} {problem.code}{where}: {problem.text}"
    for note in subject.notes:
        yield f"{'differs' if note.differs else 'note':<{_WIDTH}}{note.problem.source.field} {_noted(note)}"


def to_markdown(report: Report) -> Iterator[str]:
    yield "# From ingress-nginx to Serin\n"
    yield from _totals_table(report)
    for subject in _subjects(report):
        yield f"\n## {subject.title}{_hosts(subject)}\n"
        yield f"{_verdicts(report, subject)}\n"
        if subject.lines:
            yield "| name | value | " + " | ".join(report.planes) + " | what, and what to do |"
            yield "|---|---|" + "---|" * (len(report.planes) + 1)
            for line in subject.lines:
                verdicts = " | ".join(line.verdict(plane).value for plane in report.planes)
                said = "; ".join(dict.fromkeys(text for _, j in _grouped(report.planes, line) for text in _said(j)))
                yield f"| `{_short(line.name)}` | {_cell(line.value)} | {verdicts} | {_cell(said, code=False)} |"
            yield ""
        for planes, problem in _problems(report, subject):
            where = "" if planes == report.planes else f" ({', '.join(planes)})"
            field = _cell(problem.source.field)
            yield f"- {problem.severity.value} `{problem.code}`{where} at {field}: {_cell(problem.text, code=False)}"
        for note in subject.notes:
            yield f"- {'differs' if note.differs else 'note'} at {_cell(note.problem.source.field)}: {_noted(note)}"
    if report.advice:
        yield "\n## How to start Serin\n"
        yield from (f"- {text}" for text in report.advice)


def to_json(report: Report) -> dict[str, Any]:
    return {
        "version": VERSION,
        "from": "ingress-nginx",
        "planes": list(report.planes),
        "ingresses": [_subject_json(report, subject) for subject in report.ingresses],
        "configMaps": [_subject_json(report, subject) for subject in report.config_maps],
        "flags": None if report.flags is None else _subject_json(report, report.flags),
        "otherIngresses": [{"namespace": ref.namespace, "name": ref.name} for ref in report.others],
        "advice": list(report.advice),
        "totals": {plane: _totals_json(report, plane) for plane in report.planes},
    }


def _subject_json(report: Report, subject: Subject) -> dict[str, Any]:
    ref = subject.ref
    named = {} if ref is None else {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    return {
        **named,
        "hosts": list(subject.hosts),
        "verdict": {plane: subject.verdict(plane, report.old_news).value for plane in report.planes},
        "lines": [
            {
                "name": line.name,
                "value": line.value,
                **{plane: _judged_json(line.by_plane[plane]) for plane in report.planes},
            }
            for line in subject.lines
        ],
        "problems": [
            {
                "planes": list(planes),
                "severity": problem.severity.value,
                "code": problem.code,
                "field": problem.source.field,
                "text": problem.text,
            }
            for planes, problem in _problems(report, subject)
        ],
        "notes": [
            {
                "code": note.problem.code,
                "field": note.problem.source.field,
                "text": note.problem.text,
                "request": note.request,
                "serin": note.here,
                "ingressNginx": note.there or note.here,
            }
            for note in subject.notes
        ],
    }


def _judged_json(judged: Judged) -> dict[str, str]:
    return {"verdict": judged.verdict.value, "what": judged.what, "do": judged.do, "code": judged.code}


def _totals_json(report: Report, plane: str) -> dict[str, dict[str, int]]:
    return {
        name: {verdict.value: found[verdict] for verdict in Verdict}
        for name, found in (
            ("ingresses", report.ingress_totals(plane)),
            ("annotations", report.line_totals(plane)),
            ("options", report.option_totals(plane)),
            ("flags", report.flag_totals(plane)),
        )
    }


def _subjects(report: Report) -> tuple[Subject, ...]:
    return (*report.ingresses, *report.config_maps, *(() if report.flags is None else (report.flags,)))


def _tail(report: Report) -> Iterator[str]:
    if report.others:
        yield f"{len(report.others)} Ingresses of other classes are not judged"
    for plane in report.planes:
        yield f"{plane} plane"
        for name, found in _counted(report, plane):
            listed = ", ".join(f"{found[verdict]} {verdict.value}" for verdict in Verdict if found[verdict])
            yield f"  {sum(found.values())} {name}: {listed or 'none'}"
    for text in report.advice:
        yield f"start Serin with {text}"


def _totals_table(report: Report) -> Iterator[str]:
    yield "| plane | what | " + " | ".join(verdict.value for verdict in Verdict) + " |"
    yield "|---|---|" + "---:|" * len(Verdict)
    for plane in report.planes:
        for name, found in _counted(report, plane):
            yield f"| {plane} | {name} | " + " | ".join(str(found[verdict]) for verdict in Verdict) + " |"


def _counted(report: Report, plane: str) -> Iterator[tuple[str, Counter[Verdict]]]:
    yield "Ingresses", report.ingress_totals(plane)
    yield "annotations", report.line_totals(plane)
    if report.config_maps:
        yield "options", report.option_totals(plane)
    if report.flags is not None:
        yield "flags", report.flag_totals(plane)


def _hosts(subject: Subject) -> str:
    return f" ({', '.join(host or 'any host' for host in subject.hosts)})" if subject.hosts else ""


def _verdicts(report: Report, subject: Subject) -> str:
    found = {plane: subject.verdict(plane, report.old_news).value for plane in report.planes}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{verdict} in the {plane} plane" for plane, verdict in found.items())


def _is_plain(report: Report, line: Line) -> bool:
    return all(
        line.by_plane[plane].verdict is Verdict.SAME and not line.by_plane[plane].what for plane in report.planes
    )


def _grouped(planes: Sequence[str], line: Line) -> Iterator[tuple[tuple[str, ...], Judged]]:
    """Each judgement once, with the planes that it is for."""
    for judged in dict.fromkeys(line.by_plane[plane] for plane in planes):
        yield tuple(plane for plane in planes if line.by_plane[plane] == judged), judged


def _problems(report: Report, subject: Subject) -> Iterator[tuple[tuple[str, ...], Problem]]:
    found = {problem: None for plane in report.planes for problem in subject.problems.get(plane, ())}
    for problem in found:
        yield tuple(plane for plane in report.planes if problem in subject.problems.get(plane, ())), problem


def _said(judged: Judged) -> tuple[str, ...]:
    code = f" ({judged.code})" if judged.code else ""
    return tuple(text for text in (f"{judged.what}{code}" if judged.what else "", judged.do) if text)


def _noted(note: Note) -> str:
    there = f"; ingress-nginx: {note.there}" if note.there else ""
    return f"{note.problem.code}: {note.problem.text} ({note.request}: {note.here}{there})"


def _short(name: str) -> str:
    return name.removeprefix("nginx.ingress.kubernetes.io/")


def _cell(text: str, *, code: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("|", "\\|")
    return f"`{text.replace('`', chr(39))}`" if code and text else text

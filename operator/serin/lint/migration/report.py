"""The report of one set of objects, compiled once for each data plane."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from serin.compile.compiler import Compiled
from serin.compile.ingresses import IngressReading
from serin.compile.options import Key
from serin.lint.codes import CODES
from serin.lint.migration.judging import is_annotation, judge_annotation, judge_option, judge_stream
from serin.lint.migration.model import Judged, Line, Report, Subject
from serin.lint.note import Note
from serin.lint.notes import notes_of
from serin.objects.fields import shorten
from serin.problems import Problem
from serin.refs import Ref, Source

OLD_NEWS = frozenset(code.code for code in CODES.values() if code.alike)
"""What is said of these is as true under ingress-nginx."""


def make_report(
    compiled: Mapping[str, Compiled],
    problems: Iterable[Problem],
    flags: Subject | None = None,
    advice: tuple[str, ...] = (),
) -> Report:
    """`compiled` by plane, of the same objects. `problems`: those that objects have by themselves."""
    planes = tuple(compiled)
    first = compiled[planes[0]]
    books = {plane: _Book(made, problems) for plane, made in compiled.items()}
    readings = first.memo.readings
    ingresses = tuple(_ingress(key, books) for key in sorted(readings))
    others = sorted(view.meta.ref for key, view in first.memo.snapshot.ingresses.items() if key not in readings)
    return Report(planes, ingresses, tuple(_config_maps(books)), flags, tuple(others), advice, OLD_NEWS)


class _Book:
    """What was found in one plane, by the place that it is about."""

    def __init__(self, compiled: Compiled, problems: Iterable[Problem]) -> None:
        self.compiled = compiled
        self.options = compiled.memo.options
        self.at: dict[Source, list[Problem]] = defaultdict(list)
        self.of: dict[Ref, list[Problem]] = defaultdict(list)
        for problem in sorted({*problems, *compiled.problems}):
            self.at[problem.source].append(problem)
            self.of[problem.source.ref].append(problem)
        self.notes_at: dict[Source, list[Note]] = defaultdict(list)
        self.notes_of: dict[Ref, list[Note]] = defaultdict(list)
        for note in notes_of(compiled):
            self.notes_at[note.problem.source].append(note)
            self.notes_of[note.problem.source.ref].append(note)

    def judge(self, key: str, text: str, reading: IngressReading) -> Judged:
        prefix, plane = self.options.annotations_prefix, self.options.plane
        return judge_annotation(key, text, reading, prefix, plane, self.at, self.notes_at)


def _ingress(key: Key, books: Mapping[str, _Book]) -> Subject:
    first = next(iter(books.values()))
    reading = first.compiled.memo.readings[key]
    meta = reading.ingress.meta
    lines, told = [], set()
    for name, text in sorted(meta.annotations.items()):
        if is_annotation(name, first.options.annotations_prefix):
            told.add(meta.annotation_source(name))
            judged = {}
            for plane, book in books.items():
                judged[plane] = book.judge(name, text, book.compiled.memo.readings[key])
            lines.append(Line(name, shorten(" ".join(text.split())), judged))
    problems = {
        plane: tuple(problem for problem in book.of.get(meta.ref, ()) if problem.source not in told)
        for plane, book in books.items()
    }
    notes = {note: None for book in books.values() for note in book.notes_of.get(meta.ref, ())}
    return Subject(meta.ref, tuple(sorted(reading.paths)), tuple(lines), problems, tuple(notes))


def _config_maps(books: Mapping[str, _Book]) -> Iterable[Subject]:
    options = next(iter(books.values())).options
    found = next(iter(books.values())).compiled.memo.snapshot.config_maps
    for key, is_stream in ((options.configmap, False), (options.tcp_services, True), (options.udp_services, True)):
        view = None if key is None else found.get(key)
        if key is None:
            continue
        ref = Ref("ConfigMap", *key)
        lines = []
        for name, text in sorted(view.data.items() if view is not None else ()):
            source, judged = Source(ref, f"data[{name}]"), {}
            for plane, book in books.items():
                if is_stream:
                    judged[plane] = judge_stream(book.at.get(source, ()))
                else:
                    judged[plane] = judge_option(name, text, source, plane, book.at)
            lines.append(Line(name, shorten(" ".join(text.split())), judged))
        told = {Source(ref, f"data[{line.name}]") for line in lines}
        problems = {
            plane: tuple(problem for problem in book.of.get(ref, ()) if problem.source not in told)
            for plane, book in books.items()
        }
        yield Subject(ref, (), tuple(lines), problems)

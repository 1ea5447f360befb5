"""One file's text → the views of its objects and its problems. Unchanged documents of a changed file cost a hash.

A file is taken as a whole or not at all: half of a half-written file would be worse than its last good state.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from serin.files.yamltext import MAX_VALUES, Chunk, Document, UnreadableError, load, split
from serin.objects.parse import parse_objects
from serin.objects.views import View
from serin.problems import Problem, Severity
from serin.refs import Ref, Source


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk holds. `lines` are those of the objects, and of the problems, within the chunk, from 1."""

    views: tuple[tuple[int, View], ...]
    problems: tuple[tuple[int, Problem], ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`views` in the order of the file, one for each name. `pieces`, by digest, serve the next reading."""

    views: tuple[View, ...] = ()
    problems: tuple[Problem, ...] = ()
    pieces: Mapping[bytes, Piece] = field(default_factory=dict)


def file_source(path: str, line: int = 0, column: int = 0) -> Source:
    """A place in a file, as the source of a problem."""
    place = f"line {line}, column {column}" if column else f"line {line}" if line else ""
    return Source(Ref("File", "", path), place)


def read_manifest(path: str, data: bytes, pieces: Mapping[bytes, Piece]) -> Manifest:
    """Reads the file's bytes; `pieces` are those of the last reading. Raises UnreadableError for the whole file."""
    chunks = [Chunk(0, data)] if path.endswith(".json") else split(data)
    found: dict[bytes, Piece] = {}
    placed: list[tuple[Chunk, Piece]] = []
    budget = MAX_VALUES
    for chunk in chunks:
        digest = hashlib.blake2b(chunk.data, digest_size=16).digest()
        piece = found.get(digest) or pieces.get(digest)
        if piece is None:
            piece, values = _read_chunk(path, chunk, digest.hex(), budget)
            budget -= values
        found[digest] = piece
        placed.append((chunk, piece))
    views, twice = _unique(path, placed)
    problems = [_placed(path, chunk.line + line, p) for chunk, piece in placed for line, p in piece.problems]
    return Manifest(tuple(views), (*problems, *twice), found)


def _read_chunk(path: str, chunk: Chunk, version: str, budget: int) -> tuple[Piece, int]:
    if path.endswith(".json"):
        documents, values = [Document(1, load_json(chunk.data))], 0
    else:
        try:
            documents, values = load(chunk.data, max_values=budget)
        except UnreadableError as e:
            raise e.moved(chunk.line) from e
    views: list[tuple[int, View]] = []
    problems: list[tuple[int, Problem]] = []
    for document in documents:
        for parsed in parse_objects(document.value, version=version):
            problems += ((document.line, problem) for problem in parsed.problems)
            if parsed.view is not None:
                views.append((document.line, parsed.view))
    return Piece(tuple(views), tuple(problems)), values


def load_json(data: bytes) -> object:
    """Raises UnreadableError, nothing else."""
    try:
        return json.loads(data, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as e:
        raise UnreadableError("json-syntax", f"expected JSON: {e.msg}", e.lineno, e.colno) from e
    except RecursionError as e:
        raise UnreadableError("json-syntax", "expected JSON with less nesting") from e
    except ValueError as e:
        raise UnreadableError("json-syntax", f"expected JSON: {e}") from e


def _without_duplicates(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise UnreadableError("json-duplicate-key", f"the key {key[:60]!r} stands twice in one object")
        found[key] = value
    return found


def _unique(path: str, placed: Iterable[tuple[Chunk, Piece]]) -> tuple[Iterator[View], list[Problem]]:
    """The first object of each name, and a problem for every further one."""
    first: dict[Ref, tuple[int, View]] = {}
    twice = []
    for chunk, piece in placed:
        for line_in_chunk, view in piece.views:
            ref, line = view.meta.ref, chunk.line + line_in_chunk
            if ref in first:
                text = f"it stands in {path} at line {first[ref][0]} and at line {line}; the first one is in force"
                twice.append(Problem(Source(ref), "duplicate-object", Severity.ERROR, text))
            else:
                first[ref] = (line, view)
    return (view for _, view in first.values()), twice


def _placed(path: str, line: int, problem: Problem) -> Problem:
    """An object without a name is known by where it stands."""
    if problem.source.ref.name:
        return problem
    where = file_source(path, line)
    what = " ".join(part for part in (problem.source.ref.kind, problem.source.field) if part)
    return replace(problem, source=replace(where, field=f"{where.field}: {what}" if what else where.field))

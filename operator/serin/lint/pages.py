"""docs/problems, made from the registry of codes; a test keeps the two equal.

`python -m serin.lint.pages docs/problems` writes the folder anew. An example is compiled, and its request explained, so
that a page cannot say what is not so.
"""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serin.compile.compiler import compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.files.manifest import read_manifest
from serin.files.yamltext import UnreadableError
from serin.lint.codes import CODES, SUBJECTS, Code
from serin.lint.codes.model import SURROUNDINGS
from serin.lint.notes import notes_of
from serin.native.pattern import Pattern
from serin.objects.store import Store
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.routing.explain import ExplainRequest, explain
from serin.routing.explanation import Explanation

_FILE = "shop.yaml"
_SEVERITIES = {
    Severity.ERROR: "error: something that was asked for does not happen",
    Severity.WARNING: "warning: it happens, but likely not as meant",
    Severity.INFO: "info: it happens as it always did, and surprises people",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What an example gives: the problem with its code, and what its request gets."""

    problem: Problem | None
    answer: Explanation | None


def show(code: Code) -> Shown:
    """Compiles the example of a code and explains its request."""
    options = _options(code.flags)
    store = Store()
    problems: list[Problem] = []
    try:
        surroundings = read_manifest(_FILE, SURROUNDINGS.encode(), {})
        manifest = read_manifest(_FILE, code.example.encode(), {})
    except UnreadableError as error:
        ref = Ref("File", "", f"{_FILE}:{error.line}:{error.column}")
        return Shown(Problem(Source(ref), error.code, Severity.ERROR, error.text), None)
    for view in (*surroundings.views, *manifest.views):
        store.apply(view)
    problems += manifest.problems
    compiled = compile_snapshot(store.snapshot(), options, check_pattern)
    problems += compiled.problems
    problems += (note.problem for note in notes_of(compiled))
    found = next((problem for problem in sorted(problems) if problem.code == code.code), None)
    answer = explain(compiled.plan, _request(code.request), (), Pattern) if code.request else None
    return Shown(found, answer)


def page(code: Code) -> str:
    """The page of one code, in Markdown."""
    return "\n".join(_page(code, show(code) if code.example else Shown(None, None))) + "\n"


def _page(code: Code, shown: Shown) -> Iterator[str]:
    yield f"# {code.code}\n"
    yield f"{code.title[:1].upper()}{code.title[1:]}.\n"
    yield f"{code.what}\n"
    if shown.problem is not None:
        yield f"Severity: {_SEVERITIES[shown.problem.severity]}.\n"
    yield from _elsewhere(code)
    yield "## What to do\n"
    yield f"{code.do}\n"
    yield "## Example\n"
    if not code.example:
        yield f"None: {code.unshown}."
        return
    yield "Beside the Services `web` and `next`, both with a ready endpoint:\n"
    yield textwrap.indent(code.example.rstrip("\n"), "    ") + "\n"
    flags = f" {code.flags}" if code.flags else ""
    yield f"`serin lint {_FILE}{flags}` says:\n"
    yield f"    {shown.problem}\n"
    if shown.answer is not None:
        yield f"Request: `{code.request}`, answered with {_answer(shown.answer)}."


def _elsewhere(code: Code) -> Iterator[str]:
    if code.alike:
        yield "ingress-nginx does the same, and tells nobody but its log.\n"
    elif code.there:
        yield f"ingress-nginx: {code.there}.\n"


def _answer(found: Explanation) -> str:
    if found.redirect:
        return f"{found.status} to `{found.redirect}`"
    if found.status is not None:
        return str(found.status)
    rewritten = f", which gets the path `{found.rewritten_path}`" if found.rewritten_path else ""
    shared = [f"`{name}` {share:g} %" for name, share in found.shares if share]
    if len(found.shares) > 1 and "/" in str(found.service):
        return f"what weights say: {', '.join(shared)}{rewritten}"
    return f"what Service `{found.service}` answers{rewritten}"


def _request(text: str) -> ExplainRequest:
    method, url, *header = text.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (part.partition(":") for part in header))
    return ExplainRequest(url, method, headers)


def _options(flags: str) -> Options:
    """The few flags that examples have."""
    words = iter(flags.split())
    found: dict[str, object] = {}
    names = {
        "--configmap": "configmap",
        "--tcp-services-configmap": "tcp_services",
        "--udp-services-configmap": "udp_services",
    }
    for word in words:
        if word == "--plane":
            found["plane"] = next(words)
        elif word in names:
            namespace, _, name = next(words).partition("/")
            found[names[word]] = (namespace, name)
        else:
            found[word.removeprefix("--").removeprefix("enable-").replace("-", "_")] = True
    return Options(standalone=True, **found)  # type: ignore[arg-type]


def index() -> str:
    """The list of all codes, by subject."""
    return "\n".join(_index()) + "\n"


def _index() -> Iterator[str]:
    yield "# Problems\n"
    yield "Made from the registry (`serin.lint.codes`) by `python -m serin.lint.pages docs/problems`; do not edit by"
    yield "hand. `serin lint --explain CODE` prints a page.\n"
    for subject, codes in SUBJECTS.items():
        yield f"## {subject}\n"
        yield "| code | |"
        yield "|---|---|"
        yield from (f"| [`{code.code}`]({code.code}.md) | {code.title} |" for code in codes)
        yield ""


def files() -> dict[str, str]:
    """All pages by the name of their file."""
    return {"README.md": index(), **{f"{name}.md": page(code) for name, code in CODES.items()}}


def write(folder: Path) -> None:
    made = files()
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))

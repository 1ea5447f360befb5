"""Notes: only where the objects at hand make them real, and what they say of their request is what it gets."""

import pytest

from serin.compile.compiler import Compiled, compile_snapshot
from serin.control.patterns import check_pattern
from serin.files.manifest import read_manifest
from serin.lint import pages
from serin.lint.codes import CODES, SUBJECTS, Code
from serin.lint.codes.model import SURROUNDINGS, canary, ingress, join
from serin.lint.notes import notes_of
from serin.native.pattern import Pattern
from serin.objects.store import Store
from serin.problems import Severity
from serin.routing.explain import explain

NOTES = [code for code in SUBJECTS["Notes of serin lint"] if code.example]


def compiled_of(text: str) -> Compiled:
    store = Store()
    for view in read_manifest("x.yaml", f"{SURROUNDINGS}{text}".encode(), {}).views:
        store.apply(view)
    return compile_snapshot(store.snapshot(), pages._options(""), check_pattern)


def codes_of(text: str) -> list[str]:
    return [note.problem.code for note in notes_of(compiled_of(text))]


@pytest.mark.parametrize("code", NOTES, ids=lambda code: code.code)
def test_a_note_says_what_its_request_gets(code: Code) -> None:
    compiled = compiled_of(code.example)
    (note,) = [note for note in notes_of(compiled) if note.problem.code == code.code][:1]
    assert note.problem.severity is Severity.INFO
    assert bool(note.there) == bool(code.there)
    method, url = note.request.split(" ")[:2]
    if not code.request and code.code != "path-normalised":
        return  # a cookie of an endpoint, and an Origin, are not what explain asks for
    answer = explain(compiled.plan, pages._request(f"{method} {url}"), (), Pattern)
    found = str(answer.status) if answer.status is not None else str(answer.service)
    assert note.here.startswith(found)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_what_is_no_note_is_never_of_their_severity(code: Code) -> None:
    problem = pages.show(code).problem if code.example and code not in NOTES else None
    assert problem is None or problem.severity is not Severity.INFO


def test_a_plain_ingress_has_none() -> None:
    assert codes_of(ingress()) == []


@pytest.mark.parametrize(
    "text",
    [
        ingress('use-regex: "true"', path="/shop(/|$)", path_type="ImplementationSpecific"),
        ingress("rewrite-target: /$2", path="/shop(/|$)(.*)", path_type="ImplementationSpecific"),
        ingress(paths=(("/shop", "Prefix", "web"), ("/cart", "Prefix", "web"))),
        join(ingress(), canary("canary-by-header: Region")),
        join(ingress(path="/one"), ingress(name="two", path="/two", service="next")),
        ingress(host="one.example.org"),
    ],
)
def test_what_does_not_surprise_is_not_noted(text: str) -> None:
    assert codes_of(text) == []


def test_a_sibling_that_has_the_canary_too_is_not_noted() -> None:
    paths = (("/one", "Prefix", "web"), ("/two", "Prefix", "web"))
    both = tuple((path, kind, "next") for path, kind, _ in paths)
    text = join(ingress(paths=paths), ingress('canary: "true"', 'canary-weight: "10"', name="next", paths=both))
    assert codes_of(text) == []


def test_notes_are_no_problems_of_the_compile() -> None:
    """So neither Events nor the admission webhook tell of them."""
    compiled = compiled_of(ingress("rewrite-target: /", path="/shop"))
    assert {problem.severity for problem in compiled.problems} <= {Severity.ERROR, Severity.WARNING}
    assert notes_of(compiled) != ()

"""One file's text: objects, problems with their places, and what an unchanged document costs."""

import json

import pytest

from serin.files.manifest import Manifest, load_json, read_manifest
from serin.files.yamltext import UnreadableError

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata: {{x: '{}'}}\n"


def read(text: str, last: Manifest | None = None, path: str = "f.yaml") -> Manifest:
    return read_manifest(path, text.encode(), last.pieces if last else {})


def names(manifest: Manifest) -> list[str]:
    return [view.meta.ref.name for view in manifest.views]


def test_unchanged_documents_keep_their_views() -> None:
    docs = [CONFIG.format(name, "1") for name in "abc"]
    first = read("---\n".join(docs))
    docs[1] = CONFIG.format("b", "2")
    second = read("---\n".join(docs), first)
    assert names(second) == ["a", "b", "c"]
    assert [one is two for one, two in zip(first.views, second.views, strict=True)] == [True, False, True]
    assert len(second.pieces) == 3


def test_the_version_follows_the_documents_content() -> None:
    one, two, same = (read(CONFIG.format("a", text)).views[0].meta.version for text in "121")
    assert one == same != two


def test_problems_without_a_name_are_placed_in_the_file() -> None:
    manifest = read("# first\n---\n- 5\n---\napiVersion: v1\nkind: Secret\n---\n" + CONFIG.format("a", "1"))
    assert [str(problem.source) for problem in manifest.problems] == [
        "File f.yaml: line 2",
        "File f.yaml: line 4: Secret metadata",
    ]
    assert names(manifest) == ["a"]


def test_of_two_objects_of_a_name_the_first_one_counts() -> None:
    manifest = read("---\n".join([CONFIG.format("a", "1"), CONFIG.format("b", "1"), CONFIG.format("a", "2")]))
    assert names(manifest) == ["a", "b"]
    (problem,) = manifest.problems
    assert problem.code == "duplicate-object"
    assert "line 1 and at line 10" in problem.text


def test_lists_are_flattened() -> None:
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [item, {**item, "metadata": {"name": "b"}}]})
    assert names(read(text)) == names(read(text, path="f.json")) == ["a", "b"]


def test_a_syntax_error_is_placed_in_the_file_not_in_the_document() -> None:
    with pytest.raises(UnreadableError) as caught:
        read(CONFIG.format("a", "1") + "---\na: 1\na: 2\n")
    assert (caught.value.code, caught.value.line, caught.value.column) == ("yaml-duplicate-key", 7, 1)


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n---\n"])
def test_a_file_without_documents_is_no_mistake(text: str) -> None:
    assert read(text) == Manifest(pieces=read(text).pieces)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": 1, "a": 2}', "json-duplicate-key"),
        ("{", "json-syntax"),
        ("", "json-syntax"),
        ("[" * 100_000, "json-syntax"),
        ("9" * 5000, "json-syntax"),
    ],
)
def test_json_that_cannot_be_read_is_refused(text: str, code: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        load_json(text.encode())
    assert caught.value.code == code


def test_json_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(UnreadableError):
        load_json(b'"\xff"')

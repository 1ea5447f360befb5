"""YAML texts: what they hold, and that no text costs more than it may."""

import contextlib

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serin.files.yamltext import MAX_CHUNKS, UnreadableError, load, split


def values(text: str | bytes) -> list[object]:
    data = text.encode() if isinstance(text, str) else text
    return [document.value for document in load(data)[0]]


def refused(text: str | bytes) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        values(text)
    return caught.value


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**15), 10**15), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(plain.filter(lambda value: value is not None), min_size=1, max_size=4), st.booleans())
def test_what_is_written_is_read(documents: list[object], flow: bool) -> None:
    text = yaml.safe_dump_all(documents, default_flow_style=flow, explicit_start=True)
    assert values(text) == documents
    pieces = [value for chunk in split(text.encode()) for value in values(chunk.data)]
    assert pieces == documents


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text("-{}[]:,&*!|>'\"%@`#? \n\ta1<", max_size=60).map(str.encode)))
@example(b"a: &a [*a]\n")
@example(b"\xff\xfea\x00")
@example(b"&a a: *a")
@example(b"? {a: b}\n: c")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for chunk in split(data):
        with contextlib.suppress(UnreadableError):
            documents, count = load(chunk.data)
            assert len(documents) <= count


@settings(max_examples=200, deadline=None)
@given(st.text("-a \n\t|#%'", max_size=60))
def test_chunks_put_together_are_the_file(text: str) -> None:
    data = text.encode()
    chunks = split(data)
    assert b"".join(chunk.data for chunk in chunks) == data
    assert [chunk.line for chunk in chunks] == [
        data[: sum(len(c.data) for c in chunks[:i])].count(b"\n") for i in range(len(chunks))
    ]


def test_a_marker_in_a_block_of_text_ends_it_and_an_indented_one_does_not() -> None:
    text = b"a: |\n  x\n  ---\n  y\n---\nb: 1\n"
    assert [values(chunk.data) for chunk in split(text)] == [[{"a": "x\n---\ny\n"}], [{"b": 1}]]
    assert len(split(b"----\n---a\n")) == 1
    assert values("%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert len(split(b"%YAML 1.1\n---\na: 1\n")) == 1


def test_documents_know_their_lines_and_empty_ones_are_left_out() -> None:
    documents, count = load(b"# nothing\n---\na: 1\n---\n---\n# more\nb: [1, 2]\n")
    assert [(document.line, document.value) for document in documents] == [(2, {"a": 1}), (5, {"b": [1, 2]})]
    assert count == 9


def test_times_stay_texts_and_keys_are_texts() -> None:
    assert values("a: 2026-01-01T00:00:00Z\n8080: x\non: y\n'1': z\n") == [
        {"a": "2026-01-01T00:00:00Z", "8080": "x", "on": "y", "1": "z"}
    ]


def test_quoted_scalars_are_texts() -> None:
    assert values('["8", \'8\', 8, !!str 8, ! 8, "~"]') == [["8", "8", 8, "8", "8", "~"]]


def test_aliases_and_merges() -> None:
    assert values("a: &x {k: 1}\nb: *x\n&y c: *y\n") == [{"a": {"k": 1}, "b": {"k": 1}, "c": "c"}]
    assert values("base: &b {k: 1, l: 2}\nm: {<<: *b, k: 3}\nn:\n  k: 4\n  <<: [*b, {z: 9, l: 0}]\n") == [
        {"base": {"k": 1, "l": 2}, "m": {"k": 3, "l": 2}, "n": {"k": 4, "l": 2, "z": 9}}
    ]
    assert values("'<<': 1") == [{"<<": 1}]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\nb: [1\n", "yaml-syntax", 3, 1),
        ("a: 1\na: 2\n", "yaml-duplicate-key", 2, 1),
        ("a: {b: 1, b: 2}\n", "yaml-duplicate-key", 1, 11),
        ("a:\n  ? [x]\n  : 1\n", "yaml-key", 2, 5),
        ("a: *x\n", "yaml-syntax", 1, 4),
        ("a: &x [*x]\n", "yaml-syntax", 1, 8),
        ("<<: 5\n", "yaml-syntax", 1, 5),
        ("a: !!python/object/apply:os.system [x]\n", "yaml-tag", 1, 4),
        ("a: !x y\n", "yaml-tag", 1, 4),
        ("a\tb: 1\n\tc", "yaml-syntax", 2, 1),
    ],
)
def test_mistakes_have_a_place(text: str, code: str, line: int, column: int) -> None:
    found = refused(text)
    assert (found.code, found.line, found.column) == (code, line, column)


def test_what_is_not_utf_8_is_refused() -> None:
    assert refused(b"a: \xff\xfe").code == "yaml-syntax"
    assert refused(b"a: \x01").code == "yaml-syntax"


def test_a_billion_laughs_are_refused_before_they_are_laughed() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert refused("\n".join(lines)).code == "yaml-too-large"


def test_merges_count_as_what_they_bring_in() -> None:
    base = "b: &b {" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}\n"
    many = base + "".join(f"m{i}: {{<<: *b}}\n" for i in range(50))
    assert refused_within(many, 20_000).code == "yaml-too-large"


def refused_within(text: str, limit: int) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        load(text.encode(), max_values=limit)
    return caught.value


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert refused(text).code in ("yaml-too-deep", "yaml-key", "yaml-syntax")


def test_a_hundred_levels_are_read() -> None:
    assert values("[" * 100 + "]" * 100) != []
    assert refused("[" * 101 + "]" * 101).code == "yaml-too-deep"


def test_a_file_of_nothing_but_markers_is_refused() -> None:
    with pytest.raises(UnreadableError) as caught:
        split(b"---\n" * (MAX_CHUNKS + 2))
    assert (caught.value.code, caught.value.line) == ("yaml-too-large", MAX_CHUNKS + 1)

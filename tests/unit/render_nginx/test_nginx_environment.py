"""Nothing gets into nginx.conf but through the filter of its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError, nodes
from unit.render_nginx.nginx_text import directives

from serin.render.nginx.environment import FILTERS, MAX_TOKEN, environment, quote, token_length
from serin.render.nginx.policies import chunks
from serin.render.nginx.values import File, Name, Pattern, Remark, Template, Text, Typed, UnsafeValueError, Variable

TEMPLATES = Path(__file__).parents[3] / "templates" / "nginx"
VALUES = (
    Text("x"),
    Pattern("x"),
    Name("x"),
    File("/x"),
    Variable("x"),
    Template(("x",)),
    Remark(("x",)),
    "x",
    1,
    1.5,
    None,
    True,
    b"x",
)
TAKES: dict[str, tuple[type, ...]] = {
    "string": (Text,),
    "verbatim": (Text,),
    "text": (Template,),
    "regex": (Pattern,),
    "path": (File,),
    "variable": (Variable,),
    "comment": (Name,),
    "remark": (Remark,),
    "number": (int,),
}


def written(source: str, **data: object) -> str:
    return environment().from_string(source).render(**data)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_without_a_filter_nothing_gets_in(value: object) -> None:
    with pytest.raises(UnsafeValueError):
        written("{{ x }}", x=value)


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_filter_takes_its_own_kind_alone(name: str, value: object) -> None:
    if type(value) in TAKES[name]:
        assert written(f"{{{{ x | {name} }}}}", x=value)
    else:
        with pytest.raises(UnsafeValueError):
            written(f"{{{{ x | {name} }}}}", x=value)


@pytest.mark.parametrize("value", [v for v in VALUES if isinstance(v, Typed)], ids=lambda value: type(value).__name__)
def test_a_value_does_not_become_text_by_accident(value: Typed) -> None:
    for attempt in (str, "{}".format, lambda v: f"{v}"):
        with pytest.raises(UnsafeValueError):
            attempt(value)
    with pytest.raises(UnsafeValueError):
        written("{{ x ~ x }}", x=value)


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(UnsafeValueError):
        written("{{ nothing | text }}")
    with pytest.raises(UndefinedError):
        written("{% if x.nothing %}{% endif %}", x=Text("a"))


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.j2")), ids=lambda file: file.name)
def test_templates_write_by_filters_and_macros_alone(file: Path) -> None:
    """No joining, no other filter: what is made of pieces is made before."""
    tree = environment().parse(file.read_text())
    macros = {node.name for node in tree.find_all(nodes.Macro)}
    macros |= {name for node in tree.find_all(nodes.FromImport) for name in node.names if isinstance(name, str)}
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            called = isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in macros
            filtered = isinstance(node, nodes.Filter) and node.name in FILTERS
            assert isinstance(node, nodes.TemplateData) or called or filtered, (file.name, node)
    assert not list(tree.find_all((nodes.Concat, nodes.Add)))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("size", 0, "0"),
        ("size", 1048576, "1m"),
        ("size", 4096, "4k"),
        ("size", 1000, "1000"),
        ("duration", 5.0, "5s"),
        ("duration", 0.25, "250ms"),
        ("duration", 0.0001, "1ms"),
        ("duration", 0.0, "0s"),
        ("token", "[::]:8443", "[::]:8443"),
        ("word", "http_503", "http_503"),
        ("string", Text("a$b\r\n"), '"a${serin_dollar}b"'),
        ("verbatim", Text('a$b"\\\n'), '"a$b\\"\\\\\\n"'),
        ("regex", Pattern("\\d$", "~*"), '"~*\\\\d$"'),
        ("text", Template(("$", Variable("host"), Variable("1"))), '"${serin_dollar}${host}$1"'),
        ("comment", Name("a\n}b;{"), "a__b__"),
    ],
)
def test_forms(name: str, value: object, text: str) -> None:
    assert written(f"{{{{ x | {name} }}}}", x=value) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "a b"),
        ("token", "a;b"),
        ("word", "error timeout"),
        ("word", ""),
        ("path", File("/a\nb")),
        ("path", File('/a"b')),
        ("path", File("/$x")),
        ("variable", Variable("a b")),
        ("text", Template((Variable("x}y"),))),
        ("size", -1),
        ("duration", -1.0),
        ("duration", float(2**40)),
        ("remark", Remark(("a\nb",))),
        ("verbatim", Text("x" * 5000)),
        ("string", Text("$" * 300)),
        ("text", Template(("x" * 5000,))),
    ],
)
def test_what_no_file_may_hold(name: str, value: object) -> None:
    with pytest.raises(UnsafeValueError):
        written(f"{{{{ x | {name} }}}}", x=value)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_quoted_text_is_one_argument(text: str) -> None:
    parsed = directives(f"name {quote(text)} last;")
    assert [len(d["args"]) for d in parsed] == [2]
    assert "\n" not in quote(text)


@given(st.text(st.characters(codec="utf-8"), max_size=9000))
def test_long_texts_are_cut_into_tokens(text: str) -> None:
    sets, rest = chunks("serin_text", Template((text, Variable("host"))))
    for value in (*(s.value for s in sets), rest):
        assert token_length(value) <= MAX_TOKEN
    parts = [part for s in sets for part in s.value.parts if part != Variable("serin_text")]
    assert "".join(part for part in parts if isinstance(part, str)) == (text if sets else "")

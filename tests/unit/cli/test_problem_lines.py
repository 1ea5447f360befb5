"""Problems as people and programs read them; the banner that counts them."""

import io
from pathlib import Path

from serin.cli.arguments import build_parser
from serin.cli.banner import banner
from serin.cli.problems import as_json, lines, summary
from serin.cli.terminal import Paint
from serin.problems import Problem, Severity
from serin.refs import Ref, Source

FOUND = Problem(Source(Ref("Ingress", "shop", "web"), "spec.rules[0].host"), "host-taken", Severity.ERROR, "no, x")
PLAIN = Paint(io.StringIO())


def test_a_line_has_severity_code_object_field_and_text() -> None:
    assert lines([FOUND], PLAIN) == ["error host-taken Ingress shop/web: spec.rules[0].host: no, x"]


def test_json_has_the_same_under_names() -> None:
    assert as_json(FOUND) == {
        "severity": "error",
        "code": "host-taken",
        "kind": "Ingress",
        "namespace": "shop",
        "name": "web",
        "field": "spec.rules[0].host",
        "text": "no, x",
    }


def test_summary_counts() -> None:
    assert summary([]) == "0 errors, 0 warnings"
    assert summary([FOUND]) == "1 error, 0 warnings"


def test_banner_says_where_it_listens_and_how_much_is_wrong() -> None:
    arguments = build_parser().parse_args(["serve", "a.yaml", "b", "--bind", "::1"])
    text = banner(arguments, Path("run"), {"http": 80, "https": 443, "healthz": 1}, [FOUND], PLAIN)
    assert "http://[::1]:80/" in text
    assert "https://[::1]:443/" in text
    assert "1 error, 0 warnings; `serin lint a.yaml b`" in text
    assert "problems" not in banner(arguments, Path("run"), {"http": 80, "https": 443, "healthz": 1}, [], PLAIN)

"""Objects in, plan and problems out, one folder a case: in.yaml is compiled and its text compared with plan.txt.

A document of in.yaml without `kind` is for the test: `options` are fields of the compiler's options, `certificates`
become Secrets (namespace, name, hosts).
"""

import pathlib
import re
from typing import Any

import pytest
import yaml
from golden.certificates import tls_secret
from golden.plan_text import plan_text

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.objects.parse import parse_objects
from serin.objects.store import Store

HERE = pathlib.Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/in.yaml"))


def check_pattern(text: str, ignore_case: bool) -> str | None:
    try:
        re.compile(text.replace(r"\z", r"\Z"), re.IGNORECASE if ignore_case else 0)
    except re.error:
        return "it is no regular expression"
    return None


def objects_of(path: pathlib.Path) -> tuple[Store, dict[str, Any]]:
    store = Store()
    options: dict[str, Any] = {}
    documents = list(yaml.safe_load_all(path.read_text()))
    for document in documents:
        if document and "kind" not in document:
            options.update(document.get("options", {}))
            documents += [tls_secret(c["namespace"], c["name"], *c["hosts"]) for c in document.get("certificates", [])]
    for order, document in enumerate(documents):
        for parsed in parse_objects(document, order=order, version=str(order)) if document else ():
            if parsed.view is not None:
                store.apply(parsed.view)
    return store, options


def compiled(path: pathlib.Path) -> Compiled:
    store, given = objects_of(path)
    names = ("configmap", "default_backend_service", "default_ssl_certificate")
    found: dict[str, Any] = {key: tuple(value.split("/")) if key in names else value for key, value in given.items()}
    return compile_snapshot(store.snapshot(), Options(**{"standalone": True} | found), check_pattern)


def test_there_are_cases() -> None:
    assert len(CASES) > 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(HERE)))
def test_golden(case: pathlib.Path, request: pytest.FixtureRequest) -> None:
    text = plan_text(compiled(case / "in.yaml"))
    expected = case / "plan.txt"
    if request.config.getoption("--update-golden", default=False):
        expected.write_text(text)
    assert text == expected.read_text()

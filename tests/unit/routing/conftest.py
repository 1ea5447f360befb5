"""Patterns for tests without the native engine: Python's `re` behind the same protocol, with a way to fail."""

import re

import pytest

from serin.errors import SerinError
from serin.routing.search import Spans


class PythonPattern:
    """As much of PCRE as the tests need. A subject that holds `boom` meets the bound on its work."""

    def __init__(self, text: str, *, ignore_case: bool = False, anchored: bool = False) -> None:
        try:
            text = text.replace(r"\z", r"\Z")  # the same to Python
            compiled = re.compile(text.encode(), re.IGNORECASE if ignore_case else 0)
        except re.error as e:
            raise SerinError(str(e)) from e
        self._run = compiled.match if anchored else compiled.search

    def search(self, subject: bytes, /) -> Spans | None:
        if b"boom" in subject:
            raise SerinError("too much work")
        found = self._run(subject)
        return None if found is None else tuple(found.span(i) for i in range(found.re.groups + 1))


@pytest.fixture(scope="session")
def patterns() -> type[PythonPattern]:
    return PythonPattern

"""`pytest tests/golden --update-golden` writes the expected texts anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write plan.txt anew instead of comparing with it")

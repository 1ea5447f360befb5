"""kopf keeps nothing on objects, ends at no error count, and says what it says in our log."""

import itertools
import logging
from typing import Any

import pytest

from serin.cluster.scope import Scope, watched_feeds
from serin.cluster.waits import Waits
from serin.cluster.watch.said import EVERY, Said
from serin.cluster.watch.settings import LONGEST_RETRY, namespaces_of, pipe_settings


def test_backoffs_never_end() -> None:
    backoffs = pipe_settings((), lambda: 1.0).networking.error_backoffs
    first = [*itertools.islice(iter(backoffs), 200)]  # type: ignore[arg-type]
    assert first[:4] == [0.25, 0.5, 1.0, 2.0]
    assert first[-1] == LONGEST_RETRY
    # Each request begins anew.
    assert next(iter(backoffs)) == 0.25  # type: ignore[arg-type]
    assert not hasattr(backoffs, "__len__")


def test_selectors_of_feeds() -> None:
    settings = pipe_settings(watched_feeds(Scope(selector="team=shop")), lambda: 0.5)
    watching: Any = settings.watching
    fields = {selector.any_name: text for selector, text in watching.field_selectors.items()}
    labels = {selector.any_name: text for selector, text in watching.label_selectors.items()}
    assert fields == {"secrets": "type=kubernetes.io/tls"}
    assert labels == {
        "endpoints": "endpoints.kubernetes.io/managed-by!=endpoint-controller",
        "namespaces": "team=shop",
    }


def test_namespaces() -> None:
    assert namespaces_of(watched_feeds(Scope())) == []
    assert namespaces_of(watched_feeds(Scope(selector="a=b"))) == []
    assert namespaces_of(watched_feeds(Scope(namespace="shop"))) == ["shop"]


def test_waits() -> None:
    waits = Waits(lambda: 1.0, first=1.0, longest=5.0)
    assert waits.fresh
    assert [waits.next() for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert not waits.fresh
    waits.reset()
    assert waits.next() == 1.0
    assert Waits(lambda: 0.0, first=1.0).next() == 0.5


def test_lines_of_a_kind_are_said_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    said = Said(lambda: now)

    def line(text: str) -> None:
        said.emit(logging.LogRecord("kopf.x", logging.ERROR, "", 0, text, None, None))

    for attempt in range(1, 50):
        line(f"Request attempt #{attempt} failed; will retry: GET /api/v1/services")
    line("Unprocessed streams left for [uid, uid, uid]")
    line("Something else")
    now = EVERY
    line("Request attempt #50 failed; will retry: GET /api/v1/services")
    fields = [record.serin_fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [each["text"].split("#")[0] for each in fields] == ["Request attempt ", "Something else", "Request attempt "]
    assert [each["unsaid"] for each in fields] == [0, 0, 48]

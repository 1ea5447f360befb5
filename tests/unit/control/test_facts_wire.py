"""What replicas tell each other: nothing is lost on the way, and nothing strange is taken for a count."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.control.facts.wire import Answer, AnswerError, decode, encode
from serin.rollout.facts import BOUNDS_US, ReplicaCounts, TrialCounts, VersionCounts

COUNTS = st.integers(0, 2**64 - 1)
IDS = st.text("0123456789abcdef", min_size=16, max_size=16)
STATUSES = st.dictionaries(st.integers(0, 599), COUNTS, max_size=4)
BUCKETS = st.one_of(st.just(()), st.lists(COUNTS, min_size=len(BOUNDS_US) + 1, max_size=len(BOUNDS_US) + 1).map(tuple))
VERSIONS = st.builds(VersionCounts, STATUSES, STATUSES, BUCKETS, BUCKETS, COUNTS)
USERS = st.frozensets(st.tuples(COUNTS, st.integers(0, 15), st.integers(0, 599)), max_size=5)
TRIALS = st.builds(TrialCounts, st.lists(VERSIONS, max_size=3).map(tuple), USERS, st.booleans())
ANSWERS = st.builds(
    Answer, st.builds(ReplicaCounts, IDS, st.dictionaries(IDS, TRIALS, max_size=2)), st.frozensets(IDS, max_size=3)
)


@settings(max_examples=50, deadline=None)
@given(ANSWERS)
def test_what_is_told_is_what_is_understood(answer: Answer) -> None:
    assert decode(encode(answer)) == answer


def test_only_what_was_asked_for_is_told() -> None:
    answer = Answer(ReplicaCounts("i", {"a": TrialCounts(), "b": TrialCounts()}), frozenset(("a", "c")))
    assert decode(encode(answer, ["a", "x"])) == Answer(ReplicaCounts("i", {"a": TrialCounts()}), frozenset("a"))


def told(**changes: Any) -> bytes:
    version: dict[str, Any] = {"drawn": {"200": 1}, "other": {}, "drawnUs": [], "otherUs": [], "users": 0}
    trial: dict[str, Any] = {"versions": [version], "badUsers": "", "full": False}
    whole: dict[str, Any] = {"format": 1, "instance": "i", "inForce": [], "trials": {"t": trial}}
    for part in (version, trial, whole):
        part.update({key: value for key, value in changes.items() if key in part})
    return json.dumps(whole).encode()


def test_the_form_that_is_broken_below_is_right() -> None:
    assert decode(told()).counts.trials["t"].versions[0].drawn == {200: 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format 2, expected 1"),
        ({"instance": 1}, "expected a name"),
        ({"instance": "x" * 65}, "expected a name"),
        ({"inForce": "t"}, "expected a list"),
        ({"trials": []}, "cannot be read"),
        ({"versions": {}}, "expected a list"),
        ({"versions": [1]}, "cannot be read"),
        ({"badUsers": "AAAA"}, "badUsers"),
        ({"badUsers": "?"}, "badUsers"),
        ({"drawn": {"2000": 1}}, "status 2000"),
        ({"drawn": {"-1": 1}}, "status -1"),
        ({"drawn": {"200": -1}}, "a count that is none"),
        ({"drawn": {"200": True}}, "a count that is none"),
        ({"drawn": {"200": 1.5}}, "a count that is none"),
        ({"drawnUs": [1, 2]}, "2 buckets, expected 97"),
        ({"users": 2**64}, "a count that is none"),
    ],
)
def test_what_is_wrong_is_no_count(change: dict[str, Any], said: str) -> None:
    with pytest.raises(AnswerError, match=said):
        decode(told(**change))


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"format":1}'])
def test_garbage_is_no_answer(body: bytes) -> None:
    with pytest.raises(AnswerError):
        decode(body)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200))
def test_broken_bytes_raise_nothing_else(noise: bytes, at: int) -> None:
    body = told()
    try:
        decode(body[:at] + noise + body[at:])
    except AnswerError:
        return

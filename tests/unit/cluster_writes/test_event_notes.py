"""On which objects a problem is told, and in which words."""

import pytest

from serin.cluster.events.body import COMPONENT, counted_on, event_name, new_event, read_event
from serin.cluster.events.notes import FAN_OUT, MESSAGE_BYTES, About, Note, cut, notes_of, reason_of
from serin.problems import Problem, Severity
from serin.refs import Ref, Source

SHOP, BLOG = Ref("Ingress", "web", "shop"), Ref("Ingress", "web", "blog")
SECRET, CLASS, POD = Ref("Secret", "web", "cert"), Ref("IngressClass", "", "nginx"), Ref("Pod", "infra", "serin-0")


def about(ref: Ref) -> About:
    return About(ref, f"uid-{ref.name}", "v1")


def problem(ref: Ref, field: str = "", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(Source(ref, field), "service-not-found", severity, "there is no Service")


def told(found: Problem, *there: Ref, concerned: tuple[Ref, ...] = (), own: Ref | None = None) -> list[tuple[Ref, str]]:
    pod = None if own is None else about(own)
    notes = notes_of(found, lambda ref: about(ref) if ref in there else None, lambda _: concerned, pod)
    return [(note.about.ref, note.message) for note in notes]


def test_of_an_ingress_on_the_ingress() -> None:
    assert told(problem(SHOP, "spec.rules[0]"), SHOP, concerned=(BLOG,), own=POD) == [
        (SHOP, "spec.rules[0]: there is no Service")
    ]


def test_of_an_ingress_that_is_gone_nowhere() -> None:
    assert told(problem(SHOP), own=POD) == []


def test_of_another_object_there_and_on_the_ingresses_that_name_it() -> None:
    assert told(problem(SECRET, "data"), SECRET, SHOP, BLOG, concerned=(BLOG, SHOP), own=POD) == [
        (SECRET, "data: there is no Service"),
        (BLOG, "Secret web/cert: data: there is no Service"),
        (SHOP, "Secret web/cert: data: there is no Service"),
    ]


def test_of_an_object_that_is_not_there_on_the_ingresses_alone() -> None:
    assert told(problem(SECRET), SHOP, concerned=(SHOP,), own=POD) == [(SHOP, "Secret web/cert: there is no Service")]


def test_of_an_object_that_is_not_there_and_that_no_ingress_names_on_our_own_pod() -> None:
    assert told(problem(SECRET), own=POD) == [(POD, "Secret web/cert: there is no Service")]
    assert told(problem(SECRET)) == []


def test_of_ourselves_on_our_own_pod() -> None:
    assert told(problem(POD), POD, concerned=(SHOP,), own=POD) == [(POD, "there is no Service")]


def test_of_a_class_not_on_all_its_thousands() -> None:
    many = tuple(Ref("Ingress", "web", f"i{n}") for n in range(1000))
    assert len(told(problem(CLASS), CLASS, *many, concerned=many)) == 1 + FAN_OUT


@pytest.mark.parametrize("severity", list(Severity))
def test_every_problem_is_a_warning(severity: Severity) -> None:
    (note,) = notes_of(problem(SHOP, severity=severity), about, lambda _: (), None)
    assert note.warning
    assert note.error is (severity is Severity.ERROR)
    assert note.reason == "ServiceNotFound"


def test_reasons_are_camel_case() -> None:
    assert reason_of("canary-weight-out-of-range") == "CanaryWeightOutOfRange"
    assert reason_of("canaryroute-overrides") == "CanaryRouteOverrides"


@pytest.mark.parametrize("text", ["x" * 3000, "é" * 1500, "x" + "漢" * 700])
def test_messages_are_cut_between_letters(text: str) -> None:
    shortened = cut(text)
    assert len(shortened.encode()) <= MESSAGE_BYTES
    assert shortened.endswith(" …")
    assert text.startswith(shortened.removesuffix(" …"))


def test_messages_that_fit_stay() -> None:
    assert cut("é" * 512) == "é" * 512


# --- the Event itself ---

NOTE = Note(about(SHOP), "ServiceNotFound", "there is no Service", True, True)


def test_an_event_names_its_object_and_who_tells_it() -> None:
    event = new_event(NOTE, 2, 0.0, 61.5, "serin-0")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Ingress",
        "namespace": "web",
        "name": "shop",
        "uid": "uid-shop",
    }
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "ServiceNotFound", 2)
    assert (event["firstTimestamp"], event["lastTimestamp"]) == ("1970-01-01T00:00:00Z", "1970-01-01T00:01:01Z")
    assert (event["source"], event["reportingInstance"]) == ({"component": COMPONENT}, "serin-0")
    assert event["metadata"]["namespace"] == "web"


def test_an_event_about_a_cluster_scoped_object_lies_in_default() -> None:
    event = new_event(Note(about(CLASS), "R", "m"), 1, 0.0, 0.0, "i")
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


def test_an_event_that_was_read_is_the_note_it_was_made_of() -> None:
    assert read_event(new_event(NOTE, 7, 0.0, 61.0, "i")) == (NOTE, event_name(NOTE), 7, 61.0)


@pytest.mark.parametrize(
    "change", [{"source": {"component": "kubelet"}}, {"lastTimestamp": None}, {"lastTimestamp": "soon"}]
)
def test_events_of_others_are_not_ours(change: dict[str, object]) -> None:
    assert read_event({**new_event(NOTE, 1, 0.0, 0.0, "i"), **change}) is None


def test_names_differ_with_anything_that_is_told_and_are_valid() -> None:
    others = [
        Note(about(BLOG), NOTE.reason, NOTE.message),
        Note(About(SHOP, "other", "v1"), NOTE.reason, NOTE.message),
        Note(about(SHOP), "Other", NOTE.message),
        Note(about(SHOP), NOTE.reason, "other"),
        Note(about(SHOP), NOTE.reason, NOTE.message, warning=False),
    ]
    assert len({event_name(note) for note in (NOTE, *others)}) == 6
    long = Note(about(Ref("Ingress", "web", "n" * 253)), "R", "m")
    assert len(event_name(long)) <= 253


def test_counting_on_is_a_patch_of_count_and_time() -> None:
    assert counted_on(3, 1.0) == {"count": 3, "lastTimestamp": "1970-01-01T00:00:01Z"}

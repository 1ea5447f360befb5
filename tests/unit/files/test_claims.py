"""Objects of one name in several files: the one read first is in force."""

from serin.files.claims import Claims
from serin.objects.views import ConfigMap, Meta, View
from serin.refs import Ref

A, B = Ref("ConfigMap", "default", "a"), Ref("ConfigMap", "default", "b")


def config(ref: Ref, text: str, version: str = "1") -> ConfigMap:
    return ConfigMap(Meta(ref, version=version), {"x": text})


def texts(views: list[View]) -> list[str]:
    return [view.data["x"] for view in views if isinstance(view, ConfigMap)]


def test_the_first_file_wins_and_the_second_takes_over() -> None:
    claims = Claims()
    assert texts(claims.put("one", [config(A, "one")]).applied) == ["one"]
    second = claims.put("two", [config(A, "two"), config(B, "two")])
    assert texts(second.applied) == ["two"]
    assert second.files == {"one", "two"}
    (problem,) = claims.duplicates("two")
    assert (problem.source.ref, problem.code) == (A, "duplicate-object")
    assert "in one and in two; the one in one" in problem.text
    assert claims.duplicates("one") == ()
    gone = claims.put("one", [])
    assert (texts(gone.applied), gone.deleted, gone.files) == (["two"], [], {"one", "two"})
    assert claims.duplicates("two") == ()
    assert claims.put("two", []).deleted == [A, B]


def test_a_change_of_the_loser_changes_nothing_in_force() -> None:
    claims = Claims()
    claims.put("one", [config(A, "one")])
    claims.put("two", [config(A, "two")])
    assert claims.put("two", [config(A, "other")]).applied == []
    assert texts(claims.put("one", [config(A, "new")]).applied) == ["new"]


def test_an_object_keeps_its_order_through_changes() -> None:
    claims = Claims()
    first = claims.put("one", [config(A, "1"), config(B, "1")]).applied
    again = claims.put("one", [config(B, "2"), config(A, "2")]).applied
    orders = {view.meta.ref: view.meta.order for view in first}
    assert orders[A] < orders[B]
    assert {view.meta.ref: view.meta.order for view in again} == orders


def test_what_is_alike_but_for_its_version_is_not_applied_again() -> None:
    claims = Claims()
    claims.put("one", [config(A, "1", version="1")])
    assert claims.put("one", [config(A, "1", version="2")]).applied == []

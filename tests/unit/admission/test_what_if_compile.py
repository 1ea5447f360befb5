"""A what-if snapshot compiled from the memo of its origin, against the same objects compiled from nothing."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.compile.manifests import check_pattern, codes, ingress, service, views
from unit.compile.test_incremental import OPTIONS, anew, edit

from serin.compile.compiler import Changes, Compiled, compile_snapshot
from serin.objects.store import Snapshot, Store
from serin.objects.views import View
from serin.refs import Ref

Edit = tuple[str, Any]


def edited(snapshot: Snapshot, there: dict[Ref, View], edits: list[Edit]) -> Snapshot:
    """The snapshot with all edits; `there` follows."""
    for what, thing in edits:
        if what == "put":
            for view in views([thing]):
                snapshot = snapshot.with_view(view)
                there[view.meta.ref] = view
        elif there:
            ref = sorted(there)[thing % len(there)]
            snapshot = snapshot.without(ref)
            del there[ref]
    return snapshot


def seen(compiled: Compiled) -> dict[str, Any]:
    """What a memo holds, as plain values."""
    slots: tuple[str, ...] = compiled.memo.__slots__
    found = {name: getattr(compiled.memo, name) for name in slots}
    return {name: dict(value) if hasattr(value, "keys") else value for name, value in found.items()}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(edit, max_size=10),
    st.lists(edit, min_size=1, max_size=3),
    st.lists(edit, max_size=2),
    st.randoms(use_true_random=False),
)
def test_the_memo_of_the_origin_never_changes_the_result(
    before: list[Edit], first: list[Edit], second: list[Edit], order: random.Random
) -> None:
    store = Store()
    there: dict[Ref, View] = {}
    compiled: Compiled | None = None
    for what, thing in before:
        if what == "put":
            for view in views([thing]):
                store.apply(view)
                there[view.meta.ref] = view
        elif there:
            ref = sorted(there)[thing % len(there)]
            store.delete(ref)
            del there[ref]
        compiled = compile_snapshot(store.snapshot(), OPTIONS, check_pattern, compiled)
    origin = store.snapshot()
    held = None if compiled is None else seen(compiled)

    what_if = edited(origin, there, first)
    got = compile_snapshot(what_if, OPTIONS, check_pattern, compiled)
    scratch = anew(list(there.values()), order)
    assert (got.plan, got.problems, got.ingresses, got.reads) == (
        *(scratch.plan, scratch.problems, scratch.ingresses, scratch.reads),
    )

    further = edited(what_if, there, second)
    got = compile_snapshot(further, OPTIONS, check_pattern, got)
    scratch = anew(list(there.values()), order)
    assert (got.plan, got.problems) == (scratch.plan, scratch.problems)
    assert "internal-error" not in codes(got)

    back = compile_snapshot(origin, OPTIONS, check_pattern, got)
    assert (back.plan, back.problems) == (compile_snapshot(origin, OPTIONS, check_pattern).plan, back.problems)
    assert compiled is None or seen(compiled) == held


def test_the_engine_goes_on_from_its_own_memo_as_if_nobody_had_asked() -> None:
    store = Store()
    for view in views([ingress("main"), service("v1")]):
        store.apply(view)
    compiled = compile_snapshot(store.snapshot(), OPTIONS, check_pattern)
    (asked,) = views([ingress("asked", host="asked.example.com")])
    what_if = compile_snapshot(store.snapshot().with_view(asked), OPTIONS, check_pattern, compiled)
    assert what_if.changes.hosts == {"asked.example.com"}
    again = compile_snapshot(store.snapshot(), OPTIONS, check_pattern, compiled)
    assert again == compiled
    assert again.changes == Changes()
    assert "asked.example.com" not in again.plan.hosts


def test_a_what_if_compiles_the_hosts_of_its_candidate_alone() -> None:
    store = Store()
    for view in views([ingress(f"i{n}", host=f"h{n}.example.com") for n in range(20)]):
        store.apply(view)
    compiled = compile_snapshot(store.snapshot(), OPTIONS, check_pattern)
    (asked,) = views([ingress("i7", ("/new", "Prefix", "v1"), host="h7.example.com")])
    what_if = compile_snapshot(store.snapshot().with_view(asked), OPTIONS, check_pattern, compiled)
    hosts = compiled.plan.hosts
    assert [name for name, host in what_if.plan.hosts.items() if hosts[name] is not host] == ["h7.example.com"]

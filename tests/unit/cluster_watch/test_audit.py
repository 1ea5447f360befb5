"""Ghosts, doubts and dead watches, by lists and times alone."""

from serin.cluster.audit import AGREED_AFTER, DEAD_AFTER, Auditor, Comparison, Difference, Verdict, is_rewound
from serin.cluster.inventory import Inventory
from serin.cluster.kinds import SERVICE
from serin.cluster.scope import Feed
from serin.refs import Ref

FEED = Feed(SERVICE)


def ref(number: int) -> Ref:
    return Ref("Service", "shop", f"s{number:03}")


def stocked(count: int) -> Inventory:
    inventory = Inventory()
    for number in range(count):
        inventory.put(FEED, ref(number), f"uid-{number}", str(number + 1))
    return inventory


def listed(numbers: range, *, later: int = 0) -> dict[Ref, tuple[str, str]]:
    return {ref(number): (f"uid-{number}", str(number + 1 + later)) for number in numbers}


def compared(inventory: Inventory, page: dict[Ref, tuple[str, str]]) -> Difference:
    began = inventory.sequence
    comparison = Comparison(inventory.entries("Service"))
    comparison.page(page)
    return comparison.difference(began)


def judged(auditor: Auditor, inventory: Inventory, page: dict[Ref, tuple[str, str]], now: float) -> Verdict:
    return auditor.judge(compared(inventory, page), inventory.entries("Service"), now)


def test_equal() -> None:
    inventory = stocked(3)
    assert compared(inventory, listed(range(3))) == Difference(frozenset(), {}, 3)
    assert judged(Auditor(), inventory, listed(range(3)), 0.0) == Verdict()


def test_ghosts_are_removed() -> None:
    inventory = stocked(3)
    assert judged(Auditor(), inventory, listed(range(2)), 0.0) == Verdict(remove=(ref(2),))


def test_told_after_the_list_began_is_no_ghost() -> None:
    inventory = stocked(2)
    began = inventory.sequence
    comparison = Comparison(inventory.entries("Service"))
    inventory.put(FEED, ref(0), "uid-0", "50")
    inventory.put(FEED, ref(7), "uid-7", "51")
    comparison.page({})
    assert comparison.difference(began).ghosts == {ref(1)}


def test_gone_meanwhile_is_no_ghost() -> None:
    inventory = stocked(2)
    comparison = Comparison(inventory.entries("Service"))
    inventory.delete(ref(1), "uid-1", "9")
    comparison.page(listed(range(1)))
    assert comparison.difference(inventory.sequence).ghosts == frozenset()


def test_told_while_pages_came_is_not_behind() -> None:
    inventory = stocked(1)
    comparison = Comparison(inventory.entries("Service"))
    comparison.page(listed(range(2), later=10))
    inventory.put(FEED, ref(1), "uid-1", "12")
    assert set(comparison.difference(inventory.sequence).behind) == {ref(0)}


def test_another_object_of_that_name_is_behind_not_a_ghost() -> None:
    inventory = stocked(1)
    difference = compared(inventory, {ref(0): ("uid-x", "9")})
    assert difference.ghosts == frozenset()
    assert set(difference.behind) == {ref(0)}


def test_half_a_kind_at_once_is_doubted() -> None:
    inventory, auditor = stocked(60), Auditor()
    page = listed(range(20))
    for now in (0.0, 10.0, 20.0):
        assert judged(auditor, inventory, page, now) == Verdict(doubted=40, again=True)
    assert judged(auditor, inventory, page, AGREED_AFTER).remove == tuple(ref(n) for n in range(20, 60))


def test_what_one_audit_in_between_has_seen_is_not_removed() -> None:
    inventory, auditor = stocked(60), Auditor()
    judged(auditor, inventory, listed(range(20)), 0.0)
    judged(auditor, inventory, listed(range(25)), 20.0)
    verdict = judged(auditor, inventory, listed(range(20)), 40.0)
    assert verdict.remove == tuple(ref(n) for n in range(25, 60))


def test_an_audit_that_sees_all_again_ends_the_doubt() -> None:
    inventory, auditor = stocked(60), Auditor()
    judged(auditor, inventory, {}, 0.0)
    judged(auditor, inventory, listed(range(60)), 20.0)
    assert judged(auditor, inventory, {}, 40.0).doubted == 60


def test_few_or_a_small_share_are_believed() -> None:
    assert len(judged(Auditor(), stocked(20), {}, 0.0).remove) == 20
    assert len(judged(Auditor(), stocked(100), listed(range(60)), 0.0).remove) == 40


def test_dead_watch() -> None:
    inventory, auditor = stocked(2), Auditor()
    first = judged(auditor, inventory, listed(range(3)), 0.0)
    assert (first.dead, first.again) == ((), True)
    assert judged(auditor, inventory, listed(range(3)), DEAD_AFTER - 1).dead == ()
    assert judged(auditor, inventory, listed(range(3)), DEAD_AFTER).dead == (ref(2),)


def test_object_that_changes_all_the_time_is_not_dead() -> None:
    """Each list is ahead of what was told, but never by the same change."""
    inventory, auditor = stocked(1), Auditor()
    for step in range(1, 10):
        assert judged(auditor, inventory, {ref(0): ("uid-0", str(step * 10))}, step * DEAD_AFTER).dead == ()
        inventory.put(FEED, ref(0), "uid-0", str(step * 10))


def test_rewound() -> None:
    inventory = stocked(3)
    entries = inventory.entries("Service").values()
    assert not is_rewound(entries, "3", inventory.sequence)
    assert is_rewound(entries, "2", inventory.sequence)
    assert not is_rewound(entries, "2", 2), "told after the list began"
    assert not is_rewound(entries, "v2", inventory.sequence)


def test_an_object_that_is_older_than_it_was_shows_a_rewound_history() -> None:
    """However far the API server's versions have come again meanwhile."""
    inventory = stocked(3)
    inventory.put(FEED, ref(1), "uid-1", "70")
    assert compared(inventory, listed(range(3))).rewound == {ref(1)}
    assert compared(inventory, {**listed(range(3)), ref(1): ("another", "60")}).rewound == {ref(1)}
    assert not compared(inventory, {**listed(range(3)), ref(1): ("uid-1", "70")}).rewound
    assert not compared(inventory, {**listed(range(3)), ref(1): ("another", "80")}).rewound


def test_an_object_that_was_told_of_while_the_list_was_made_is_no_sign_of_it() -> None:
    inventory = stocked(1)
    began = inventory.sequence
    comparison = Comparison(inventory.entries("Service"))
    inventory.put(FEED, ref(0), "uid-0", "9")
    comparison.page(listed(range(1)))
    assert not comparison.difference(began).rewound


def test_deleted_and_made_again_while_it_was_listed_is_no_ghost() -> None:
    """Secrets are compared by a copy, which knows the former one alone."""
    inventory = stocked(2)
    began = inventory.sequence
    comparison = Comparison(dict(inventory.entries("Service")))
    inventory.delete(ref(1), "uid-1", "8")
    comparison.page(listed(range(1)))
    inventory.put(FEED, ref(1), "another", "9")
    assert not comparison.difference(began, inventory.entries("Service")).ghosts


def test_read_while_it_was_listed_is_not_behind() -> None:
    inventory = stocked(1)
    comparison = Comparison(dict(inventory.entries("Service")))
    comparison.page(listed(range(2)))
    inventory.put(FEED, ref(1), "uid-1", "2")
    assert not comparison.difference(0, inventory.entries("Service")).behind


def test_after_history_began_anew_whatever_is_listed_counts() -> None:
    inventory = stocked(2)
    inventory.forget_versions([ref(1)])
    assert compared(inventory, listed(range(2))).behind == {ref(1): ("uid-1", "2")}

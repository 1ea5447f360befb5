"""Events that come late, twice, out of order, or about another object of the same name."""

from hypothesis import given
from hypothesis import strategies as st

from serin.cluster.inventory import Inventory, is_newer
from serin.cluster.kinds import INGRESS
from serin.cluster.scope import Feed
from serin.problems import Problem, Severity
from serin.refs import Ref, Source

FEED = Feed(INGRESS)
REF = Ref("Ingress", "shop", "web")


def known(inventory: Inventory) -> tuple[str, str] | None:
    entry = inventory.find(REF)
    return None if entry is None else (entry.uid, entry.version)


def test_put_is_news_once() -> None:
    inventory = Inventory()
    assert inventory.put(FEED, REF, "a", "5")
    assert not inventory.put(FEED, REF, "a", "5")
    assert inventory.put(FEED, REF, "a", "6")
    assert len(inventory) == 1
    assert inventory.kinds == ("Ingress",)


def test_older_version_is_passed_over() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "10")
    assert not inventory.put(FEED, REF, "a", "9")
    assert known(inventory) == ("a", "10")


def test_versions_that_are_no_numbers_last_word_counts() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "v10")
    assert inventory.put(FEED, REF, "a", "v9")
    assert known(inventory) == ("a", "v9")
    # A deletion without comparable versions is believed of the same object alone.
    assert not inventory.delete(REF, "b", "v11")
    assert inventory.delete(REF, "a", "v11")


def test_another_object_of_that_name() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "5")
    assert inventory.put(FEED, REF, "b", "8")
    # What is told of the first one comes late.
    assert not inventory.put(FEED, REF, "a", "6")
    assert not inventory.delete(REF, "a", "7")
    assert known(inventory) == ("b", "8")


def test_deletion_of_a_later_object_takes_the_older_with_it() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "5")
    assert inventory.delete(REF, "b", "9")
    assert known(inventory) is None


def test_deleted_object_is_not_brought_back_by_an_older_answer() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "5")
    inventory.delete(REF, "a", "7")
    assert not inventory.put(FEED, REF, "a", "6")
    assert inventory.put(FEED, REF, "b", "8")


def test_deletion_of_what_is_not_known_yet_counts_too() -> None:
    inventory = Inventory()
    assert not inventory.delete(REF, "a", "7")
    assert not inventory.put(FEED, REF, "a", "6")
    assert known(inventory) is None


def test_removed_by_the_audit_may_come_back_in_any_version() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "7")
    assert inventory.remove(REF)
    assert not inventory.remove(REF)
    assert inventory.put(FEED, REF, "a", "6")


def test_history_rewound() -> None:
    inventory = Inventory()
    inventory.put(FEED, REF, "a", "100")
    inventory.forget_versions([REF])
    assert inventory.put(FEED, REF, "a", "50")
    assert known(inventory) == ("a", "50")


def test_problems_and_addresses_go_with_their_object() -> None:
    inventory = Inventory()
    problem = Problem(Source(REF, "spec"), "wrong-type", Severity.ERROR, "expected a mapping")
    inventory.put(FEED, REF, "a", "5")
    inventory.describe(REF, (problem,), ((("ip", "192.0.2.1"),),))
    assert list(inventory.problems) == [problem]
    assert inventory.problems is inventory.problems
    assert inventory.addresses(REF) == ((("ip", "192.0.2.1"),),)
    inventory.delete(REF, "a", "6")
    assert not inventory.problems
    assert inventory.addresses(REF) == ()


def test_newer() -> None:
    assert is_newer("10", "9")
    assert not is_newer("9", "10")
    assert not is_newer("9", "9")
    assert not is_newer("", "1")
    assert not is_newer("x", "1")


@given(st.permutations(range(8)), st.data())
def test_any_order_ends_in_the_last_state(order: list[int], data: st.DataObject) -> None:
    """History: put and delete in turn, a new uid after each deletion. Told in any order, each perhaps twice."""
    inventory = Inventory()
    twice = data.draw(st.lists(st.sampled_from(range(8)), max_size=8))
    for step in [*order, *twice]:
        uid, version = f"uid-{step // 2}", str(step + 1)
        if step % 2:
            inventory.delete(REF, uid, version)
        else:
            inventory.put(FEED, REF, uid, version)
    assert known(inventory) is None
    inventory.put(FEED, REF, "uid-4", "9")
    assert known(inventory) == ("uid-4", "9")


def test_what_is_there_in_spite_of_a_later_end_comes_back() -> None:
    """That end is of a time that a backup has undone."""
    inventory = Inventory()
    inventory.delete(REF, "a", "90")
    assert not inventory.put(FEED, REF, "b", "4")
    inventory.exhume([REF])
    assert inventory.put(FEED, REF, "b", "4")

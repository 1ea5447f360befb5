"""When an Event is written, when it is counted on, and when not; minute by minute, no clock but what is passed in."""

from serin.cluster.events.ledger import (
    LIFE,
    PER_OBJECT_BURST,
    PER_OBJECT_EVERY,
    REMIND,
    REPEAT,
    RETRY,
    WAITING_PASSING,
    WAITING_SYNCS,
    Ledger,
    Told,
    Urgency,
    Write,
)
from serin.cluster.events.notes import About, Note, passing_note
from serin.refs import Ref


def about(name: str) -> About:
    return About(Ref("Ingress", "web", name), f"uid-{name}", "v1")


def note(name: str = "shop", reason: str = "Broken", *, error: bool = True) -> Note:
    return Note(about(name), reason, "text", True, error)


def sync(name: str = "shop") -> Note:
    return Note(about(name), "Sync", "Scheduled for sync", warning=False)


def tell(ledger: Ledger, now: float, limit: int = 1000) -> list[Write]:
    """Whatever is due is written."""
    writes, _ = ledger.due(now, limit)
    for write in writes:
        ledger.written(write, Told("name", write.count, now))
    return writes


def counts(ledger: Ledger, now: float) -> list[int]:
    return [write.count for write in tell(ledger, now)]


def test_a_problem_must_last_before_it_is_told() -> None:
    ledger = Ledger()
    ledger.observe([note()], 100.0)
    assert ledger.due(101.9, 10) == ([], 102.0)
    assert counts(ledger, 102.0) == [1]
    assert counts(ledger, 103.0) == []


def test_one_that_goes_away_before_is_never_told() -> None:
    ledger = Ledger()
    ledger.observe([note()], 100.0)
    ledger.observe([], 101.9)
    assert ledger.due(200.0, 10) == ([], None)


def test_being_seen_again_and_again_changes_nothing() -> None:
    ledger = Ledger()
    for second in range(60):
        ledger.observe([note()], 100.0 + second)
        tell(ledger, 100.0 + second)
    assert ledger.due(160.0, 10) == ([], 102.0 + REMIND)


def test_one_that_lasts_is_told_again_before_its_event_expires() -> None:
    assert 30 * 60 <= REMIND < LIFE
    ledger = Ledger()
    ledger.observe([note()], 0.0)
    tell(ledger, 2.0)
    found = [(minute, write.count, write.urgency) for minute in range(1, 121) for write in tell(ledger, minute * 60.0)]
    assert found == [(51, 2, Urgency.REMINDER), (101, 3, Urgency.REMINDER)]


def test_one_that_returns_counts_on_and_is_not_told_each_time() -> None:
    ledger = Ledger()
    written: list[int] = []
    for second in range(0, 600, 10):  # five seconds there, five seconds not
        ledger.observe([note()], float(second))
        written += counts(ledger, second + 3.0)
        ledger.observe([], second + 5.0)
    assert written == [1, 7, 13, 19, 25, 31, 37, 43, 49, 55]
    assert len(written) == 600 / REPEAT


def test_one_that_is_gone_is_not_reminded_of() -> None:
    ledger = Ledger()
    ledger.observe([note()], 0.0)
    tell(ledger, 2.0)
    ledger.observe([], 10.0)
    assert ledger.due(REMIND + 100, 10) == ([], None)


def test_an_object_that_was_made_anew_is_another_one() -> None:
    ledger = Ledger()
    ledger.observe([note()], 0.0)
    tell(ledger, 2.0)
    anew = Note(About(note().about.ref, "uid-2", "v1"), "Broken", "text")
    ledger.observe([anew], 10.0)
    assert [(w.note.about.uid, w.told) for w in tell(ledger, 12.0)] == [("uid-2", None)]


def test_errors_before_warnings_before_what_is_known_before_news() -> None:
    ledger = Ledger()
    ledger.observe([note("old"), note("back")], 0.0)
    tell(ledger, 2.0)
    ledger.observe([note("old")], 5.0)
    now = 2.0 + REMIND
    ledger.happened([sync()], now - 10)
    fresh = [note("warning", error=False), note("error")]
    ledger.observe([note("old"), note("back"), *fresh], now - 5)
    assert [write.note.about.ref.name for write in tell(ledger, now)] == ["error", "warning", "back", "old", "shop"]


def test_the_limit_leaves_the_rest_for_later() -> None:
    ledger = Ledger()
    ledger.observe([note(f"i{n}") for n in range(10)], 0.0)
    writes, next_at = ledger.due(2.0, 4)
    assert (len(writes), next_at) == (4, 2.0)
    assert ledger.waiting == 10


def test_one_object_gets_only_so_many() -> None:
    ledger = Ledger()
    ledger.observe([note(reason=f"R{n}") for n in range(100)] + [note("other")], 0.0)
    assert len(tell(ledger, 2.0)) == PER_OBJECT_BURST + 1
    assert len(tell(ledger, 2.0 + PER_OBJECT_EVERY * 3)) == 3


def test_what_could_not_be_written_uses_nothing_up() -> None:
    """An hour without an API server, and then all at once."""
    ledger = Ledger()
    ledger.observe([note(reason=f"R{n}") for n in range(10)], 0.0)
    for now in range(10, 3610, 10):
        assert len(ledger.due(float(now), 100)[0]) == 10
    assert len(tell(ledger, 3610.0)) == 10


def test_a_new_leader_goes_on_where_the_old_one_ended() -> None:
    ledger = Ledger()
    ledger.observe([note("known"), note("new")], 100.0)
    ledger.seed([(note("known"), Told("e", 5, 90.0)), (note("gone"), Told("f", 2, 50.0))])
    (first,) = tell(ledger, 103.0)
    assert (first.note, first.told) == (note("new"), None)
    # What it told and what returns is counted on, too.
    ledger.observe([note("known"), note("new"), note("gone")], 200.0)
    (second,) = tell(ledger, 203.0)
    assert (second.count, second.told) == (3, Told("f", 2, 50.0))
    (third,) = tell(ledger, 90.0 + REMIND)
    assert (third.note, third.count) == (note("known"), 6)


def test_what_we_know_better_than_the_server_stays() -> None:
    ledger = Ledger()
    ledger.observe([note()], 0.0)
    tell(ledger, 2.0)
    ledger.seed([(note(), Told("e", 1, 1.0))])
    assert ledger.due(100.0, 10) == ([], 2.0 + REMIND)


def test_an_event_that_expired_is_made_anew_and_counts_on() -> None:
    ledger = Ledger()
    ledger.observe([note()], 0.0)
    tell(ledger, 2.0)
    (write,), _ = ledger.due(2.0 + REMIND, 10)
    assert write.told is not None
    ledger.expired(write)
    (anew,) = tell(ledger, 2.0 + REMIND)
    assert (anew.told, anew.count, anew.first) == (None, 1, 0.0)


def test_failures_are_tried_again_later_and_later() -> None:
    ledger = Ledger()
    ledger.observe([note()], 0.0)
    now, waits = 2.0, []
    for _ in range(10):
        (write,), _ = ledger.due(now, 10)
        ledger.failed(write, now)
        again = ledger.due(now, 10)[1]
        assert again is not None
        waits.append(again - now)
        now = again
    assert waits[:3] == [RETRY, RETRY * 2, RETRY * 4]
    assert waits[-1] == 300.0


def test_what_happens_is_told_at_once_and_counted() -> None:
    ledger = Ledger()
    ledger.happened([sync()], 10.0)
    assert counts(ledger, 10.0) == [1]
    for second in range(11, 60):
        ledger.happened([sync()], float(second))
    assert counts(ledger, 60.0) == []
    assert counts(ledger, 10.0 + REPEAT) == [50]
    assert ledger.due(10.0 + REPEAT + REMIND, 10) == ([], None)


def test_too_much_that_happens_is_dropped() -> None:
    ledger = Ledger()
    ledger.happened([sync(f"i{n}") for n in range(5000)], 0.0)
    assert ledger.dropped == 5000 - WAITING_SYNCS
    assert len(tell(ledger, 0.0)) == WAITING_SYNCS
    ledger.happened([sync("late")], 1.0)
    assert len(tell(ledger, 1.0)) == 1


def test_nothing_is_remembered_for_ever() -> None:
    ledger = Ledger()
    ledger.observe([note("lasts"), note("goes")], 0.0)
    ledger.happened([sync()], 0.0)
    tell(ledger, 2.0)
    ledger.observe([note("lasts")], 10.0)
    ledger.prune(2.0 + LIFE - 1)
    assert len(ledger._entries) == 3
    ledger.prune(2.0 + LIFE)
    assert set(ledger._entries) == {note("lasts")}
    assert not ledger._objects
    assert counts(ledger, 3.0 + LIFE) == [2]


def test_a_replica_that_never_leads_remembers_only_what_is() -> None:
    ledger = Ledger()
    for second in range(0, 1000, 10):
        ledger.observe([note(f"i{second}")], float(second))
    assert len(ledger._entries) == 1


# --- what happened once ---


def happened(reason: str = "RolledBack", *, warning: bool = True) -> Note:
    return passing_note(about("shop"), reason, "text", warning=warning)


def test_what_happened_is_told_at_once_and_once_a_warning_too() -> None:
    ledger = Ledger()
    ledger.happened([happened(), happened("Promoted", warning=False)], 100.0)
    assert [write.note.reason for write in tell(ledger, 100.0)] == ["RolledBack", "Promoted"]
    for now in (100.0 + REPEAT, 100.0 + REMIND, 100.0 + LIFE):
        assert tell(ledger, now) == []
    ledger.prune(100.0 + LIFE)
    assert ledger.due(100.0 + LIFE, 10) == ([], None)


def test_when_it_happens_again_it_is_counted_on() -> None:
    ledger = Ledger()
    for now in (100.0, 100.0 + REPEAT):
        ledger.happened([happened()], now)
        tell(ledger, now)
    ledger.happened([happened()], 100.0 + 2 * REPEAT)
    assert counts(ledger, 100.0 + 2 * REPEAT) == [3]


def test_it_is_told_in_the_order_in_which_it_happened_and_before_what_may_wait() -> None:
    ledger = Ledger()
    ledger.happened([sync()], 99.0)
    for second, reason in enumerate(("StepStarted", "CheckFailed", "RolledBack")):
        ledger.happened([happened(reason, warning=reason != "StepStarted")], 100.0 + second)
    assert [write.note.reason for write in tell(ledger, 110.0)] == ["StepStarted", "CheckFailed", "RolledBack", "Sync"]


def test_what_a_former_leader_told_does_not_make_it_a_problem_that_lasts() -> None:
    ledger = Ledger()
    ledger.seed([(Note(about("shop"), "RolledBack", "text"), Told("name", 1, 0.0))])
    ledger.happened([happened()], 100.0)
    assert counts(ledger, 100.0) == [2]
    assert tell(ledger, 100.0 + REMIND) == []


def test_too_much_of_it_is_dropped_and_takes_no_sync_with_it() -> None:
    ledger = Ledger()
    ledger.happened([happened(f"Reason{n}") for n in range(WAITING_PASSING + 3)], 100.0)
    assert ledger.dropped == 3
    ledger.happened([sync()], 100.0)
    assert ledger.dropped == 3

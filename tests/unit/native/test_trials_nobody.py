"""Requests without a user's key where others have one (splitBy Header): each is a user of its own."""

from harness.shared_memory import Rig
from unit.native.test_trials import SALTS, counts, end, handle, make

from serin.routing.plan import Trial


def test_errors_of_requests_without_a_key_count_each_by_itself(rig: Rig) -> None:
    h = handle(rig, make(rig, (50, 50), salts=SALTS))
    for n in range(60):
        end(h, 503 if n % 3 else 200)
    found = counts(rig)
    for place, version in enumerate(found.versions):
        bad = version.drawn.get(503, 0)
        assert bad > 10
        assert sum(at == place for _, at, _ in found.bad_users) == bad
        assert abs(version.users - sum(version.drawn.values())) <= 1


def test_beside_users_who_count_once(rig: Rig) -> None:
    h = handle(rig, make(rig, (1, 0), salts=SALTS))
    for _ in range(5):
        end(h, 500, user=7 << 20)
        end(h, 500)
    found = counts(rig)
    assert (len(found.bad_users), found.versions[0].users) == (6, 6)


def test_requests_by_rules_and_answers_that_are_no_errors_are_nobodys(rig: Rig) -> None:
    h = handle(rig, make(rig, (50, 50), Trial("a" * 16), salts=SALTS))
    end(h, 500, forced=1)
    end(h, 404)
    assert counts(rig).bad_users == frozenset()

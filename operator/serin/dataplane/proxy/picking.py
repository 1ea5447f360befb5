"""Version and endpoint of a request: the rules' verdict and the hash key go in, the C routine's choice comes out.

A route gets the one picker that it needs, made once: routes without rules, keys and cookies pay for none of them. What
is decided here is only the order of the questions; the answers are routing's (rules) and native's (draw, balancing).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from serin.dataplane.proxy.exchange import Choice, Client, RequestHead
from serin.dataplane.proxy.headers import cookie_header
from serin.dataplane.proxy.variables import Evaluate
from serin.native.worker import KEYED, NO_ENDPOINT, VERSION_ONLY
from serin.routing.conditions import Subject
from serin.routing.decision import UNDECIDED, Reason, Verdict
from serin.routing.rules import CompiledMatches, CompiledRules

Hash = Callable[[bytes], int]

Users = Callable[[RequestHead, Client, bytes | None], tuple[int, bytes]]
"""Who a request's user is (serin.dataplane.proxy.users); the bytes are its Cookie headers, joined."""

Judge = Callable[[RequestHead, Client, bytes | None], Verdict]
"""What rules say of a request; the bytes are its Cookie headers, joined."""


class VersionChoice(Choice, Protocol):
    """A choice that says which version it is of, and who decided that (SRN_BY_*)."""

    version: int
    reason: int

    def follow(self) -> int:
        """Flags for the call that finds an endpoint for a choice of the version alone."""


class Split(Protocol):
    """A split as native gives it. The int is a negative SRN_* result."""

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0, user: int = 0) -> Any: ...


@dataclass(slots=True)
class Picked:
    """A choice and what it brings for the client: `answer` are header lines, `on_choice` as in Forward."""

    choice: VersionChoice
    reason: Reason
    answer: bytes = b""
    on_choice: Callable[[Choice], bytes] | None = None


class Picker(Protocol):
    """The int is a negative SRN_* result; NO_ENDPOINT is answered with 503."""

    def __call__(self, head: RequestHead, client: Client, path: bytes) -> Picked | int: ...


BY_SPLIT = (Reason.DEFAULT, Reason.DEFAULT, Reason.WEIGHT)
"""Reasons of the split itself by SRN_BY_*; a forced version's reason is its verdict's."""


def client_key(client: Client, hashed: Hash) -> int:
    """The hash of the client's address, kept with the connection."""
    key = client.key
    if key == 0:
        key = client.key = hashed(client.address.encode())
    return key


def decide(split: Split, verdict: Verdict, key: int, flags: int, user: int = 0) -> Any:
    """The choice for a verdict. A forced version without endpoints is as if absent: it is left out and asked again.

    So is one that is suspended. `user` chooses where the verdict does not; 0: it is drawn.
    """
    found = split.decide(verdict.forced, verdict.excluded, key, flags, user)
    if found == NO_ENDPOINT and verdict.forced >= 0:
        return split.decide(-1, verdict.excluded | 1 << verdict.forced, key, flags, user)
    return found


def reason_of(verdict: Verdict, choice: VersionChoice) -> Reason:
    """Who decided: the verdict where it did, else the split."""
    if verdict.reason is not None and verdict.forced in (-1, choice.version):
        return verdict.reason
    return BY_SPLIT[choice.reason]


def by_rules(rules: CompiledRules) -> Judge:
    """Of canary Ingresses."""
    if rules.empty:
        return lambda head, client, cookies: UNDECIDED
    judge = rules.judge
    return lambda head, client, cookies: judge(head.get, cookies)


def by_matches(matches: CompiledMatches) -> Judge:
    """Of a CanaryRoute."""
    judge = matches.judge
    return lambda head, client, cookies: judge(Subject(head.get, cookies, head.target, head.method, client.address))


class RulesAndKeys:
    """The picker of routes without cookie affinity. `keys` has a function for each version, None: the client's address.

    Where all versions have the same key one call decides both version and endpoint, else the version comes first.
    """

    __slots__ = ("_hash", "_keys", "_reads_cookie", "_same", "_split", "_users", "judge")

    def __init__(
        self,
        split: Split,
        rules: CompiledRules | CompiledMatches,
        keys: tuple[Evaluate | None, ...],
        hashed: Hash,
        users: Users | None = None,
        *,
        cookies: bool = False,
    ) -> None:
        """`cookies`: who users are depends on cookies, too."""
        self._split = split
        self._users = users
        self._reads_cookie = rules.reads_cookie or cookies
        self.judge: Judge = by_rules(rules) if isinstance(rules, CompiledRules) else by_matches(rules)
        self._keys = keys
        self._same = len(set(keys)) <= 1
        self._hash = hashed

    def __call__(self, head: RequestHead, client: Client, path: bytes) -> Picked | int:
        cookies = cookie_header(head) if self._reads_cookie else None
        verdict = self.judge(head, client, cookies)
        user, line = self.user(head, client, cookies)
        found = self.decide(verdict, head, client, path, user)
        return found if isinstance(found, int) else Picked(found, reason_of(verdict, found), line)

    def user(self, head: RequestHead, client: Client, cookies: bytes | None) -> tuple[int, bytes]:
        """The request's user, 0 for nobody, and the header line that makes one of a newcomer."""
        return (0, b"") if self._users is None else self._users(head, client, cookies)

    def decide(self, verdict: Verdict, head: RequestHead, client: Client, path: bytes, user: int = 0) -> Any:
        if self._same:
            return decide(self._split, verdict, self.key(0, head, client, path), KEYED, user)
        found = decide(self._split, verdict, 0, VERSION_ONLY, user)
        return found if isinstance(found, int) else self.endpoint_of(found, head, client, path, user)

    def endpoint_of(self, version: VersionChoice, head: RequestHead, client: Client, path: bytes, user: int = 0) -> Any:
        """An endpoint of a version that was chosen by VERSION_ONLY; it stays that choice, with its reason."""
        key = self.key(version.version, head, client, path)
        found = self._split.decide(version.version, 0, key, KEYED | version.follow(), user)
        if not isinstance(found, int):
            found.reason = version.reason
        return found

    def key(self, version: int, head: RequestHead, client: Client, path: bytes) -> int:
        evaluate = self._keys[version]
        return client_key(client, self._hash) if evaluate is None else self._hash(evaluate(head, client, path))

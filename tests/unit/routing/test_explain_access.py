"""What `explain` says to a client that address lists keep out."""

import pytest

from serin.refs import Ref, Source
from serin.routing.access import Access
from serin.routing.explain_access import kept_out
from serin.routing.plan import Policy

FIELD = Source(Ref("Ingress", "shop", "web"), "metadata.annotations[x]")


def told(client: str, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> str:
    note = kept_out(Policy(access=Access(allow, deny, source=FIELD)), client)
    assert note is None or note.source == FIELD
    return "" if note is None else note.text


@pytest.mark.parametrize(
    ("client", "lists", "text"),
    [
        (
            "192.0.2.7",
            {"allow": ("10.0.0.0/8", "::1/128")},
            "the client's address 192.0.2.7 is in none of 10.0.0.0/8, ::1/128",
        ),
        ("10.1.1.1", {"allow": ("10.0.0.0/8", "::1/128")}, ""),
        ("::ffff:10.1.1.1", {"allow": ("10.0.0.0/8",)}, ""),
        ("10.1.1.1", {"deny": ("10.1.0.0/16",)}, "the client's address 10.1.1.1 is in 10.1.0.0/16, which is kept out"),
        ("10.2.1.1", {"deny": ("10.1.0.0/16",)}, ""),
        (
            "10.1.1.1",
            {"allow": ("10.0.0.0/8",), "deny": ("10.1.1.1/32",)},
            "the client's address 10.1.1.1 is in 10.1.1.1/32, which is kept out",
        ),
        ("2001:db8::1", {"allow": ("10.0.0.0/8",)}, "the client's address 2001:db8::1 is in none of 10.0.0.0/8"),
        ("10.1.1.1", {}, ""),
    ],
)
def test_lists_by_the_clients_address(client: str, lists: dict[str, tuple[str, ...]], text: str) -> None:
    assert told(client, **lists) == text

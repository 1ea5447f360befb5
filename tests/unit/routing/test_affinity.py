"""Affinity cookies: read, written, and kept from browsers that misread SameSite=None."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.routing.affinity import make_value, read_value, set_cookie, takes_same_site_none
from serin.routing.plan import Affinity

IDENT = "0123456789abcdef"


@given(st.binary(min_size=1), st.integers(0, 2**64 - 1).map(lambda n: f"{n:016x}"))
def test_a_value_is_read_back(key: bytes, ident: str) -> None:
    assert read_value(make_value(key, ident)) == (key, ident)


@pytest.mark.parametrize("text", [b"rubbish", b"", b"k." + b"0" * 15, b"k." + b"G" * 16, b"." + b"0" * 16, b"1.2|3a"])
def test_another_text_is_a_key_alone(text: bytes) -> None:
    assert read_value(text) == (text, None)


def cookie(affinity: Affinity, *, tls: bool = False, agent: bytes | None = None) -> str:
    return set_cookie(affinity, b"v", tls=tls, user_agent=agent, now=0.0).decode()


@pytest.mark.parametrize(
    ("affinity", "tls", "text"),
    [
        (Affinity("INGRESSCOOKIE", "/"), False, "INGRESSCOOKIE=v; Path=/; HttpOnly"),
        (Affinity("INGRESSCOOKIE", "/"), True, "INGRESSCOOKIE=v; Path=/; Secure; HttpOnly"),
        (Affinity("route", "/app/sub"), False, "route=v; Path=/app/sub; HttpOnly"),
        (Affinity("c", "/", secure=True), False, "c=v; Path=/; Secure; HttpOnly"),
        (Affinity("c", "/", secure=False), True, "c=v; Path=/; HttpOnly"),
        (
            Affinity("c", "/", domain="d.example", expires=60, max_age=90, same_site="Lax"),
            False,
            "c=v; Expires=Thu, 01 Jan 1970 00:01:00 GMT; Max-Age=90; Domain=d.example; Path=/; HttpOnly; SameSite=Lax",
        ),
    ],
)
def test_set_cookie_text(affinity: Affinity, tls: bool, text: str) -> None:
    assert cookie(affinity, tls=tls) == text


OLD_CHROME = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36"
NEW_CHROME = OLD_CHROME.replace(b"Chrome/60", b"Chrome/120")
MAC = b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "takes"),
    [
        (None, True),
        (b"curl/8.0", True),
        (OLD_CHROME, False),
        (OLD_CHROME.replace(b"Chrome/60", b"Chrome/50"), True),
        (NEW_CHROME, True),
        (
            b"Mozilla/5.0 (iPhone; CPU iPhone OS 12_1 like Mac OS X) AppleWebKit/605.1.15 Version/12.0 Safari/604.1",
            False,
        ),
        (b"Mozilla/5.0 (iPad; CPU OS 12_1 like Mac OS X) AppleWebKit/605.1.15 Version/12.0 Safari/604.1", False),
        (
            b"Mozilla/5.0 (iPhone; CPU iPhone OS 13_1 like Mac OS X) AppleWebKit/605.1.15 Version/13.0 Safari/604.1",
            True,
        ),
        (MAC + b" Version/12.1.2 Safari/605.1.15", False),
        (MAC, False),
        (MAC + b" Chrome/120.0.0.0 Safari/537.36", True),
        (OLD_CHROME + b" UCBrowser/12.13.1", False),
        (OLD_CHROME + b" UCBrowser/12.13.2", True),
    ],
)
def test_browsers_that_misread_same_site_none(agent: bytes | None, takes: bool) -> None:
    assert takes_same_site_none(agent) is takes


def test_conditional_same_site_none() -> None:
    always = Affinity("c", "/", same_site="None")
    conditional = Affinity("c", "/", same_site="None", conditional_same_site_none=True)
    assert cookie(always, agent=OLD_CHROME).endswith("; SameSite=None")
    assert cookie(conditional, agent=NEW_CHROME).endswith("; SameSite=None")
    assert cookie(conditional, agent=OLD_CHROME) == "c=v; Path=/; HttpOnly"

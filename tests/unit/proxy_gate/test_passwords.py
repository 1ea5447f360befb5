"""htpasswd texts: every scheme, hostile costs, unreadable lines."""

import time

import pytest

from serin.dataplane.proxy.passwords import DECOY, read_users, verify

KNOWN = {
    "apr1": "$apr1$saltsalt$cFhJERcWi636wqNYRxSdw0",
    "md5": "$1$saltsalt$vCU5oiDUs4WzRvnmkKlxe0",
    "sha512": "$6$saltsalt$wnBW/Fs1Q/4oidLWaeKDpVFsthWgJPKLreDp8LEDheLYTLi1Zq5BQsHP/i5yIWyJhU77p28gJw7afGm29AYN3.",
}
"""`openssl passwd` of `wonder`."""


def make(scheme: str, password: str) -> str:
    """A hash of `password` made by an implementation that is not ours."""
    import bcrypt
    from passlib import hash as handlers

    if scheme == "bcrypt":
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    handler = getattr(handlers, scheme)
    return str((handler.using(rounds=1000) if scheme.startswith("sha") else handler).hash(password))


SCHEMES = ["apr_md5_crypt", "md5_crypt", "sha256_crypt", "sha512_crypt", "des_crypt", "ldap_sha1", "ldap_salted_sha1"]


@pytest.mark.parametrize("scheme", [*SCHEMES, "bcrypt"])
def test_every_scheme_takes_the_right_password_only(scheme: str) -> None:
    stored = make(scheme, "wonder")
    assert verify(stored, b"wonder")
    assert not verify(stored, b"Wonder")
    assert not verify(stored, b"")


def test_bcrypt_of_apache_and_php_is_the_same_scheme() -> None:
    stored = make("bcrypt", "wonder")
    assert verify("$2y$" + stored[4:], b"wonder")
    assert not verify("$2y$" + stored[4:], b"other")


def test_a_password_longer_than_bcrypt_reads_is_cut_as_crypt_does() -> None:
    stored = make("bcrypt", "p" * 72)
    assert verify(stored, b"p" * 72 + b"and more")


def test_plain_is_compared_as_text() -> None:
    assert verify("{PLAIN}se:cret".replace(":", ";"), b"se;cret")
    assert not verify("{PLAIN}secret", b"secre")


@pytest.mark.parametrize("stored", ["", "*", "!", "plaintext", "$2y$05$short", "{SHA}%%%", "{MD5}abc", "$7$x$y", DECOY])
def test_what_cannot_be_read_matches_nothing(stored: str) -> None:
    assert not verify(stored, b"plaintext")
    assert not verify(stored, stored.encode())


def test_a_hash_that_costs_too_much_is_refused_at_once() -> None:
    costly = "$6$rounds=900000000$c0Zr1eQs$" + "a" * 86
    before = time.perf_counter()
    assert not verify(costly, b"x")
    assert not verify("$2b$31$" + "a" * 53, b"x")
    assert time.perf_counter() - before < 0.5


def test_nul_in_a_password_matches_nothing_and_raises_nothing() -> None:
    for scheme in [*SCHEMES, "bcrypt"]:
        assert not verify(make(scheme, "wonder"), b"wonder\0x")


def test_the_first_line_of_a_user_counts_and_a_third_field_is_a_remark() -> None:
    text = b"# people\nalice:{PLAIN}a:first remark\nbob:{PLAIN}b\r\nalice:{PLAIN}late\nbroken\n:nobody\n\xff:{PLAIN}c\n"
    assert read_users(text) == {"alice": "{PLAIN}a", "bob": "{PLAIN}b", "\udcff": "{PLAIN}c"}


@pytest.mark.parametrize("stored", KNOWN.values(), ids=KNOWN.keys())
def test_hashes_made_by_openssl(stored: str) -> None:
    assert verify(stored, b"wonder")

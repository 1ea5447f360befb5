"""Which hosts may be asked: by name or by address, never back to this machine or to a cloud's metadata."""

import pytest

from serin.control.outside.allowed import FLAG, read_allowed

LISTED = read_allowed(["prom.monitoring.svc", "*.example.com", "10.1.0.0/16", "fd00:1::/64", "192.0.2.7"])
NONE = read_allowed([])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("prom.monitoring.svc", "10.9.9.9"),
        ("PROM.Monitoring.svc.", "10.9.9.9"),
        ("a.example.com", "203.0.113.1"),
        ("a.b.example.com", "203.0.113.1"),
        ("anything", "10.1.2.3"),
        ("anything", "::ffff:10.1.2.3"),
        ("anything", "fd00:1::9"),
        ("192.0.2.7", "192.0.2.7"),
    ],
)
def test_listed_ones_are_allowed(host: str, address: str) -> None:
    assert LISTED.refuses_name(host) == ""
    assert LISTED.refuses_address(host, address) == ""


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("prom.monitoring.svc.evil.test", "203.0.113.1"),
        ("example.com", "203.0.113.1"),
        ("notexample.com", "203.0.113.1"),
        ("anything", "10.2.0.1"),
        ("anything", "fd00:2::1"),
        ("192.0.2.8", "192.0.2.8"),
        ("a.example.com", "127.0.0.1"),
        ("a.example.com", "::1"),
        ("a.example.com", "169.254.169.254"),
        ("a.example.com", "fd00:ec2::254"),
        ("a.example.com", "fd00:ec2::254%1"),
        ("a.example.com", "0.0.0.0"),
        ("a.example.com", "::ffff:127.0.0.1"),
        ("a.example.com", "64:ff9b::7f00:1"),
        ("a.example.com", "fe80::1%eth0"),
        ("a.example.com", "not an address"),
    ],
)
def test_others_are_not(host: str, address: str) -> None:
    assert "may not be asked" in LISTED.refuses_address(host, address)


def test_names_are_refused_before_anybody_is_asked_for_their_addresses() -> None:
    assert FLAG in NONE.refuses_name("prom")
    assert FLAG in read_allowed(["prom"]).refuses_name("other")
    assert read_allowed(["prom"]).refuses_name("prom") == ""
    assert LISTED.refuses_name("other") == "", "its addresses may be in a network"


def test_a_loopback_network_on_the_list_opens_nothing() -> None:
    assert read_allowed(["127.0.0.0/8"]).refuses_address("x", "127.0.0.1")


def test_serve_takes_all_but_what_is_never_right() -> None:
    alone = read_allowed([], standalone=True)
    assert (alone.refuses_name("any"), alone.refuses_address("any", "127.0.0.1")) == ("", "")
    assert alone.refuses_address("any", "169.254.169.254")
    listed = read_allowed(["prom"], standalone=True)
    assert listed.refuses_name("any")
    assert listed.refuses_address("any", "127.0.0.1")


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "a b", "http://a", "a:80", "a/b", "1.2.3", "*.1.2.3.4", "x" * 254, "ä.de"]
)
def test_what_is_no_host_is_not_taken(entry: str) -> None:
    with pytest.raises(ValueError, match="expected host names"):
        read_allowed(["fine", entry])

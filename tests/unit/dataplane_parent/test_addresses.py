"""Addresses that users can name never lead to the machine itself, its link or its cloud's metadata."""

import pytest

from serin.routing.addresses import refusal

REFUSED = {
    "127.0.0.1": "a loopback address",
    "127.255.0.9": "a loopback address",
    "::1": "a loopback address",
    "::ffff:127.0.0.1": "a loopback address",
    "::127.0.0.1": "a loopback address",
    "64:ff9b::7f00:1": "a loopback address",
    "2002:7f00:1::1": "a loopback address",
    "169.254.1.1": "a link-local address",
    "fe80::1": "a link-local address",
    "::ffff:169.254.7.7": "a link-local address",
    "0.0.0.0": "an unspecified address",
    "0.1.2.3": "an unspecified address",
    "::": "an unspecified address",
    "224.0.0.1": "a multicast or broadcast address",
    "255.255.255.255": "a multicast or broadcast address",
    "ff02::1": "a multicast or broadcast address",
    "169.254.169.254": "a cloud metadata address",
    "::ffff:169.254.169.254": "a cloud metadata address",
    "64:ff9b::a9fe:a9fe": "a cloud metadata address",
    "fd00:ec2::254": "a cloud metadata address",
    "fd20:ce::254": "a cloud metadata address",
    "100.100.100.200": "a cloud metadata address",
    "192.0.0.192": "a cloud metadata address",
    "168.63.129.16": "a cloud metadata address",
    "not-an-address": "not an IP address",
    "127.1": "not an IP address",
}


@pytest.mark.parametrize(("address", "why"), REFUSED.items())
def test_refused(address: str, why: str) -> None:
    assert refusal(address, standalone=False) == why


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "198.51.100.7", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1"]
)
def test_allowed(address: str) -> None:
    assert refusal(address, standalone=False) == ""


@pytest.mark.parametrize("address", [a for a, why in REFUSED.items() if why == "a loopback address"])
def test_loopback_is_allowed_in_serve(address: str) -> None:
    assert refusal(address, standalone=True) == ""


@pytest.mark.parametrize("address", [a for a, why in REFUSED.items() if why != "a loopback address"])
def test_all_else_is_refused_in_serve_too(address: str) -> None:
    assert refusal(address, standalone=True) == REFUSED[address]

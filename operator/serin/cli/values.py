"""What flags may be set to. Each function takes a text; of a wrong one it says what was expected and what was found."""

import argparse
import ipaddress
import re

from serin.control.outside.allowed import Allowed, read_allowed

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
"""RFC 9110, 5.6.2."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
LONGEST = 86400.0
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_KEY = rf"(?:{_LABEL}(?:\.{_LABEL})*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_REQUIREMENT = (
    rf"(?:!?\s*{_KEY}|{_KEY}\s*(?:==?|!=)\s*{_VALUE}|{_KEY}\s+(?:not)?in\s*\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\))"
)
_SELECTOR = re.compile(rf"\s*{_REQUIREMENT}\s*(?:,\s*{_REQUIREMENT}\s*)*")


def port(text: str) -> int:
    return whole(text, 0, 65535, "a port from 0 to 65535")


def workers(text: str) -> int:
    return whole(text, 1, 256, "a number from 1 to 256")


def whole(text: str, lowest: int, highest: int, wanted: str) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise _expected(wanted, text)
    return int(text)


def boolean(text: str) -> bool:
    """As Go's strconv.ParseBool, which is what ingress-nginx's flags are read by."""
    if text not in (*_TRUE, *_FALSE):
        raise _expected("true or false", text)
    return text in _TRUE


def seconds(text: str) -> float:
    """A number of seconds or a duration as Go writes them (`30s`, `1m30s`), up to a day."""
    try:
        value = float(text) if re.fullmatch(r"[0-9.]+", text) else _duration(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST:
        raise _expected("seconds from 0 to 86400, or a duration like 30s or 1m30s up to 24h", text)
    return value


def some_seconds(text: str) -> float:
    """At least one second."""
    value = seconds(text)
    if value < 1:
        raise _expected("a duration of 1s or longer", text)
    return value


def _duration(text: str) -> float:
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        raise ValueError(text)
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def positive(text: str) -> float:
    """A number above 0."""
    value = _number(text)
    if value is None or value <= 0:
        raise _expected("a number above 0", text)
    return value


def rate(text: str) -> float:
    """A share of 1: `0.05` or `5%`."""
    value = _number(text.removesuffix("%"))
    share = None if value is None else value / 100 if text.endswith("%") else value
    if share is None or not 0 <= share <= 1:
        raise _expected("a share from 0 to 1, or from 0% to 100%", text)
    return share


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,12})?|\.\d{1,12}", text, re.ASCII) else None


def object_name(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise _expected("NAMESPACE/NAME", text)
    return namespace, name


def namespace(text: str) -> str:
    """Empty for all of them."""
    if text and not _DNS_LABEL.fullmatch(text):
        raise _expected("the name of one namespace, or nothing for all", text)
    return text


def label_selector(text: str) -> str:
    """Equality and set requirements, as `kubectl get -l` takes them; empty for none."""
    if text and not _SELECTOR.fullmatch(text):
        raise _expected("a label selector like team=shop or 'team in (shop,blog)'", text)
    return text


def name(text: str) -> str:
    """Of an object, or what goes into such a name."""
    if len(text) > 253 or not _DNS_NAME.fullmatch(text) or text != text.lower():
        raise _expected("lower-case letters, digits, '-' and '.', as names of objects are made of", text)
    return text


def word(text: str) -> str:
    if not text or not text.isprintable() or " " in text:
        raise _expected("a word", text)
    return text


def addresses(text: str) -> tuple[str, ...]:
    """IP addresses and host names, separated by commas."""
    found = tuple(part.strip() for part in text.split(","))
    for part in found:
        if not _is_address(part) and not _is_host_name(part):
            raise _expected("IP addresses or host names, separated by commas", text)
    return found


def check_hosts(text: str) -> Allowed:
    """Host names, `*.suffix` and CIDRs, separated by commas; none when empty."""
    try:
        return read_allowed(text.split(",") if text else ())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def listen_address(text: str) -> tuple[str, int]:
    """`:8443`, `127.0.0.1:8443` or `[::1]:8443`; without a host all addresses."""
    host, colon, number = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not number.isdecimal() or not 0 <= int(number) <= 65535:
        raise _expected("ADDRESS:PORT, like :8443", text)
    if bare and not _is_address(bare):
        raise _expected("ADDRESS:PORT with an IP address or none, like :8443", text)
    return bare, int(number)


def header(text: str) -> tuple[str, str]:
    name_, colon, value = text.partition(":")
    if not colon or _TOKEN.fullmatch(name_) is None:
        raise _expected("'Name: value'", text)
    return name_, value.strip()


def method(text: str) -> str:
    if _TOKEN.fullmatch(text) is None:
        raise _expected("a method like GET", text)
    return text


def address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise _expected("an IP address", text) from error


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_host_name(text: str) -> bool:
    """A last label of digits alone would be a mistyped address."""
    return len(text) <= 253 and bool(_DNS_NAME.fullmatch(text)) and not text.rpartition(".")[2].isdigit()


def _expected(wanted: str, found: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {wanted}, got {found!r}")

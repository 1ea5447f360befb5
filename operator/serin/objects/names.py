"""Names as Kubernetes and DNS allow them. Answers yes or no; problems are made where the field is known."""

import ipaddress
import re

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX = 253


def is_object_name(name: str) -> bool:
    """RFC 1123 subdomain, at most 253 characters."""
    return len(name) <= _MAX and _SUBDOMAIN.fullmatch(name) is not None


def is_namespace(name: str) -> bool:
    """RFC 1123 label, at most 63 characters."""
    return _NAMESPACE.fullmatch(name) is not None


def is_domain(name: str) -> bool:
    """A DNS name in lower case without trailing dot, labels of at most 63 characters."""
    return len(name) <= _MAX and _DOMAIN.fullmatch(name) is not None


def clean_host(text: str) -> str | None:
    """A rule's host in lower case without trailing dot; None when it is neither a domain nor `*.` and a domain.

    An IP address is not a host (as in the API server's validation).
    """
    host = text.lower().removesuffix(".")
    domain = host.removeprefix("*.")
    if not is_domain(domain) or (domain == host and is_address(host)):
        return None
    return host


def is_address(text: str) -> bool:
    return clean_address(text) is not None


def clean_address(text: str) -> str | None:
    """An IPv4 or IPv6 address in its canonical form; None for anything else, also for one with a zone (`%eth0`)."""
    if "%" in text:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None

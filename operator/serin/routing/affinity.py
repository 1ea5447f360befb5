"""What an affinity cookie says, and the Set-Cookie that gives one.

A value is `key.ident`: the key chooses the endpoint, the ident (16 hex digits) names the version of the split. A text
of another form is somebody else's or out of date: it decides no version, but as a key it still keeps its user on one
endpoint, and no new cookie is sent (as ingress-nginx does).
"""

import re
from datetime import UTC, datetime
from email.utils import format_datetime

from serin.routing.plan import Affinity

_VALUE = re.compile(rb"(.+)\.([0-9a-f]{16})", re.DOTALL).fullmatch

_CHROMIUM = re.compile(rb"Chrom(?:e|ium)/(\d+)").search
_UC_BROWSER = re.compile(rb"UCBrowser/(\d+)\.(\d+)\.(\d+)").search
_IOS_12 = re.compile(rb"\(iP[^)]*; CPU (?:iPhone )?OS 12[_ ]").search
_MACOS_10_14 = re.compile(rb"\(Macintosh;[^)]*Mac OS X 10_14[_)\d]").search


def make_value(key: bytes, ident: str) -> bytes:
    """The cookie's value for a key and a version's ident."""
    return key + b"." + ident.encode()


def read_value(text: bytes) -> tuple[bytes, str | None]:
    """Key and ident of a cookie's value; of any other text the whole is the key and there is no ident."""
    found = _VALUE(text)
    return (text, None) if found is None else (found[1], found[2].decode())


def set_cookie(affinity: Affinity, value: bytes, *, tls: bool, user_agent: bytes | None, now: float) -> bytes:
    """The value of a Set-Cookie header, attributes in ingress-nginx's order. `now` in seconds since the epoch.

    `Secure` when the request came over TLS, unless session-cookie-secure says otherwise. SameSite=None is left out for
    browsers that refuse it, when the user asked for that.
    """
    parts = [affinity.name.encode() + b"=" + value]
    if affinity.expires:
        parts.append(
            b"Expires=" + format_datetime(datetime.fromtimestamp(now + affinity.expires, UTC), usegmt=True).encode()
        )
    if affinity.max_age:
        parts.append(b"Max-Age=%d" % affinity.max_age)
    if affinity.domain:
        parts.append(b"Domain=" + affinity.domain.encode())
    parts.append(b"Path=" + affinity.path.encode())
    if tls if affinity.secure is None else affinity.secure:
        parts.append(b"Secure")
    parts.append(b"HttpOnly")
    left_out = (
        affinity.same_site == "None" and affinity.conditional_same_site_none and not takes_same_site_none(user_agent)
    )
    if affinity.same_site and not left_out:
        parts.append(b"SameSite=" + affinity.same_site.encode())
    return b"; ".join(parts)


def takes_same_site_none(user_agent: bytes | None) -> bool:
    """False for browsers known to drop or misread SameSite=None.

    The Chromium project's list: Chrome and Chromium 51 to 66, UC Browser before 12.13.2, every browser of iOS 12,
    Safari and embedded browsers of macOS 10.14.
    """
    if not user_agent:
        return True
    if _IOS_12(user_agent):
        return False
    chromium = _CHROMIUM(user_agent)
    if chromium is None and b"Safari/" not in user_agent and b"AppleWebKit/" not in user_agent:
        return True
    if chromium is None and _MACOS_10_14(user_agent):
        return False
    uc = _UC_BROWSER(user_agent)
    if uc is not None:
        return tuple(int(part) for part in uc.groups()) >= (12, 13, 2)
    return chromium is None or not 51 <= int(chromium[1]) <= 66

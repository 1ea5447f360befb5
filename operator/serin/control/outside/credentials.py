"""What a check's Secret says: a token, or a name and password, and whom to believe. Pure.

Who may write a CanaryRoute may not always read Secrets, so that only those are sent which are made for such a use.
"""

import base64
from dataclasses import dataclass, field

from serin.errors import SerinError
from serin.objects.views import Secret, View

TYPES = ("Opaque", "kubernetes.io/basic-auth")
LONGEST = 16384


class NoCredentialsError(SerinError):
    """The Secret cannot be used; says what was expected, nothing of what is in it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """`authorization`: value of the header. `authority`: PEM of ca.crt, None without it."""

    authorization: str = field(default="", repr=False)
    authority: str | None = None


def read_credentials(name: str, secret: View | None) -> Credentials:
    """NoCredentialsError."""
    if not isinstance(secret, Secret):
        raise NoCredentialsError(f"there is no Secret {name}, or it cannot be read")
    if (secret.type or "Opaque") not in TYPES:
        text = f"the Secret {name} is of type {secret.type}, which is not sent anywhere; expected {' or '.join(TYPES)}"
        raise NoCredentialsError(text)
    data, authority = secret.data, _text(name, secret, "ca.crt") if "ca.crt" in secret.data else None
    if "token" in data:
        return Credentials(f"Bearer {_word(name, secret, 'token')}", authority)
    if "username" in data and "password" in data:
        pair = f"{_word(name, secret, 'username')}:{_word(name, secret, 'password')}"
        return Credentials("Basic " + base64.b64encode(pair.encode()).decode(), authority)
    if authority is not None:
        return Credentials("", authority)
    raise NoCredentialsError(f"the Secret {name}: expected the key token, or username and password")


def _word(name: str, secret: Secret, key: str) -> str:
    """What can stand in a header: a line break at the end, as editors leave it, does not count."""
    text = _text(name, secret, key).rstrip("\r\n")
    if not text or not text.isprintable() or (key == "token" and not text.isascii()):
        raise NoCredentialsError(f"the Secret {name}: expected one line of text under the key {key}")
    return text


def _text(name: str, secret: Secret, key: str) -> str:
    try:
        text = secret.data[key].decode()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > LONGEST:
        raise NoCredentialsError(f"the Secret {name}: expected text under the key {key}")
    return text

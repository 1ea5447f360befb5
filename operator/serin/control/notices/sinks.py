"""The file of --canary-notifications: to whom which notices go. Pure.

- name: team-shop
  url: https://hooks.example.com/services/…
  format: slack                     # or cloudevents
  reasons: [RolledBack, Promoted]   # default: those that somebody should know of (USUAL)
  namespaces: [shop]                # default: all
  token: …                          # sent as Authorization: Bearer
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yarl import URL

from serin.errors import SerinError
from serin.objects.names import is_namespace

FORMATS = ("slack", "cloudevents")
REASONS = (
    *("RolloutStarted", "StepStarted", "StepCompleted", "AwaitingApproval", "Paused", "Resumed", "ActionAccepted"),
    *("Promoted", "Superseded", "CheckFailed", "NeedsData", "EndpointsMissing", "RolledBack", "Aborted", "TimedOut"),
    *("ActionIgnored", "Conflicted", "TargetNotFound", "ServiceNotFound"),
)
"""Those of the Events of a CanaryRoute."""
USUAL = frozenset(("RolloutStarted", "AwaitingApproval", "Paused", "Promoted", "RolledBack", "Aborted", "TimedOut"))
MOST = 32
"""Sinks in a file."""
LONGEST = 1 << 16
"""Bytes of the file."""
_FIELDS = frozenset(("name", "url", "format", "reasons", "namespaces", "token"))


class SinksError(SerinError):
    """The file cannot be used; says which entry and what was expected, nothing of URLs and tokens."""


@dataclass(frozen=True, slots=True)
class Sink:
    """`namespaces` empty: all. `url` and `token` are secrets."""

    name: str
    url: str = field(repr=False)
    format: str
    reasons: frozenset[str] = USUAL
    namespaces: frozenset[str] = frozenset()
    token: str = field(default="", repr=False)

    def wants(self, namespace: str, reason: str) -> bool:
        return reason in self.reasons and (not self.namespaces or namespace in self.namespaces)


def read_sinks(data: bytes) -> tuple[Sink, ...]:
    """SinksError: one entry that is wrong makes the whole file unusable, so that the mistake is seen."""
    if len(data) > LONGEST:
        raise SinksError(f"expected at most {LONGEST} bytes")
    try:
        found = yaml.load(data, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SinksError("expected YAML, a list of sinks") from error
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > MOST:
        raise SinksError(f"expected a list of at most {MOST} sinks")
    sinks = tuple(_sink(f"[{number}]", entry) for number, entry in enumerate(found))
    if len({sink.name for sink in sinks}) < len(sinks):
        raise SinksError("expected a name of its own for each sink")
    return sinks


def _sink(at: str, entry: Any) -> Sink:
    if not isinstance(entry, Mapping):
        raise SinksError(f"{at}: expected name, url and format")
    unknown = sorted(str(key)[:40] for key in entry.keys() - _FIELDS)
    if unknown:
        raise SinksError(f"{at}: there is no field {unknown[0]}; expected {', '.join(sorted(_FIELDS))}")
    name, format_, token = (_text(at, entry, key) for key in ("name", "format", "token"))
    if not is_namespace(name):
        raise SinksError(f"{at}.name: expected lower-case letters, digits and '-'")
    if format_ not in FORMATS:
        raise SinksError(f"{at}.format: expected {' or '.join(FORMATS)}")
    if not (token.isascii() and (not token or token.isprintable())):
        raise SinksError(f"{at}.token: expected one line of ASCII")
    reasons = _texts(at, entry, "reasons")
    wrong = sorted(reasons - set(REASONS))
    if wrong:
        raise SinksError(f"{at}.reasons: there is no reason {wrong[0][:40]!r}; expected some of {', '.join(REASONS)}")
    namespaces = _texts(at, entry, "namespaces")
    if not all(is_namespace(each) for each in namespaces):
        raise SinksError(f"{at}.namespaces: expected names of namespaces")
    return Sink(name, _url(at, _text(at, entry, "url")), format_, reasons or USUAL, namespaces, token)


def _text(at: str, entry: Mapping[Any, Any], key: str) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str):
        raise SinksError(f"{at}.{key}: expected text")
    return value.strip()


def _texts(at: str, entry: Mapping[Any, Any], key: str) -> frozenset[str]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SinksError(f"{at}.{key}: expected a list of texts")
    return frozenset(value)


def _url(at: str, text: str) -> str:
    try:
        url = URL(text)
        if url.scheme in ("http", "https") and url.host and url.user is None:
            return text
    except ValueError:
        pass
    raise SinksError(f"{at}.url: expected http:// or https:// with a host, without a user name")

"""Keys of the ConfigMap about who may come in: lists, blocks, limits' statuses, external authentication for all.

A key that would keep requests out and cannot be read must not let them in: of a list the good entries stay in force,
and a bad part of external authentication closes what it would guard.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from serin.compile.annotations import cache_times, external_auth, grammar
from serin.compile.annotations.grammar import BOOLEAN, Grammar
from serin.compile.annotations.networks import NETWORKS, NOBODY, usable
from serin.compile.settings_model import Key, Partly, Settings, own
from serin.compile.settings_tls import LOCATIONS

_STATUS = grammar.integer(400, 599, "a status from 400 to 599")


_UNREADABLE = object()
"""Stands for a part of external authentication that cannot be read, and closes what it would guard."""
_FATE = "routes that external authentication would guard answer 503"


def _deny(text: str) -> tuple[str, ...] | Partly:
    good, bad = usable(text)
    return Partly(good, bad) if bad else good


def _allow(text: str) -> tuple[str, ...] | Partly:
    """One of which nothing can be read lets nobody in."""
    good, bad = usable(text)
    if bad and not good:
        return Partly(NOBODY, bad, "nobody may come in")
    return Partly(good, bad) if bad else good


def _entries(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _lists(attribute: str) -> Callable[[Settings, Any], Settings]:
    key = {"allow": "whitelist-source-range", "deny": "denylist-source-range"}[attribute]

    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: value}
        lists = replace(settings.access.lists, source=settings.source(key), **changes)
        return replace(settings, access=replace(settings.access, lists=lists))

    return put


def _blocks(attribute: str) -> Callable[[Settings, Any], Settings]:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: value}
        return replace(settings, access=replace(settings.access, blocks=replace(settings.access.blocks, **changes)))

    return put


def _status(attribute: str) -> Callable[[Settings, Any], Settings]:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: value}
        return replace(settings, access=replace(settings.access, **changes))

    return put


def _auth(key: str, attribute: str, read: Grammar[Any], about: str, default: str = "", *, guards: bool = False) -> Key:
    """`guards`: without it the wrong ones could come in, so that a bad value closes."""

    def put(settings: Settings, value: Any) -> Settings:
        auth = settings.access.auth
        changes: dict[str, Any] = {attribute: value}
        if value is _UNREADABLE:
            changes = {"unreadable": auth.unreadable or key}
        return replace(settings, access=replace(settings.access, auth=replace(auth, **changes)))

    if guards:
        return Key(read, put, about=about, default=default, unreadable=_UNREADABLE, fate=_FATE)
    return Key(read, put, about=about, default=default)


KEYS: Mapping[str, Key] = {
    "whitelist-source-range": Key(
        Grammar(_allow, NETWORKS.expected),
        _lists("allow"),
        about="Only clients of these networks may come in, where no `allowlist-source-range` says otherwise. A list of "
        "which nothing can be read lets nobody in.",
        multiline=True,
    ),
    "denylist-source-range": Key(
        Grammar(_deny, NETWORKS.expected),
        _lists("deny"),
        about="Clients of these networks get 403, where no `denylist-source-range` says otherwise.",
        multiline=True,
    ),
    "block-cidrs": Key(
        Grammar(_deny, NETWORKS.expected),
        _blocks("cidrs"),
        about="Clients of these networks get 403 everywhere.",
        multiline=True,
    ),
    "block-user-agents": Key(
        Grammar(_entries, "texts separated by commas, those that begin with ~ as PCREs"),
        _blocks("user_agents"),
        about="Requests with one of these User-Agents get 403; `~` begins a PCRE, `~*` one without regard to case.",
    ),
    "block-referers": Key(
        Grammar(_entries, "texts separated by commas, those that begin with ~ as PCREs"),
        _blocks("referers"),
        about="Requests with one of these Referers get 403, written like `block-user-agents`.",
    ),
    "limit-req-status-code": Key(
        _STATUS, _status("limit_req_status"), about="Status beyond `limit-rps` and `limit-rpm`.", default="503"
    ),
    "limit-conn-status-code": Key(
        _STATUS, _status("limit_conn_status"), about="Status beyond `limit-connections`.", default="503"
    ),
    "no-auth-locations": own(
        "no_auth",
        LOCATIONS,
        "Paths of rules that need neither password nor external authentication.",
        "/.well-known/acme-challenge",
    ),
    "global-auth-url": _auth(
        "global-auth-url",
        "url",
        external_auth.URL,
        "`auth-url` of all Ingresses that have none and do not say `enable-global-auth: false`.",
        guards=True,
    ),
    "global-auth-method": _auth(
        "global-auth-method", "method", external_auth.METHOD, "As `auth-method`.", "GET", guards=True
    ),
    "global-auth-signin": _auth("global-auth-signin", "signin", external_auth.SIGNIN, "As `auth-signin`."),
    "global-auth-signin-redirect-param": _auth(
        "global-auth-signin-redirect-param", "signin_param", external_auth.PARAM, "As the annotation.", "rd"
    ),
    "global-auth-response-headers": _auth(
        "global-auth-response-headers",
        "response_headers",
        external_auth.HEADER_NAMES,
        "As `auth-response-headers`.",
        guards=True,
    ),
    "global-auth-request-redirect": _auth(
        "global-auth-request-redirect",
        "request_redirect",
        external_auth.TEXT_WITH_VARIABLES,
        "As `auth-request-redirect`.",
    ),
    "global-auth-always-set-cookie": _auth(
        "global-auth-always-set-cookie", "always_set_cookie", BOOLEAN, "As `auth-always-set-cookie`.", "false"
    ),
    "global-auth-cache-key": _auth(
        "global-auth-cache-key", "cache_key", external_auth.CACHE_KEY, "As `auth-cache-key`."
    ),
    "global-auth-cache-duration": _auth(
        "global-auth-cache-duration",
        "cache_times",
        cache_times.GRAMMAR,
        "As `auth-cache-duration`.",
        "200 202 401 5m",
        guards=True,
    ),
}

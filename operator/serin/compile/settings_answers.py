"""Keys of the ConfigMap about answers: headers, error pages, cookies, redirects, compression, speed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from serin.compile.annotations import grammar, rewriting
from serin.compile.annotations.errors import CODES_GRAMMAR
from serin.compile.annotations.grammar import BOOLEAN, Grammar
from serin.compile.annotations.headers import NAMES
from serin.compile.annotations.limits import KILOBYTE, KILOBYTES
from serin.compile.annotations.references import CONFIG_MAP
from serin.compile.options import Key as ObjectKey
from serin.compile.settings_model import Key, Settings, own, part
from serin.routing.answers import Bandwidth

TYPES = (
    *("application/atom+xml", "application/javascript", "application/x-javascript", "application/json"),
    *("application/rss+xml", "application/vnd.ms-fontobject", "application/x-font-ttf"),
    *("application/x-web-app-manifest+json", "application/xhtml+xml", "application/xml", "font/opentype"),
    *("image/svg+xml", "image/x-icon", "text/css", "text/javascript", "text/plain", "text/x-component"),
)
"""What ingress-nginx compresses unless it is told otherwise; text/html always."""
_TYPE = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+|\*")


def _types(text: str) -> tuple[str, ...] | None:
    found = tuple(dict.fromkeys(text.lower().split()))
    return found if found and all(_TYPE.fullmatch(word) for word in found) else None


def _config_map(text: str) -> ObjectKey | None:
    namespace, slash, name = (CONFIG_MAP.read(text) or "").rpartition("/")
    return (namespace, name) if slash and namespace else None


def _lower(text: str) -> tuple[str, ...] | None:
    names = NAMES.read(text)
    return None if names is None else tuple(name.lower() for name in names)


def _bandwidth(attribute: str) -> Callable[[Settings, Any], Settings]:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: value * KILOBYTE}
        return replace(settings, bandwidth=replace(settings.bandwidth or Bandwidth(0), **changes))

    return put


def _brotli(settings: Settings, value: Any) -> Settings:
    return replace(settings, compression=replace(settings.compression, gzip=True)) if value else settings


def _no_brotli(value: Any) -> str | None:
    return "there is no module for it; gzip is used instead" if value else None


def _intercept(settings: Settings, value: Any) -> Settings:
    return replace(settings, answers=replace(settings.answers, intercept=not value))


_REFERENCE = Grammar(_config_map, "NAMESPACE/NAME of a ConfigMap")

KEYS: Mapping[str, Key] = {
    "custom-http-errors": part(
        "answers",
        "error_codes",
        CODES_GRAMMAR,
        "Statuses that the default backend (`--default-backend-service`) answers.",
    ),
    "disable-proxy-intercept-errors": Key(BOOLEAN, _intercept, about="Default of the annotation.", default="false"),
    "proxy-set-headers": part(
        "answers", "to_endpoints", _REFERENCE, "Headers of requests, from a ConfigMap; values may hold `$variables`."
    ),
    "add-headers": part(
        "answers", "to_clients", _REFERENCE, "Headers of all answers, from a ConfigMap; values may hold `$variables`."
    ),
    "hide-headers": part("answers", "hidden", NAMES, "Headers of endpoints' answers that are not passed on."),
    "global-allowed-response-headers": part(
        "answers", "allowed", Grammar(_lower, NAMES.expected), "Headers that `custom-headers` may set."
    ),
    "proxy-add-original-uri-header": part("answers", "original_uri", BOOLEAN, "X-Original-URI for endpoints.", "false"),
    "server-tokens": own("server_tokens", BOOLEAN, "Answers name the server.", "false"),
    "proxy-cookie-domain": part("answers", "cookie_domain", rewriting.TWO_WORDS, "Default of the annotation.", "off"),
    "proxy-cookie-path": part("answers", "cookie_path", rewriting.TWO_WORDS, "Default of the annotation.", "off"),
    "proxy-redirect-from": part("answers", "redirect_from", rewriting.LOCATION, "Default of the annotation.", "off"),
    "proxy-redirect-to": part("answers", "redirect_to", rewriting.LOCATION, "Default of the annotation.", "off"),
    "relative-redirects": part("answers", "relative_redirects", BOOLEAN, "Default of the annotation.", "false"),
    "use-port-in-redirects": part("answers", "port_in_redirects", BOOLEAN, "Default of the annotation.", "false"),
    "limit-rate": Key(KILOBYTES, _bandwidth("rate"), about="Default of the annotation.", default="0"),
    "limit-rate-after": Key(KILOBYTES, _bandwidth("after"), about="Default of the annotation.", default="0"),
    "use-gzip": part("compression", "gzip", BOOLEAN, "Answers are compressed by gzip.", "false"),
    "gzip-level": part("compression", "level", grammar.integer(1, 9), "How much.", "1"),
    "gzip-min-length": part(
        "compression", "min_length", grammar.integer(0, 2**31 - 1), "Bytes below which they are not.", "256"
    ),
    "gzip-types": part(
        "compression", "types", Grammar(_types, "media types separated by blanks, or *"), "Beside text/html."
    ),
    "enable-brotli": Key(
        BOOLEAN, _brotli, about="There is no module for it: gzip is used.", default="false", note=_no_brotli
    ),
}

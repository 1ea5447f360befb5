"""Keys of the ConfigMap about endpoints: how they are spoken to, tried and chosen, where no annotation says so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from serin.compile.annotations import buffering, grammar
from serin.compile.annotations.backend import NEXT_UPSTREAM_WORDS
from serin.compile.annotations.grammar import BOOLEAN, DURATION, Grammar
from serin.compile.annotations.model import BOTH, NGINX
from serin.compile.settings_model import Key, Settings, own, part
from serin.routing.plan import Algorithm

_DEFAULT_OF = "Default of the annotation."


def _upstream(
    attribute: str, grammar_: Grammar[Any], convert: Callable[[Any], object], *, planes: frozenset[str] = BOTH
) -> Key:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: convert(value)}
        return replace(settings, upstream=replace(settings.upstream, **changes))

    return Key(grammar_, put, planes, _DEFAULT_OF)


def _buffering(attribute: str, grammar_: Grammar[Any]) -> Key:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: value}
        found = replace(settings.upstream.buffering, **changes)
        return replace(settings, upstream=replace(settings.upstream, buffering=found))

    return Key(grammar_, put, NGINX, _DEFAULT_OF)


KEYS: Mapping[str, Key] = {
    "proxy-body-size": own("max_body", grammar.SIZE, _DEFAULT_OF, "1m"),
    "load-balance": Key(
        grammar.one_of("round_robin", "ewma"),
        lambda settings, value: replace(settings, algorithm=Algorithm(value)),
        BOTH,
        _DEFAULT_OF,
        "round_robin",
    ),
    "service-upstream": own("service_upstream", BOOLEAN, _DEFAULT_OF, "false"),
    "proxy-connect-timeout": _upstream("connect_timeout", grammar.SECONDS, float),
    "proxy-read-timeout": _upstream("read_timeout", grammar.SECONDS, float),
    "proxy-send-timeout": _upstream("send_timeout", grammar.SECONDS, float),
    "proxy-next-upstream": _upstream("next_upstream", grammar.words(*NEXT_UPSTREAM_WORDS), tuple),
    "proxy-next-upstream-tries": _upstream("tries", grammar.integer(0, 1000), int),
    "proxy-next-upstream-timeout": _upstream("tries_timeout", grammar.integer(0, 2147483), float),
    "retry-non-idempotent": own(
        "retry_all", BOOLEAN, "Also requests like POST and PATCH are tried at another endpoint.", "false"
    ),
    "proxy-http-version": _upstream("http10", buffering.VERSION, "1.0".__eq__, planes=NGINX),
    "proxy-buffering": _buffering("answers", buffering.SWITCH),
    "proxy-request-buffering": _buffering("requests", buffering.SWITCH),
    "proxy-buffer-size": _buffering("size", buffering.BUFFER_SIZE),
    "proxy-buffers-number": _buffering("number", buffering.BUFFERS),
    "proxy-busy-buffers-size": _buffering("busy", buffering.BUSY_SIZE),
    "proxy-max-temp-file-size": _buffering("max_temp_file", buffering.TEMP_FILE),
    "client-body-buffer-size": _buffering("request_size", buffering.BODY_BUFFER),
    "upstream-keepalive-connections": part(
        "connections", "upstream_kept", grammar.integer(0, 65535), "Connections that are kept; 0: none.", "320"
    ),
    "upstream-keepalive-timeout": part(
        "connections", "upstream_timeout", grammar.integer(1, 86400), "Seconds that an idle one is kept.", "60"
    ),
    "upstream-keepalive-requests": part(
        "connections", "upstream_requests", grammar.integer(1, 2**31 - 1), "Requests over one.", "10000"
    ),
    "upstream-keepalive-time": part("connections", "upstream_time", DURATION, "How long one is used in all.", "1h"),
}

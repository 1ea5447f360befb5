"""Keys of the ConfigMap about logs. A format's variables are checked: nginx refuses everything for an unknown one."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import BOOLEAN, Grammar
from serin.compile.annotations.log_formats import log_format
from serin.compile.annotations.model import NGINX
from serin.compile.settings_model import Key, Settings, part

_PATH = grammar.pattern(r"/(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*", "an absolute path")
_URL = re.compile(r"[!-#%-+\--~]{1,1024}")


def _urls(text: str) -> tuple[str, ...] | None:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    return found if found and all(_URL.fullmatch(url) for url in found) else None


def _both_off(settings: Settings, value: Any) -> Settings:
    if not value:
        return settings
    return replace(settings, logs=replace(settings.logs, off=True, stream_off=True))


def _off(attribute: str) -> Key:
    def put(settings: Settings, value: Any) -> Settings:
        changes: dict[str, Any] = {attribute: True} if value else {}
        return replace(settings, logs=replace(settings.logs, **changes))

    return Key(BOOLEAN, put, default="false")


KEYS: Mapping[str, Key] = {
    "disable-access-log": Key(BOOLEAN, _both_off, about="No access log at all.", default="false"),
    "disable-http-access-log": replace(_off("off"), about="No access log of requests."),
    "disable-stream-access-log": replace(_off("stream_off"), about="No access log of TCP and UDP."),
    "access-log-path": part("logs", "path", _PATH, "File of the access log.", "standard output"),
    "http-access-log-path": part("logs", "path", _PATH, "The same; goes before it."),
    "log-format-upstream": part(
        "logs", "format", Grammar(log_format, "a log format with `$variables` that exist"), "The access log's lines."
    ),
    "log-format-escape-json": part("logs", "escape_json", BOOLEAN, "Values are written as in JSON.", "false"),
    "log-format-stream": part(
        "logs",
        "stream_format",
        Grammar(lambda text: log_format(text, of_stream=True), "a log format with `$variables` that exist"),
        "The access log's lines of TCP and UDP.",
    ),
    "stream-access-log-path": part(
        "logs", "stream_path", _PATH, "File of the access log of TCP and UDP.", "where requests are logged"
    ),
    "error-log-level": part(
        "logs",
        "error_level",
        grammar.one_of("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"),
        "What nginx tells of its work.",
        "notice",
        planes=NGINX,
    ),
    "skip-access-log-urls": part(
        "logs", "skip", Grammar(_urls, "paths separated by commas"), "Paths that are not logged."
    ),
}

"""The process log: one line for each event, text on a terminal, JSON elsewhere.

Events have names that stay, so that alerts can be made of them; what differs from time to time is in the fields.
Requests are not logged here, that is the access log.
"""

import datetime as dt
import json
import logging
import sys
from typing import Any, TextIO

LISTENING = "listening"
WAITING_FOR_PLAN = "waiting-for-plan"
READY = "ready"
NOT_READY = "not-ready"
PLAN_PUBLISHED = "plan-published"
WEIGHTS_CHANGED = "weights-changed"
PLAN_TAKEN = "plan-taken"
NO_INOTIFY = "no-inotify"
COMPILE_FAILED = "compile-failed"
CONTROL_FAILED = "control-failed"
DATA_PLANE_DIED = "data-plane-died"
DATA_PLANE_ADOPTED = "data-plane-adopted"
BLOCK_REFUSED = "block-refused"
HOST_REFUSED = "host-refused"
PROBLEM = "problem"
PROBLEM_GONE = "problem-gone"
PLAN_REFUSED = "plan-refused"
PLAN_DOUBTED = "plan-doubted"
DOCUMENT_REFUSED = "document-refused"
HOST_FAILED = "host-failed"
WORKER_STARTED = "worker-started"
WORKER_READY = "worker-ready"
WORKER_DIED = "worker-died"
WORKER_ENDED = "worker-ended"
WORKER_KILLED = "worker-killed"
WORKER_SAID = "worker-said"
WORKER_FAILED = "worker-failed"
CONNECTIONS_REFUSED = "connections-refused"
CONNECTIONS_CUT = "connections-cut"
STREAM_REFUSED = "stream-refused"
RESTARTING = "restarting"
LEAVING = "leaving"
DRAINING = "draining"
STOPPED = "stopped"
NGINX_FOUND = "nginx-found"
NGINX_OLD = "nginx-old"
NGINX_STOCK = "nginx-stock"
NGINX_CLOSED = "nginx-closed"
NGINX_LOG_PATH = "nginx-log-path"
NGINX_STARTED = "nginx-started"
NGINX_SERVES = "nginx-serves"
NGINX_ADOPTED = "nginx-adopted"
NGINX_DIED = "nginx-died"
NGINX_ENDED = "nginx-ended"
NGINX_KILLED = "nginx-killed"
NGINX_SAID = "nginx-said"
NGINX_RELOADED = "nginx-reloaded"
NGINX_REFUSED = "nginx-refused"
NGINX_ORPHANS = "nginx-orphans"
CONFIGURATION_FAILED = "configuration-failed"
CONFIGURATION_OF_BEFORE = "configuration-of-before"
LOOKING_FAILED = "looking-failed"
PORTS_KEPT = "ports-kept"
RESOLVER_FAILED = "resolver-failed"
NAME_RESOLVED = "name-resolved"
NAME_FAILED = "name-failed"
ADDRESS_REFUSED = "address-refused"
RUN_DIRECTORY_FAILED = "run-directory-failed"
ACCESS_LOG_FAILED = "access-log-failed"
REVIEW_DENIED = "review-denied"
WEBHOOK_FAILED = "webhook-failed"
WEBHOOK_CERTIFICATE_TAKEN = "webhook-certificate-taken"
WEBHOOK_CERTIFICATE_REFUSED = "webhook-certificate-refused"
WEBHOOK_CERTIFICATE_MISSING = "webhook-certificate-missing"
COMMAND_STARTED = "command-started"
COMMAND_ENDED = "command-ended"
COMMAND_FAILED = "command-failed"
COMMAND_HUNG = "command-hung"
FLAG_UNUSED = "flag-unused"
CLUSTER_WAITING = "cluster-waiting"
CLUSTER_SYNCED = "cluster-synced"
OBJECT_UNREADABLE = "object-unreadable"
CONTROLLER_ENDING = "controller-ending"
CONNECTION_KEPT = "connection-kept"
ACCESS_MISSING = "access-missing"
LEADING = "leading"
NOT_LEADING = "not-leading"
LEASE_FAILED = "lease-failed"
STATUS_FAILED = "status-failed"
STATUS_CLEARED = "status-cleared"
EVENT_FAILED = "event-failed"
WATCH_STARTED = "watch-started"
WATCH_ENDED = "watch-ended"
WATCH_SAID = "watch-said"
WATCH_FAILED = "watch-failed"
WATCH_DEAD = "watch-dead"
KIND_ABSENT = "kind-absent"
NAMESPACES_CHANGED = "namespaces-changed"
GHOSTS_REMOVED = "ghosts-removed"
GHOSTS_REFUSED = "ghosts-refused"
HISTORY_REWOUND = "history-rewound"
AUDIT_FAILED = "audit-failed"
CERTIFICATE_REFUSED = "certificate-refused"
OBJECT_QUARANTINED = "object-quarantined"
OBJECT_RELEASED = "object-released"
QUARANTINE_UNREADABLE = "quarantine-unreadable"
ROLLOUT = "rollout"
ROLLOUT_FAILED = "rollout-failed"
ACTION_UNREADABLE = "action-unreadable"
FACTS_TRUST_TAKEN = "facts-trust-taken"
FACTS_TRUST_REFUSED = "facts-trust-refused"
FACTS_FAILED = "facts-failed"
FACTS_MISSING = "facts-missing"
NOTICES_REFUSED = "notices-refused"
NOTICE_LEFT = "notice-left"

_FIELDS = "serin_fields"


def event(logger: logging.Logger, name: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event. `name` is one of this module's constants; fields are JSON values or anything with a text."""
    logger.log(level, name, extra={_FIELDS: fields})


class TextFormatter(logging.Formatter):
    """`12:00:00.000 WARNING worker-died index=0 status=-9`; values with blanks are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        when = dt.datetime.fromtimestamp(record.created).astimezone()
        clock = when.strftime("%H:%M:%S.") + f"{when.microsecond // 1000:03d}"
        parts = [clock, f"{record.levelname:<7}", _one_line(record.getMessage())]
        parts += [f"{key}={_text(value)}" for key, value in _fields(record).items()]
        if record.exc_info:
            parts.append("\n" + self.formatException(record.exc_info))
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """One JSON object: `time` (RFC 3339, UTC), `level`, `event`, `logger`, the fields, and `exception` if any."""

    def format(self, record: logging.LogRecord) -> str:
        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error): once, at the start of a command.

    `level` is debug, info, warning or error.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter() if target.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, _FIELDS, {})
    return fields


def _text(value: object) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(' "=') & set(text) else json.dumps(text)


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")

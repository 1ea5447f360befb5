"""A kubeconfig's current context as a Connection.

Several files are merged as kubectl does it: the first that names a cluster, user, context or the current context wins,
and a relative path is relative to its file. Data in the file goes before a path.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serin.cluster.server import EXEC_API, Connection, ExecPlugin
from serin.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Entry:
    """One cluster, user or context, and the file that has it."""

    value: dict[str, Any]
    file: Path
    label: str

    def text(self, key: str) -> str:
        value = self.value.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise UsageError(f"{self.file}: {self.label}: {key} must be a text")
        return value

    def path(self, key: str) -> Path | None:
        text = self.text(key)
        return self.file.parent / text if text else None

    def pem(self, key: str) -> str:
        """`key`-data (base64), else the file that `key` names."""
        data = self.text(f"{key}-data")
        if data:
            try:
                return base64.b64decode(data, validate=False).decode()
            except ValueError as error:
                raise UsageError(f"{self.file}: {self.label}: {key}-data is not PEM in base64") from error
        path = self.path(key)
        return read_text(path, f"{self.file}: {self.label}: {key}") if path else ""


def read_kubeconfig(paths: Sequence[Path], context: str = "") -> Connection:
    """`context`: in place of the current one. UsageError when a file cannot be read, or none leads to a server."""
    files = [(path, _load(path)) for path in paths]
    names = " and ".join(str(path) for path in paths)
    current = context or next((str(name) for _, config in files if (name := config.get("current-context"))), "")
    if not current:
        raise UsageError(f"{names} has no current-context; choose one with `kubectl config use-context`")
    found = _find(files, "context", current)
    if found is None:
        why = "which --context asks for" if context else "which its current-context names"
        raise UsageError(f"{names} has no context {current!r}, {why}")
    cluster = _find(files, "cluster", found.text("cluster"))
    if cluster is None or not cluster.text("server"):
        raise UsageError(f"{names} has no cluster {found.text('cluster')!r} with a server, as context {current!r} asks")
    user = _find(files, "user", found.text("user"))
    if user is None and found.text("user"):
        raise UsageError(f"{names} has no user {found.text('user')!r}, which context {current!r} names")
    return _connection(cluster, user or _Entry({}, paths[0], "no user"), found.text("namespace"))


def _connection(cluster: _Entry, user: _Entry, namespace: str) -> Connection:
    if user.value.get("auth-provider"):
        raise UsageError(
            f"{user.file}: {user.label}: auth-provider is not supported, as in kubectl since 1.26; use an exec plugin"
        )
    token_file = user.path("tokenFile")
    return Connection(
        server=cluster.text("server").rstrip("/"),
        ca=cluster.pem("certificate-authority"),
        insecure=cluster.value.get("insecure-skip-tls-verify") is True,
        server_name=cluster.text("tls-server-name"),
        proxy=cluster.text("proxy-url"),
        certificate=user.pem("client-certificate"),
        key=user.pem("client-key"),
        token=user.text("token"),
        token_file=str(token_file) if token_file else "",
        username=user.text("username"),
        password=user.text("password"),
        plugin=_plugin(user),
        namespace=namespace,
    )


def _plugin(user: _Entry) -> ExecPlugin | None:
    value = user.value.get("exec")
    if value is None:
        return None
    if not isinstance(value, dict) or not value.get("command"):
        raise UsageError(f"{user.file}: {user.label}: exec needs a command")
    command = str(value["command"])
    if "/" in command:
        command = str(user.file.parent.absolute() / command)
    env = [item for item in value.get("env") or () if isinstance(item, dict) and item.get("name")]
    return ExecPlugin(
        command=command,
        args=tuple(str(argument) for argument in value.get("args") or ()),
        env=tuple((str(item["name"]), str(item.get("value") or "")) for item in env),
        api_version=str(value.get("apiVersion") or EXEC_API),
    )


def _load(path: Path) -> dict[str, Any]:
    text = read_text(path, "kubeconfig")
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML{_where(error)}") from None
    if not isinstance(config, dict):
        raise UsageError(f"{path} is not a kubeconfig: a mapping with clusters, users and contexts was expected")
    return config


def _where(error: yaml.YAMLError) -> str:
    """Not the error's own text: it quotes the line, which may be a token or key."""
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return place + (f": {what}" if what else "")


def _find(files: Sequence[tuple[Path, dict[str, Any]]], what: str, name: str) -> _Entry | None:
    for path, config in files:
        entries = config.get(f"{what}s") or []
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("name") == name:
                value = entry.get(what)
                return _Entry(value if isinstance(value, dict) else {}, path, f"{what} {name!r}")
    return None


def read_text(path: Path, what: str) -> str:
    """A file's text; UsageError names `what` refers to it."""
    try:
        return path.read_text()
    except OSError as error:
        raise UsageError(f"{what}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what}: {path} is not text; PEM or YAML was expected") from error

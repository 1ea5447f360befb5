"""The Deployments and DaemonSets among objects, and the arguments of ingress-nginx's controller in one.

Of these objects nothing else is looked at: no other command reads them.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from serin.errors import UsageError
from serin.files.manifest import load_json
from serin.files.yamltext import UnreadableError, load
from serin.objects.parse import flatten

Workload = Mapping[str, Any]
_KINDS = ("Deployment", "DaemonSet")
_SUFFIXES = (".yaml", ".yml", ".json")
_CONTROLLER = re.compile(r"ingress-nginx/controller|nginx-ingress-controller")


def of_files(paths: Sequence[Path]) -> tuple[Workload, ...]:
    """Files that cannot be read are told of elsewhere."""
    return tuple(found for path in _manifests(paths) for found in _of_file(path))


def arguments_of(workloads: Sequence[Workload]) -> tuple[str, tuple[str, ...]] | None:
    """The first one that runs ingress-nginx's controller, by name, and that container's arguments."""
    for workload in workloads:
        metadata = _mapping(workload, "metadata")
        namespace = str(metadata.get("namespace") or "default")
        for container in _containers(workload):
            words = [str(word) for key in ("command", "args") for word in _list(container, key)]
            if not _CONTROLLER.search(" ".join([str(container.get("image", "")), *words])):
                continue
            filled = [word.replace("$(POD_NAMESPACE)", namespace) for word in words]
            shown = f"{workload.get('kind', 'Deployment')} {namespace}/{metadata.get('name', '')}"
            return shown, flags_among(filled)
    return None


def read_flags(path: Path) -> tuple[str, ...]:
    """Of a file with flags by lines or blanks, also as a YAML list (`- --flag=value`). UsageError."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--args {path}: expected a text file with flags: {error}") from error
    words: list[str] = []
    for line in text.splitlines():
        try:
            words += shlex.split(line.strip().removeprefix("- ").rstrip("\\"), comments=True)
        except ValueError as error:
            raise UsageError(f"--args {path}: {line.strip()}: {error}") from error
    return flags_among(words)


def flags_among(words: Sequence[str]) -> tuple[str, ...]:
    """Flags with their values; a value that stands apart is joined to its flag by `=`. The program's name goes."""
    found: list[str] = []
    for word in words:
        if word.startswith("-") and word != "-":
            found.append(word)
        elif found and "=" not in found[-1]:
            found[-1] += f"={word}"
    return tuple(found)


def _manifests(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, names, files in os.walk(path):
            names[:] = sorted(name for name in names if not name.startswith("."))
            yield from (Path(folder, f) for f in sorted(files) if f.endswith(_SUFFIXES) and not f.startswith("."))


def _of_file(path: Path) -> Iterator[Workload]:
    try:
        data = path.read_bytes()
        if not any(kind.encode() in data for kind in _KINDS):
            return
        documents = [load_json(data)] if path.suffix == ".json" else [found.value for found in load(data)[0]]
    except (OSError, UnreadableError):
        return
    for document in documents:
        for raw in flatten(document):
            if isinstance(raw, Mapping) and raw.get("kind") in _KINDS:
                yield raw


def _containers(workload: Workload) -> Iterator[Mapping[str, Any]]:
    pod = _mapping(_mapping(_mapping(workload, "spec"), "template"), "spec")
    yield from (container for container in _list(pod, "containers") if isinstance(container, Mapping))


def _mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(raw: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = raw.get(key)
    return value if isinstance(value, list | tuple) else ()

"""What an image archive holds, whoever made it: `docker save`, buildah or localkube/image.py.

Layers are laid over one another as a container sees them, by names alone: nothing is unpacked.
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from localkube.errors import LocalKubeError

_DELETED, _HIDDEN = ".wh.", ".wh..wh..opq"
# What is kept of files: lists of packages, and the texts of their licences.
_READ = ("var/lib/dpkg/status", "etc/os-release", "usr/lib/os-release", "etc/passwd", "etc/group")
_READ_ENDS = (".dist-info/METADATA", "/copyright")


@dataclass(frozen=True, slots=True)
class Layer:
    """`size` in bytes, uncompressed; `made_by` as the image's history tells it."""

    digest: str
    size: int
    made_by: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A path of the image: what tar says of it; `rights` is its file capability, in hex."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    target: str = ""
    rights: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """Paths have no leading slash. `texts` has the few files whose contents count."""

    names: Sequence[str]
    config: Mapping[str, Any]
    layers: Sequence[Layer]
    entries: Mapping[str, Entry] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def read(archive: Path) -> Contents:
    """LocalKubeError when it is no archive of an image."""
    try:
        with tarfile.open(archive) as outer:
            [manifest, *_] = json.load(_member(outer, "manifest.json"))
            config = json.load(_member(outer, manifest["Config"]))
            entries: dict[str, Entry] = {}
            texts: dict[str, str] = {}
            layers = []
            told = [each for each in config.get("history", []) if not each.get("empty_layer")]
            for index, name in enumerate(manifest["Layers"]):
                with tarfile.open(fileobj=_member(outer, name), mode="r:*") as layer:
                    _lay(layer, entries, texts)
                made_by = told[index].get("created_by", "") if index < len(told) else ""
                layers.append(Layer(*_measured(_member(outer, name)), made_by))
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise LocalKubeError(f"{archive} is no archive of an image: {error}") from error
    return Contents(manifest.get("RepoTags") or (), config, layers, entries, texts)


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(archive.getmember(name))
    if found is None:
        raise KeyError(name)
    return found


def _measured(data: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := data.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size


def _lay(layer: tarfile.TarFile, entries: dict[str, Entry], texts: dict[str, str]) -> None:
    for member in layer:
        path = member.name.removeprefix("./").strip("/")
        folder, _, name = path.rpartition("/")
        if name == _HIDDEN:
            _drop(f"{folder}/", entries, texts)
        elif name.startswith(_DELETED):
            gone = f"{folder}/{name.removeprefix(_DELETED)}".lstrip("/")
            _drop(f"{gone}/", entries, texts)
            entries.pop(gone, None)
            texts.pop(gone, None)
        elif path and path != ".":
            entries[path] = _entry(member)
            if member.isfile() and (path in _READ or path.endswith(_READ_ENDS)):
                data = layer.extractfile(member)
                texts[path] = "" if data is None else data.read().decode(errors="replace")


def _entry(member: tarfile.TarInfo) -> Entry:
    kind = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "file"}.get(member.type, "file")
    rights = member.pax_headers.get("SCHILY.xattr.security.capability", "")
    told = rights.encode("utf-8", "surrogateescape").hex()
    return Entry(kind, member.mode, (member.uid, member.gid), member.size, member.linkname, told)


def _drop(prefix: str, entries: dict[str, Entry], texts: dict[str, str]) -> None:
    for kept in (entries, texts):
        for path in [each for each in kept if each.startswith(prefix)]:
            del kept[path]

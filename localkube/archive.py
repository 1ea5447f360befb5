"""Container images as files: the archive that `docker save` writes and `ctr images import` reads.

Layers are tar files as they are. The same layers and settings give the same bytes.
"""

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 20
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NEVER = "1970-01-01T00:00:00Z"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """`name` with registry and tag, as pods name it: nothing is added to it on the way."""

    name: str
    layers: Sequence[Path]
    entrypoint: Sequence[str]
    user: str = ""
    environment: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    made_by: Sequence[str] = ()
    """What each layer is, for `docker history` and the like; as many as layers, or none."""


def write_layer(path: Path, files: Mapping[str, Path]) -> Path:
    """A layer from files and folders: path in the image → source. All belong to root, times are zero."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as layer:
        made: set[str] = set()
        for target, source in sorted(files.items()):
            name = target.strip("/")
            for parent in reversed(Path(name).parents):
                if str(parent) not in made | {"."}:
                    made.add(str(parent))
                    folder = tarfile.TarInfo(str(parent))
                    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                    layer.addfile(folder)
            layer.add(source, name, filter=_plain)
    return path


def write_image(path: Path, image: Image) -> Path:
    """Written beside and renamed: a name that exists is a whole archive."""
    digests = [_digest(layer) for layer in image.layers]
    config = {
        "architecture": _MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "User": image.user,
            "Env": [*([] if _has_path(image) else [_PATH]), *image.environment],
            "WorkingDir": "/",
            "Labels": dict(image.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": _NEVER, "created_by": told} for told in image.made_by],
    }
    told = json.dumps(config, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(told).hexdigest()}.json"
    members = [f"{digest}/layer.tar" for digest in digests]
    manifest = [{"Config": config_name, "RepoTags": [image.name], "Layers": members}]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with tarfile.open(fresh, "w") as archive:
        _add(archive, config_name, told)
        for member, layer in zip(members, image.layers, strict=True):
            archive.add(layer, member, filter=_plain)
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    return fresh.replace(path)


def _has_path(image: Image) -> bool:
    return any(each.startswith("PATH=") for each in image.environment)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as layer:
        while chunk := layer.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

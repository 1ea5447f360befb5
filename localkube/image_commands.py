"""`python -m localkube image` and `sbom`: the image with its layers told, and the bill of materials of any archive."""

import argparse
import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from localkube import contents, image, sbom
from localkube.build import Say
from localkube.contents import Contents

_MIB = 1 << 20
_LONGEST = 70


def add(command: Callable[..., argparse.ArgumentParser], say: Say) -> None:
    """To the commands of `python -m localkube`."""
    asked = command(
        "image", lambda options: _image(options, say), "make Serin's image of this tree, without Docker (root)"
    )
    asked.add_argument("out", type=Path, nargs="?", metavar="OUT.tar", help="where to (default: it stays in the cache)")
    text = "write the bill of materials of an image beside it: what `docker save` or `image` wrote"
    asked = command("sbom", _sbom, text)
    asked.add_argument("archive", type=Path, metavar="ARCHIVE.tar")


def lines(held: Contents) -> Iterator[str]:
    """A table of the layers, sizes as they are on a node."""
    for layer in held.layers:
        yield f"{layer.size / _MIB:7.1f} MiB  {' '.join(layer.made_by.split())[:_LONGEST]}"
    total = sum(layer.size for layer in held.layers)
    packages, distributions = len(sbom.debian_packages(held)), len(sbom.distributions(held))
    yield f"{total / _MIB:7.1f} MiB  in all: {packages} Debian packages, {distributions} Python distributions"


def _image(options: argparse.Namespace, say: Say) -> None:
    """A docker-archive, for `docker load`, `podman load` or `ctr images import`."""
    archive = image.build(say)
    if options.out is not None:
        shutil.copyfile(archive, options.out)
        archive = options.out
    _tell(archive)


def _sbom(options: argparse.Namespace) -> None:
    _tell(options.archive)


def _tell(archive: Path) -> None:
    held = contents.read(archive)
    beside = archive.with_suffix(".cdx.json")
    fresh = beside.with_name(f"{beside.name}.{os.getpid()}")
    fresh.write_text(sbom.make(held, _now()))
    fresh.replace(beside)
    print(*held.names)
    print(*lines(held), sep="\n")
    print(archive)
    print(beside)


def _now() -> dt.datetime:
    """Or $SOURCE_DATE_EPOCH, for who compares two builds."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    return dt.datetime.fromtimestamp(int(told), dt.UTC) if told else dt.datetime.now(dt.UTC)

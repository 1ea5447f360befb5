"""image/Dockerfile built for real, by buildah, and held against the image that is built without Docker.

The base image is made here of Debian's packages as Debian's own is. What this machine needs to reach mirrors is lent to
the build and is no part of it. Minutes long: `make soak`.
"""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from localkube import contents, debian, image, packages, sbom
from localkube.archive import Image, write_image
from localkube.contents import Contents, Entry

# Docker and buildah put these there while they build; Python may compile its own library at another moment.
OF_THE_ENGINE = {"etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/pip.conf", "etc/authorities.pem"}


def obstacle() -> str:
    """Why the Dockerfile cannot be built here; empty when it can."""
    if "SOAK_SECONDS" not in os.environ:
        return "it takes minutes, which make soak has"
    if shutil.which("buildah") is None:
        return "buildah is not installed, and Docker is not asked"
    if told := packages.obstacles() or packages.missing_packages():
        return " ".join(told)
    return debian.obstacle()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With a store of its own in it: nobody's images are used, and none is left."""
    if told := obstacle():
        pytest.skip(f"the Dockerfile cannot be built here: {told}")
    made = tmp_path_factory.mktemp("buildah")
    yield made
    buildah(made, "rm", "--all")
    buildah(made, "rmi", "--all", "--force")
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def by_dockerfile(folder: Path) -> Contents:
    """The archive that `docker save` would write."""
    name = f"docker.io/library/debian:{debian.release_name()}-slim"
    base = write_image(folder / "base.tar", Image(name, [debian_slim(folder)], [], made_by=["Debian"]))
    buildah(folder, "pull", f"docker-archive:{base}")
    options = ["--pull-never", "--layers", "--format", "docker", "--isolation", "chroot", "--network", "host"]
    where = ["--build-arg", f"DEBIAN={name}", "--file", str(image.DOCKERFILE), "--tag", image.NAME, str(image.ROOT)]
    buildah(folder, "bud", *options, *lent(folder), *where)
    archive = folder / "image.tar"
    buildah(folder, "push", image.NAME, f"docker-archive:{archive}:{image.NAME}")
    return contents.read(archive)


@pytest.fixture(scope="module")
def without_docker(folder: Path) -> Contents:
    return contents.read(image.build(print))


def debian_slim(folder: Path) -> Path:
    """The packages of Debian's slim image."""
    made = folder / "slim.tar"
    merged = ["--include=usr-is-merged", "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", *merged, debian.release_name(), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def lent(folder: Path) -> list[str]:
    """Where pip finds its index on this machine, and the authorities that this machine trusts."""
    trusted = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    index = os.environ.get("PIP_INDEX_URL")
    settings = [f"index-url = {index}"] if index else []
    if trusted and Path(trusted).exists():
        settings.append("cert = /etc/authorities.pem")
    configuration = folder / "pip.conf"
    configuration.write_text("\n".join(["[global]", *settings, ""]))
    mounts = {configuration: "/etc/pip.conf"} | ({Path(trusted): "/etc/authorities.pem"} if trusted else {})
    return [f"--volume={source}:{target}:ro" for source, target in mounts.items()]


def buildah(folder: Path, *arguments: str) -> None:
    store = ["--root", str(folder / "store"), "--runroot", str(folder / "run"), "--storage-driver", "overlay"]
    done = subprocess.run(["buildah", *store, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"buildah {arguments[0]}: {done.stdout[-1500:]}{done.stderr[-1500:]}"


def versions(held: Contents) -> set[tuple[str, str]]:
    told = [(each["Package"], each["Version"]) for each in sbom.debian_packages(held)]
    return {*told, *((each["Name"], each["Version"]) for each in sbom.distributions(held))}


def shape(held: Contents) -> dict[str, tuple[str, int, tuple[int, int], str, str]]:
    """Each path with its kind, rights and owner."""

    def told(each: Entry) -> tuple[str, int, tuple[int, int], str, str]:
        return each.kind, each.mode & 0o7777, each.owner, each.rights, each.target if each.kind == "link" else ""

    ours = {path: each for path, each in held.entries.items() if path not in OF_THE_ENGINE}
    return {path: told(each) for path, each in ours.items() if "/python3" not in path or not path.endswith(".pyc")}


def test_both_hold_the_same_packages(by_dockerfile: Contents, without_docker: Contents) -> None:
    assert len(versions(by_dockerfile)) > 90
    assert versions(by_dockerfile) == versions(without_docker)


def test_both_hold_the_same_files_with_the_same_rights(by_dockerfile: Contents, without_docker: Contents) -> None:
    one, other = shape(by_dockerfile), shape(without_docker)
    assert {
        path: (one.get(path), other.get(path)) for path in one.keys() | other.keys() if one.get(path) != other.get(path)
    } == {}
    assert sum(bool(each.rights) for each in by_dockerfile.entries.values()) == 1


def test_both_tell_the_engine_the_same(by_dockerfile: Contents, without_docker: Contents) -> None:
    one, other = by_dockerfile.config["config"], without_docker.config["config"]
    for key in ("Entrypoint", "Env", "User"):
        assert one[key] == other[key]
    assert other["Labels"].items() <= one["Labels"].items()
    assert len(by_dockerfile.layers) == len(without_docker.layers) == 3
    for path in ("etc/passwd", "etc/group"):
        assert by_dockerfile.texts[path] == without_docker.texts[path]

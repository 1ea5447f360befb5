"""What is in the image that clusters get, and what is not: read from its archive, and run once as a container would."""

import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from localkube import contents, dockerfile, image, packages, sbom
from localkube.contents import Contents
from localkube.errors import LocalKubeError

MOST = 170 << 20
"""Bytes of all layers; a third of the time of a cluster's tests was once spent on loading 300 MiB."""
NOT_IN_IT = {
    *("gcc", "cc", "c++", "cpp", "as", "ld", "make", "pip", "pip3", "apt", "apt-get", "dpkg", "perl", "curl", "wget"),
    *("su", "sudo", "mount", "login", "passwd", "ip", "tc", "nsenter", "unshare", "openssl", "gpgv"),
}
NET_BIND_SERVICE = "0000000200040000000000000000000000000000"
CHECK = """
import getpass, os, ssl
import kopf, uvloop, serin.cluster.api.transport
from serin.native.pattern import Pattern
Pattern("a")
authorities = [name for name in os.listdir(ssl.get_default_verify_paths().capath) if name.endswith(".0")]
print(getpass.getuser(), len(authorities) > 50)
"""


@pytest.fixture(scope="module")
def archive(say: Callable[[str], None]) -> Path:
    """Skips where no image can be made."""
    try:
        packages.install_missing(say)
    except LocalKubeError as error:
        pytest.skip(f"no image can be made here: {error}")
    return image.build(say)


@pytest.fixture(scope="module")
def held(archive: Path) -> Contents:
    return contents.read(archive)


@pytest.fixture(scope="module")
def root(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The layers unpacked over one another."""
    folder = tmp_path_factory.mktemp("root")
    with tarfile.open(archive) as outer:
        for name in outer.getnames():
            if name.endswith("/layer.tar"):
                with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                    layer.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)  # since Python 3.11.4
                    layer.extractall(folder)
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


def test_no_compiler_no_installer_and_nothing_that_gains_rights(held: Contents) -> None:
    programs = {path.rpartition("/")[2] for path in held.entries if "bin/" in path}
    assert programs & NOT_IN_IT == set()
    assert {"python3", "nginx", "serin", "sh"} <= programs
    assert [path for path, entry in held.entries.items() if entry.kind == "file" and entry.mode & 0o6000] == []
    rights = {path: entry.rights for path, entry in held.entries.items() if entry.rights}
    assert [path.startswith("usr/bin/python3.") for path in rights] == [True]
    assert set(rights.values()) == {NET_BIND_SERVICE}


def test_nothing_is_left_of_the_installation(held: Contents) -> None:
    begins = ("var/lib/apt/", "var/cache/", "var/log/", "etc/apt/", "tmp/", "run/", "root/", "usr/share/man/")
    assert [path for path in held.entries if path.startswith(begins)] == []
    distributions = {told["Name"] for told in sbom.distributions(held)}
    assert distributions & {"pip", "setuptools", "wheel"} == set()
    assert [path for path in held.entries if path.endswith((".pyx", ".pyi", ".c", ".h"))] == []


def test_users_cannot_write_to_it_and_its_own_has_a_name(held: Contents) -> None:
    assert "serin:*:101:101::/nonexistent:/usr/sbin/nologin" in held.texts["etc/passwd"].splitlines()
    assert "serin:*:101:" in held.texts["etc/group"].splitlines()
    writable = {path for path, each in held.entries.items() if each.kind != "link" and each.mode & 0o002}
    assert {path for path in writable if not path.startswith(("dev/", "tmp", "var/tmp", "run/lock"))} == set()
    assert {path for path, each in held.entries.items() if each.owner[0] != 0} == set()


def test_the_engine_is_told_what_the_dockerfile_says(held: Contents) -> None:
    told, config = dockerfile.read(image.DOCKERFILE), held.config["config"]
    assert config["Entrypoint"] == told.entrypoint
    assert config["Env"] == told.environment
    assert (config["User"], config["Labels"]) == (told.user, told.labels)
    assert [layer.made_by for layer in held.layers] == list(image.LAYERS)


def test_it_stays_small(held: Contents) -> None:
    assert sum(layer.size for layer in held.layers) < MOST


def test_both_planes_start_in_it(root: Path) -> None:
    def inside(*command: str) -> str:
        environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        enter = ["chroot", "--userspec=101:101", str(root), *command]
        done = subprocess.run(enter, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert inside("serin", "--version").split()[0] == "serin"
    assert inside("python3", "-c", CHECK).split() == ["serin", "True"]
    assert inside("nginx", "-V").startswith("nginx version")
    for plane in ("proxy", "nginx"):
        assert "--run-dir" in inside("serin", "data-plane", "--plane", plane, "--help")
    missing = [line for line in libraries(root) if "not found" in line]
    assert missing == []


def libraries(root: Path) -> Iterator[str]:
    """What the dynamic linker says of each program and library in the tree."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and is_elf(path)]
    assert len(files) > 100
    for start in range(0, len(files), 50):
        names = ["/" + str(path.relative_to(root)) for path in files[start : start + 50]]
        done = subprocess.run(["chroot", root, "ldd", *names], capture_output=True, text=True, check=False)
        yield from done.stdout.splitlines()


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF" and (".so" in path.name or os.access(path, os.X_OK))

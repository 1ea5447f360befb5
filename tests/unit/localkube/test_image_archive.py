"""Image archives as containerd reads them."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import IO, Any

from localkube.archive import Image, write_image, write_layer


def layer(folder: Path, name: str = "layer.tar") -> Path:
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree" / "file").write_text("text")
    return write_layer(folder / name, {"/opt/tree": folder / "tree", "/opt/bin/run": folder / "tree" / "file"})


def test_a_layer_belongs_to_root_and_has_no_times(tmp_path: Path) -> None:
    with tarfile.open(layer(tmp_path)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == ["opt", "opt/bin", "opt/bin/run", "opt/tree", "opt/tree/file"]
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}


def test_same_files_same_bytes(tmp_path: Path) -> None:
    assert layer(tmp_path).read_bytes() == layer(tmp_path, "again.tar").read_bytes()


def test_an_image_names_its_layers_by_digest(tmp_path: Path) -> None:
    made = layer(tmp_path)
    image = Image("docker.io/a/b:c", [made], ["run"], user="101", environment=["A=1"])
    with tarfile.open(write_image(tmp_path / "image.tar", image)) as archive:
        [manifest] = json.load(read(archive, "manifest.json"))
        config = json.load(read(archive, manifest["Config"]))
        [member] = manifest["Layers"]
        digest = hashlib.sha256(read(archive, member).read()).hexdigest()
    assert manifest["RepoTags"] == ["docker.io/a/b:c"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert digest == hashlib.sha256(made.read_bytes()).hexdigest()
    assert (config["config"]["User"], config["config"]["Entrypoint"]) == ("101", ["run"])
    assert "A=1" in config["config"]["Env"]
    assert [path.name for path in tmp_path.glob("image.tar*")] == ["image.tar"]


def read(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None
    return found


def settings(folder: Path, image: Image) -> dict[str, Any]:
    with tarfile.open(write_image(folder / "image.tar", image)) as archive:
        [manifest] = json.load(read(archive, "manifest.json"))
        told: dict[str, Any] = json.load(read(archive, manifest["Config"]))
    return told


def test_a_path_of_its_own_is_the_only_one(tmp_path: Path) -> None:
    made = layer(tmp_path)
    own = settings(tmp_path, Image("docker.io/a/b:c", [made], ["run"], environment=["PATH=/bin", "A=1"]))
    assert own["config"]["Env"] == ["PATH=/bin", "A=1"]
    [path] = settings(tmp_path, Image("docker.io/a/b:c", [made], ["run"]))["config"]["Env"]
    assert path.startswith("PATH=/usr/local/sbin:")


def test_each_layer_says_what_it_is(tmp_path: Path) -> None:
    told = settings(tmp_path, Image("docker.io/a/b:c", [layer(tmp_path)], ["run"], made_by=["Serin"]))
    assert [each["created_by"] for each in told["history"]] == ["Serin"]

"""Control groups of nodes: what ends while they are taken down disturbs nobody."""

import os
from pathlib import Path

import pytest
from localkube import cgroups


def test_a_group_that_goes_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").touch()
    for name in ("pods", "pods/first", "pods/second", "pods/second/container"):
        (tmp_path / "node" / name).mkdir(parents=True)
    monkeypatch.setattr(cgroups, "_MOUNT", tmp_path)
    listing = os.scandir

    def listing_late(path: str) -> object:
        if Path(path).name == "first":
            Path(path).rmdir()
        return listing(path)

    monkeypatch.setattr(os, "scandir", listing_late)
    cgroups.kill("node")
    assert not (tmp_path / "node" / "pods" / "first").exists()
    cgroups.remove("node")
    assert not (tmp_path / "node").exists()

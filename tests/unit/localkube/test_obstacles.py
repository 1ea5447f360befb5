"""Why no node can run on a machine: told before anything is started."""

import os

import pytest
from localkube import packages
from localkube.errors import LocalKubeError


def test_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalKubeError, match=r"^nodes need root"):
        packages.install_missing(print)


def test_packages_are_named_where_nothing_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages, "which", lambda _: None)
    monkeypatch.setattr(packages, "cni_folder", lambda: None)
    monkeypatch.setattr(os, "access", lambda *_: True)
    [told] = packages.obstacles()
    assert "no apt-get" in told
    for package in ("containerd", "containernetworking-plugins", "nftables", "mmdebstrap"):
        assert package in told


def test_missing_packages_are_installed_once_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(packages, "obstacles", list)
    monkeypatch.setattr(packages, "missing_packages", lambda: ["containerd", "runc"])
    monkeypatch.setattr(packages, "run", lambda *command: ran.append(command))
    packages.install_missing(print)
    assert [command[4:] for command in ran] == [
        ("update",),
        ("install", "--yes", "--no-install-recommends", "containerd", "runc"),
    ]


def test_a_failed_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: str) -> None:
        raise LocalKubeError("no network")

    monkeypatch.setattr(packages, "obstacles", list)
    monkeypatch.setattr(packages, "missing_packages", lambda: ["runc"])
    monkeypatch.setattr(packages, "run", fails)
    with pytest.raises(LocalKubeError, match="packages cannot be installed: no network"):
        packages.install_missing(print)

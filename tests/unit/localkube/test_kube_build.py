"""Which programs are taken, and what is said when there are none."""

import fcntl
import os
import shutil
import threading
from pathlib import Path

import pytest
from harness.waiting import until
from localkube import build
from localkube.errors import LocalKubeError

FAKE_GO = """#!/bin/sh
# Takes the place of Go: `go build … -o FOLDER/ PACKAGE…` makes an empty program for each package.
echo "$@" >>"$GO_CALLS"
[ -z "$GO_FAILS" ] || { echo "go: downloading x v1" >&2; echo "dial tcp: no route to host" >&2; exit 1; }
while [ "$1" != -o ]; do shift; done
folder=$2; shift 2
for package; do
  name=$(echo "$package" | sed 's,/v3$,,; s,.*/,,')
  printf '#!/bin/sh\\n' >"$folder$name"; chmod +x "$folder$name"
done
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a shell's programs and our Go, and nothing else: folder `path` is searched first."""
    monkeypatch.setenv("SERIN_KUBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GO_FAILS", "")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(shutil, "which", lambda name: found(tmp_path / "path" / Path(name).name))
    program(tmp_path / "path" / "go", FAKE_GO)
    return tmp_path


def found(path: Path) -> str | None:
    return str(path) if path.exists() else None


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def tells(path: Path, version: str) -> Path:
    return program(path, f"#!/bin/sh\necho '{version}'\n")


def test_what_is_nowhere_is_built_once(machine: Path) -> None:
    said: list[str] = []
    first = build.programs(["etcd", "kubectl"], said.append)
    again = build.programs(["etcd", "kubectl"], said.append)
    assert first == again
    assert all(os.access(path, os.X_OK) and path.name == name for name, path in first.items())
    assert len((machine / "calls").read_text().splitlines()) == 1
    assert "4 to 5 minutes" in " ".join(said)
    assert not list(first["etcd"].parent.parent.glob("building-*"))


def test_only_what_is_missing_is_built(machine: Path) -> None:
    build.programs(["kubectl"], print)
    build.programs(["kubectl", "helm"], print)
    assert (machine / "calls").read_text().splitlines()[1].endswith("/ helm.sh/helm/v3/cmd/helm")


def test_the_cache_is_named_by_version_and_sources() -> None:
    assert build.cache_folder().name.startswith(f"{build.kubernetes_version()}-")


def test_assets_are_taken_as_they_are(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tells(machine / "assets" / "kubectl", "v1.29.0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(own.parent))
    assert build.programs(["kubectl"], print) == {"kubectl": own}


@pytest.mark.parametrize(
    ("name", "version", "taken"),
    [
        ("kubectl", f"Client Version: {build.kubernetes_version()}", True),
        ("kubectl", "Client Version: v1.20.2", False),
        ("kube-apiserver", f"Kubernetes {build.kubernetes_version()}", True),
        ("kube-apiserver", "Kubernetes v1.36.1", False),
        ("etcd", "etcd Version: 3.5.21", True),
        ("etcd", "etcd Version: 3.3.27", False),
        ("helm", "v3.15.2+g1a500d5", True),
        ("helm", "v2.17.0", False),
        ("helm", "not a version", False),
        ("pause", f"{build.kubernetes_version()}", False),
    ],
)
def test_a_program_on_path_must_fit(machine: Path, name: str, version: str, taken: bool) -> None:
    own = tells(machine / "path" / name, version)
    assert (build.programs([name], print)[name] == own) is taken


def test_without_go_the_reason_says_so(machine: Path) -> None:
    (machine / "path" / "go").unlink()
    with pytest.raises(LocalKubeError, match=r"etcd: neither in KUBEBUILDER_ASSETS nor on PATH, and there is no Go"):
        build.programs(["etcd"], print)


def test_a_failed_build_tells_its_end_and_leaves_nothing(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_FAILS", "1")
    with pytest.raises(LocalKubeError, match=r"^go build failed: dial tcp: no route to host$"):
        build.programs(["etcd"], print)
    assert not [path for path in build.cache_folder().rglob("*") if path.is_file() and path.name != "build.lock"]


def test_a_second_build_waits_and_finds_what_the_first_made(machine: Path) -> None:
    folder = build.cache_folder()
    folder.mkdir(parents=True)
    said: list[str] = []
    with (folder / "build.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=build.programs, args=(["etcd"], said.append))
        waiting.start()
        until(lambda: said, "the second to wait")
        assert "waiting for another process" in said[0]
        tells(folder / "bin" / "etcd", "etcd Version: 3.6.4")
    waiting.join(10)
    assert not (machine / "calls").exists()


def test_the_build_alone_is_a_command(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main() == 0
    assert all((build.cache_folder() / "bin" / name).exists() for name in build.NODES)
    shutil.rmtree(build.cache_folder())
    (machine / "path" / "go").unlink()
    assert build.main() == 1
    assert "there is no Go to build them" in capsys.readouterr().err

"""What both builds of the image share agrees with itself, with pyproject.toml and with the code."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from localkube import debian, dockerfile, image
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import serin

FOLDER = image.ROOT / "image"
SETTINGS = dockerfile.read(image.DOCKERFILE)
PROJECT = tomllib.loads((image.ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def install() -> ModuleType:
    """image/install.py, which stands alone: a build has nothing else of this tree."""
    spec = importlib.util.spec_from_file_location("install", FOLDER / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def locked(name: str) -> dict[str, str]:
    """Distribution → version, of a lock file in which each has checksums."""
    entries = (FOLDER / name).read_text().replace("\\\n", " ").splitlines()
    found: dict[str, str] = {}
    for entry in entries:
        if entry and not entry.startswith("#"):
            requirement = Requirement(entry.partition("--hash")[0].strip())
            assert "--hash=sha256:" in entry, entry
            [exact] = requirement.specifier
            assert exact.operator == "==", entry
            found[canonicalize_name(requirement.name)] = exact.version
    return found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("requirements.txt", PROJECT["project"]["dependencies"]),
        ("build-requirements.txt", PROJECT["build-system"]["requires"]),
    ],
)
def test_locked_versions_are_those_that_the_project_wants(name: str, wanted: list[str]) -> None:
    versions = locked(name)
    for text in wanted:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name), "none")
        assert requirement.specifier.contains(version), f"image/{name} has {version} of {text}: write it anew"


def test_labels_tell_this_version() -> None:
    labels = {name.rpartition(".")[2]: value for name, value in SETTINGS.labels.items()}
    assert labels["version"] == serin.__version__
    assert labels["licenses"] == PROJECT["project"]["license"]
    assert labels["description"] == PROJECT["project"]["description"]


def test_it_runs_as_the_user_that_the_last_step_adds() -> None:
    text = (FOLDER / "finish.sh").read_text()
    assert "name=serin id=101" in text
    assert SETTINGS.user == "101:101"
    assert SETTINGS.entrypoint == ["serin"]


def test_both_builds_take_the_same_sources(install: ModuleType) -> None:
    assert install.SOURCES == image.SOURCES
    ignored = (image.ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == {*image.SOURCES, "image"}
    copied = [line.split()[1:-1] for line in image.DOCKERFILE.read_text().splitlines() if line.startswith("COPY ")]
    names = {name for words in copied for name in words}
    assert set(image.SOURCES) <= names
    assert {f"image/{each}" for each in ("packages.txt", "finish.sh", "install.py", "requirements.txt")} <= names


def test_packages_are_asked_for_by_name() -> None:
    assert {"nginx", "libnginx-mod-http-lua", "libnginx-mod-stream", "lua-resty-core"} < set(debian.packages())
    assert all(name == name.strip() and " " not in name for name in debian.packages())


def test_serin_runs_without_what_is_left_out(install: ModuleType) -> None:
    """Modules of API groups, two thirds of the kubernetes package, are not in the image."""
    left_out = tuple(f"{folder.replace('/', '.')}." for folder in install.GENERATED)
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith({left_out!r}):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import serin.cli, serin.cluster.api.transport, serin.cluster.watch, kopf
from kubernetes.aio.client import ApiClient, Configuration
try:
    import kubernetes.client.models.v1_pod
except ModuleNotFoundError:
    print("runs")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("runs\n", "")


def test_settings_of_an_earlier_stage_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        'FROM a AS b\nUSER 1\nENV A=1\nFROM b\n# USER 2\nENV B="2 3" \\\n    C=4\nUSER 3\nENTRYPOINT ["x"]\n'
    )
    told = dockerfile.read(file)
    assert (told.user, told.environment, told.entrypoint) == ("3", ["B=2 3", "C=4"], ["x"])

"""The programs of a Kubernetes: found on this machine, or built once from Go modules.

No image, release archive or package repository is asked: Debian has no current Kubernetes, and Go's module proxy gives
sources whose checksums stand in gomodule/go.sum. Built programs are kept by version and shared by all checkouts.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localkube.errors import LocalKubeError

Say = Callable[[str], None]

GO_MODULE = Path(__file__).parent / "gomodule"
ETCD_PACKAGE = "go.etcd.io/etcd/server/v3"
PACKAGES: Mapping[str, str] = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": ETCD_PACKAGE,
    "helm": "helm.sh/helm/v3/cmd/helm",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "coredns": "./coredns",
    "pause": "./pause",
}
API_SERVER = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "helm")
NODES = tuple(PACKAGES)
# What takes no part in running them is not made, and compilers, which soon end, collect no garbage while there is
# memory: together a quarter of the time.
_COMPILER_FLAGS = "all=-dwarf=false -c=1"
_COMPILER_MEMORY = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}
# sudo leaves out of PATH where Go's own archive is unpacked.
_GO = ("go", "/usr/local/go/bin/go")
# CoreDNS and pause go into images: only static ones of our own will do there.
_NEVER_FROM_PATH = frozenset({"coredns", "pause"})


def versions() -> Mapping[str, str]:
    """Module → version as go.mod requires them."""
    text = (GO_MODULE / "go.mod").read_text()
    return dict(
        re.findall(r"^\t(k8s\.io/kubernetes|helm\.sh/helm/v3|go\.etcd\.io/etcd/server/v3) (v\S+)$", text, re.MULTILINE)
    )


def kubernetes_version() -> str:
    """`v1.34.4`."""
    return versions()["k8s.io/kubernetes"]


def cache_folder() -> Path:
    """Where what was made for this version is kept: $SERIN_KUBE_CACHE/VERSION-DIGEST, by default below ~/.cache."""
    sources = [GO_MODULE / "go.mod", *sorted(GO_MODULE.rglob("*.go"))]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    root = os.environ.get("SERIN_KUBE_CACHE") or Path.home() / ".cache" / "serin-kube"
    return Path(root).absolute() / f"{kubernetes_version()}-{digest}"


def programs(names: Sequence[str], say: Say) -> Mapping[str, Path]:
    """Name → path of each program; what is nowhere is built, which takes minutes.

    A program in $KUBEBUILDER_ASSETS is taken as it is; one on PATH when its version fits the others.
    """
    bin_folder = cache_folder() / "bin"
    found = {name: path for name in names if (path := _installed(name) or _executable(bin_folder / name))}
    missing = [name for name in names if name not in found]
    if missing:
        _build(missing, bin_folder, say)
    return found | {name: bin_folder / name for name in missing}


def _installed(name: str) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (path := _executable(Path(assets) / name)):
        return path.absolute()
    on_path = shutil.which(name)
    if on_path is None or name in _NEVER_FROM_PATH or not _fits(name, on_path):
        return None
    return Path(on_path).absolute()


def _executable(path: Path) -> Path | None:
    return path if path.is_file() and os.access(path, os.X_OK) else None


def _fits(name: str, path: str) -> bool:
    """Whether a program that somebody installed works with those of our version.

    Kubernetes' own programs must be of the same minor version, etcd at least 3.4, helm of major version 3.
    """
    asked = {"helm": ["version", "--short"], "kubectl": ["version", "--client"]}.get(name, ["--version"])
    try:
        done = subprocess.run([path, *asked], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    told = re.search(r"(\d+)\.(\d+)\.\d+", done.stdout)
    if told is None:
        return False
    major, minor = int(told[1]), int(told[2])
    if name == "etcd":
        return (major, minor) >= (3, 4)
    if name == "helm":
        return major == 3
    return f"v{major}.{minor}" == kubernetes_version().rpartition(".")[0]


def _build(names: Sequence[str], bin_folder: Path, say: Say) -> None:
    go = next(filter(None, map(shutil.which, _GO)), None)
    if go is None:
        raise LocalKubeError(
            f"{', '.join(names)}: neither in KUBEBUILDER_ASSETS nor on PATH, and there is no Go to build them"
            " (install Go 1.24 or newer: https://go.dev/dl)"
        )
    bin_folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(bin_folder.parent / "build.lock", say):
        still = [name for name in names if not _executable(bin_folder / name)]
        if still:
            _go_build(go, still, bin_folder, say)


def _go_build(go: str, names: Sequence[str], bin_folder: Path, say: Say) -> None:
    say(f"building {', '.join(names)} {kubernetes_version()} from Go modules into {bin_folder}:")
    say("once, 4 to 5 minutes on two cores and 6 GB of Go's caches when Go has compiled none of it before")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="building-", dir=bin_folder.parent) as made:
        flags = ["-mod=readonly", "-buildvcs=false", f"-gcflags={_COMPILER_FLAGS}", "-ldflags", _linker_flags()]
        command = [go, "build", *flags, "-o", f"{made}/", *(PACKAGES[name] for name in names)]
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", **_COMPILER_MEMORY}
        done = subprocess.run(  # noqa: S603
            command, cwd=GO_MODULE, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
            raise LocalKubeError("go build failed: " + "\n".join(told[-12:]))
        for name in names:
            (Path(made) / ("server" if name == "etcd" else name)).replace(bin_folder / name)
    say(f"built in {time.monotonic() - began:.0f} s")


def _linker_flags() -> str:
    """Versions as a release carries them: without, the API server calls itself v0.0.0 and charts refuse it."""
    version, helm = kubernetes_version(), versions()["helm.sh/helm/v3"]
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"helm.sh/helm/v3/internal/version.version": helm}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        values |= {f"{package}.gitVersion": version, f"{package}.gitMajor": major, f"{package}.gitMinor": minor}
        values |= {f"{package}.gitTreeState": "clean", f"{package}.buildDate": "1970-01-01T00:00:00Z"}
    for package in ("helm.sh/helm/v3/pkg/lint/rules", "helm.sh/helm/v3/pkg/chartutil"):
        values |= {f"{package}.k8sVersionMajor": major, f"{package}.k8sVersionMinor": minor}
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])


@contextmanager
def one_at_a_time(lock: Path, say: Say) -> Iterator[None]:
    """Two that make the same would only slow each other down: the second waits, and finds what the first made."""
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process ({lock})")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main() -> int:
    """`python -m localkube.build` needs Python alone, and makes what a later call finds."""
    try:
        programs(NODES, lambda text: print(f"localkube: {text}", file=sys.stderr, flush=True))
    except LocalKubeError as error:
        print(f"localkube: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

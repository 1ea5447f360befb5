"""What pods that run may do, seen from inside of them, and what their account may do, as the API server says it."""

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.e2e import backends
from harness.e2e.inside import Inside, containers
from harness.e2e.report import Report
from harness.e2e.rights import allowed, documented
from harness.e2e.site import Site
from harness.waiting import until
from localkube.release import CHART

RESTRICTED = "pod-security.kubernetes.io/{}=restricted"
NOTHING = f"{0:016x}"
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
HOST = "secret.example.com"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
# Memory that containers of a pod get from the runtime, shared by them; Serin puts nothing there.
RUNTIMES = {"/dev/shm", "/dev/mqueue"}


@dataclass(frozen=True, slots=True)
class Pod:
    uid: str
    node: str
    controller: Inside
    data_plane: Inside


@pytest.fixture(scope="module")
def restricted(site: Site) -> Iterator[None]:
    """Kubernetes lets nothing into the release's namespace but what keeps to the standard `restricted`."""
    site.uninstall()
    namespace = site.release.namespace
    modes = ("enforce", "warn", "audit")
    site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    site.kubectl("label", "--overwrite", "namespace", namespace, *(RESTRICTED.format(mode) for mode in modes))
    yield
    site.kubectl("label", "namespace", namespace, *(f"pod-security.kubernetes.io/{mode}-" for mode in modes))


@pytest.fixture(scope="module")
def pod(site: Site, restricted: None) -> Pod:
    """One of the release's, made while `restricted` was in force."""
    site.install()
    found = site.pods()[0]
    return Pod(found["metadata"]["uid"], found["spec"]["nodeName"], *containers(site, found))


def test_restricted_namespaces_take_it(site: Site, pod: Pod, report: Report) -> None:
    """A namespace that enforces Pod Security `restricted` takes the pods, without a warning"""
    deployment = site.kubectl("-n", site.release.namespace, "get", "deployment/serin-controller", "-o", "json")
    asked = ["--kubeconfig", str(site.release.kubeconfig), "apply", "--dry-run=server", "-f", "-"]
    program = site.release.programs["kubectl"]
    done = subprocess.run([program, *asked], input=deployment, capture_output=True, text=True, check=True)
    assert "PodSecurity" not in done.stderr
    report(pods=len(site.pods()), warnings=0)


@pytest.mark.parametrize("container", ["controller", "data_plane"])
def test_processes_have_no_rights(pod: Pod, container: str, report: Report) -> None:
    """Every thread: uid and gid 101, no capability, none to be had, seccomp, no new privileges"""
    threads = getattr(pod, container).threads()
    assert len(threads) >= 2
    for thread in threads:
        assert thread["Uid"].split() == thread["Gid"].split() == ["101"] * 4, thread["Name"]
        assert {thread[each] for each in CAPABILITIES} == {NOTHING}, thread["Name"]
        assert (thread["Seccomp"], thread["NoNewPrivs"]) == ("2", "1"), thread["Name"]
    report(container.replace("_", "-"), threads=len(threads))


def test_only_the_own_folder_can_be_written(pod: Pod, plane: str, report: Report) -> None:
    """Read-only root: plan/ is the controller's alone, state/ the data plane's"""
    own = {"/run/serin/state"} | ({"/run/serin/temp"} if plane == "nginx" else set())
    assert pod.controller.writable() - RUNTIMES == {"/run/serin/plan"}
    assert pod.data_plane.writable() - RUNTIMES == own
    refusals = {
        "the data plane at plan/": pod.data_plane.refusal("echo 1 >/run/serin/plan/generation"),
        "the controller at state/": pod.controller.refusal("echo 1 >/run/serin/state/lock"),
        "the controller at /": pod.controller.refusal("touch /x"),
        "the data plane at /tmp": pod.data_plane.refusal("touch /tmp/x"),
    }
    assert {who: "Read-only file system" in said for who, said in refusals.items()} == dict.fromkeys(refusals, True)
    report(refused="; ".join(refusals))


def test_the_data_plane_has_no_token(pod: Pod, report: Report) -> None:
    """The data plane has no token, and sees neither the controller's files nor its processes"""
    token = pod.controller.run("cat", TOKEN).strip()
    assert token.count(".") == 2
    secret = {TOKEN.removeprefix("/var").removesuffix("/token"), "/etc/serin/webhook", "/etc/serin/facts"}
    assert secret <= pod.controller.mounts().keys()
    assert not {where for where in pod.data_plane.mounts() if "secrets" in where or where.startswith("/etc/serin")}
    assert "No such file" in pod.data_plane.refusal(f"cat {TOKEN}")
    assert not {line for line in pod.data_plane.commands() if "controller" in line}
    assert {line for line in pod.controller.commands() if "controller" in line}
    # Not by any process that it sees, nor by anything that it may read.
    look = f"cat /proc/[0-9]*/root{TOKEN} /proc/[0-9]*/environ 2>/dev/null | grep -ac {token}; true"
    assert int(pod.data_plane.run("sh", "-c", look)) == 0
    assert int(pod.controller.run("sh", "-c", look)) > 0
    report(tried="its path, /proc of every process, environments")


def test_secrets_are_in_memory(site: Site, pod: Pod, namespace: str, tmp_path: Path, report: Report) -> None:
    """Keys and passwords of Secrets: readable by uid and gid 101 alone, in memory, nowhere on a node's disk"""
    key, password = _key(tmp_path), f"jane:{{SHA}}{secrets.token_hex(14)}"
    tls = {"tls.crt": (tmp_path / "tls.crt").read_text(), "tls.key": key}
    site.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tls"},
            "type": "kubernetes.io/tls",
            "stringData": tls,
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "stringData": {"auth": password}},
        backends.service("nobody"),
        backends.ingress(
            "secret",
            HOST,
            "nobody",
            annotations={"auth-type": "basic", "auth-secret": "users"},
            tls=[{"hosts": [HOST], "secretName": "tls"}],
        ),
        namespace=namespace,
    )
    marks = [key.splitlines()[1], password.partition("}")[2]]
    find = f"grep -rlE '{'|'.join(map(_literal, marks))}' /run/serin 2>/dev/null; true"
    until(lambda: _all_there(pod.data_plane, marks), "key and password to come to the data plane", every=0.3)
    files = pod.data_plane.run("sh", "-c", find).split()
    modes = dict(line.split()[::-1] for line in pod.data_plane.run("stat", "-c", "%a:%u:%g %n", *files).splitlines())
    assert set(modes.values()) <= {"640:101:101", "600:101:101"}, modes
    mounts = pod.data_plane.mounts()
    assert all(mounts["/".join(each.split("/")[:4])].kind == "tmpfs" for each in files), files
    node = site.release.cluster.folder / pod.node
    assert (node / "kubelet" / "pods" / pod.uid).is_dir()
    for folder in ("kubelet", "pod-logs"):
        assert _on_disk(node / folder, marks) == []
    report(files=len(files), modes=", ".join(sorted({mode.partition(":")[0] for mode in modes.values()})), on_disk=0)


@pytest.mark.parametrize("shape", ["all", "one", "bare"])
def test_the_account_has_the_documented_rights(
    site: Site, pod: Pod, shape: str, namespaces: tuple[str, str, str], report: Report
) -> None:
    """kubectl auth can-i --list is what docs/rbac.md says, both ways, in every namespace that it names"""
    release, watched, other = namespaces
    values = {
        "all": {},
        "one": {"controller.scope.enabled": "true", "controller.scope.namespace": watched},
        "bare": {"controller.scope.enabled": "true", "controller.scope.namespace": watched, "rbac.scope": "true"},
    }[shape]
    if shape == "all":
        release = site.release.namespace
    else:
        told = [f"--set={key}={value}" for key, value in values.items()]
        parts = ["-s", "templates/roles.yaml", "-s", "templates/service-account.yaml"]
        site.kubectl(
            "apply", "-f", "-", text=site.release.helm("template", "serin", str(CHART), "-n", release, *parts, *told)
        )
    wanted = documented(shape, {"ingress": release, "shop": watched})
    for namespace in (release, watched, other, "default"):
        has = allowed(site, f"system:serviceaccount:{release}:serin", namespace)
        assert has == wanted.get("", set()) | wanted.get(namespace, set()), namespace
    report(shape, rights=sum(map(len, wanted.values())))


@pytest.fixture
def namespaces(site: Site) -> Iterator[tuple[str, str, str]]:
    """The release's, the one that is watched, and one that is nobody's business."""
    with site.namespace() as first, site.namespace() as second, site.namespace() as third:
        yield first, second, third
    site.kubectl("delete", "clusterrole,clusterrolebinding", f"serin.{first}", "--ignore-not-found")


def _key(folder: Path) -> str:
    """A private key in PEM; its self-made certificate is beside it."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={HOST}"]
    subprocess.run(
        [*made, "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")], check=True, capture_output=True
    )
    return (folder / "tls.key").read_text()


def _literal(text: str) -> str:
    return text.replace("+", "[+]")


def _all_there(container: Inside, marks: list[str]) -> bool:
    script = " && ".join(f"grep -rqF '{mark}' /run/serin" for mark in marks)
    return container.refusal(script) == ""


def _on_disk(folder: Path, marks: list[str]) -> list[str]:
    """Files on the folder's own file system, not on what is mounted inside of it, that hold one of the marks."""
    patterns = [part for mark in marks for part in ("-e", mark)]
    find = ["find", str(folder), "-xdev", "-type", "f", "-exec", "grep", "-lF", *patterns, "{}", "+"]
    return subprocess.run(find, capture_output=True, text=True, check=False).stdout.split()

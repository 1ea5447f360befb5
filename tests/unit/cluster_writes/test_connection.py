"""Where the API server is, from flags, kubeconfigs and the pod; and what is said when that cannot be found."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from serin.cluster.connection import Connection, ExecPlugin, in_pod, own_namespace, read_connection
from serin.errors import UsageError


def kubeconfig(
    path: Path,
    *,
    cluster: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    namespace: str = "",
    current: str = "here",
    **change: Any,
) -> Path:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": current,
        **change,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def account(folder: Path, namespace: str = "infra") -> Path:
    folder.mkdir()
    (folder / "token").write_text("abc\n")
    (folder / "ca.crt").write_text("PEM")
    (folder / "namespace").write_text(namespace)
    return folder


POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_kubeconfig_with_data(tmp_path: Path) -> None:
    pem = base64.b64encode(b"PEM").decode()
    path = kubeconfig(
        tmp_path / "k",
        cluster={"certificate-authority-data": pem, "certificate-authority": "missing", "tls-server-name": "kube"},
        user={"client-certificate-data": pem, "client-key-data": pem},
        namespace="web",
    )
    found = read_connection(path, environ={})
    assert found == Connection(
        "https://10.0.0.1:6443", ca="PEM", server_name="kube", certificate="PEM", key="PEM", namespace="web"
    )


def test_a_kubeconfig_with_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    user = {"tokenFile": "token", "token": "old"}
    found = read_connection(kubeconfig(tmp_path / "k", cluster={"certificate-authority": "ca.crt"}, user=user))
    assert (found.ca, found.token_file, found.token) == ("PEM", str(tmp_path / "token"), "old")


def test_the_first_of_several_kubeconfigs_wins(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", namespace="first", clusters=[], users=[])
    second = kubeconfig(tmp_path / "b", namespace="second", user={"token": "t"}, current="other")
    found = read_connection(environ={"KUBECONFIG": f"{first}:{second}"}, account=tmp_path)
    assert (found.namespace, found.token, found.server) == ("first", "t", "https://10.0.0.1:6443")


def test_the_usual_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config")
    assert read_connection(environ={"HOME": str(tmp_path)}, account=tmp_path).server == "https://10.0.0.1:6443"


def test_the_pod_goes_before_a_kubeconfig_of_the_environment(tmp_path: Path) -> None:
    folder = account(tmp_path / "account")
    environ = {**POD, "KUBECONFIG": str(kubeconfig(tmp_path / "k"))}
    found = read_connection(environ=environ, account=folder)
    assert found == Connection("https://10.96.0.1:443", ca="PEM", token_file=str(folder / "token"), namespace="infra")
    assert in_pod(POD, folder)
    assert not in_pod({}, folder)
    assert not in_pod(POD, tmp_path)


def test_a_pod_of_an_ipv6_cluster(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert read_connection(environ=environ, account=account(tmp_path / "account")).server == "https://[fd00::1]:443"


def test_flags_replace_what_was_found(tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text("OTHER")
    found = read_connection(kubeconfig(tmp_path / "k"), "http://127.0.0.1:8001/", other)
    assert (found.server, found.ca) == ("http://127.0.0.1:8001", "OTHER")
    alone = read_connection(None, "http://127.0.0.1:8001", environ={"HOME": str(tmp_path)}, account=tmp_path)
    assert alone == Connection("http://127.0.0.1:8001")


def test_a_plugin(tmp_path: Path) -> None:
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "bin/login",
            "args": ["--as", "me"],
            "env": [{"name": "A", "value": "1"}],
        }
    }
    plugin = read_connection(kubeconfig(tmp_path / "k", user=user)).plugin
    assert plugin is not None
    assert (plugin.command, plugin.args, plugin.env) == (str(tmp_path / "bin/login"), ("--as", "me"), (("A", "1"),))
    assert plugin.api_version == "client.authentication.k8s.io/v1beta1"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"current": ""}, "has no current-context; choose one with `kubectl config use-context`"),
        ({"current": "there"}, "has no context 'there', which its current-context names"),
        ({"clusters": []}, "has no cluster 'c' with a server, as context 'here' asks"),
        ({"users": []}, "has no user 'u', which context 'here' names"),
        ({"cluster": {"server": "10.0.0.1:6443"}}, "the API server's address '10.0.0.1:6443' is not a URL"),
        ({"cluster": {"server": "https://h:99999"}}, "is not a URL"),
        ({"cluster": {"server": ["https://h"]}}, "cluster 'c': server must be a text"),
        ({"cluster": {"certificate-authority-data": "é"}}, "certificate-authority-data is not PEM in base64"),
        ({"cluster": {"certificate-authority": "gone.crt"}}, "certificate-authority: cannot read"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "auth-provider is not supported"),
        ({"user": {"exec": {"args": []}}}, "exec needs a command"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_told_in_one_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    path = kubeconfig(tmp_path / "k", **change)
    with pytest.raises(UsageError) as told:
        read_connection(path, environ={})
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("- a", "is not a kubeconfig"),
        ("", "is not a kubeconfig"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    path = tmp_path / "k"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=sentence):
        read_connection(path)


def test_a_line_that_is_not_yaml_is_named_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("users:\n- name: u\n  user:\n    token: SECRET: WORD\n")
    with pytest.raises(UsageError) as told:
        read_connection(path)
    assert "is not YAML, line 4, column 18: mapping values are not allowed here" in str(told.value)
    assert "SECRET" not in str(told.value)


@pytest.mark.parametrize("server", ["https://me:SECRET@10.0.0.1:6443", "me:SECRET@10.0.0.1"])
def test_a_password_in_the_address_is_refused_and_not_shown(tmp_path: Path, server: str) -> None:
    with pytest.raises(UsageError, match="must not hold a name or password") as told:
        read_connection(None, server, environ={"HOME": str(tmp_path)}, account=tmp_path)
    assert "SECRET" not in str(told.value)


def test_of_several_kubeconfigs_some_may_be_missing(tmp_path: Path) -> None:
    there, gone = kubeconfig(tmp_path / "k"), tmp_path / "gone"
    found = read_connection(environ={"KUBECONFIG": f"{gone}:{there}"}, account=tmp_path)
    assert found.server == "https://10.0.0.1:6443"
    with pytest.raises(UsageError, match=r"cannot read .*gone"):
        read_connection(environ={"KUBECONFIG": str(gone)}, account=tmp_path)


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*/k: No such file or directory"):
        read_connection(tmp_path / "k")


def test_nothing_to_connect_with(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"this is not a pod.*KUBECONFIG is not set.*--kubeconfig or --apiserver-host"):
        read_connection(environ={"HOME": str(tmp_path)}, account=tmp_path)


def test_the_fingerprint_is_of_what_a_client_is_made_of() -> None:
    one = Connection("https://a", ca="x", certificate="c", key="k", token="t")
    same = [replace(one, token="u"), replace(one, token_file="f"), replace(one, namespace="n")]
    others = [
        replace(one, server="https://b"),
        replace(one, ca="y"),
        replace(one, certificate="d"),
        replace(one, key="l"),
        replace(one, insecure=True),
        replace(one, proxy="http://p"),
    ]
    assert {found.fingerprint for found in same} == {one.fingerprint}
    assert len({found.fingerprint for found in (one, *others)}) == 7


def test_secrets_are_not_shown() -> None:
    plugin = ExecPlugin("login", env=(("PASSWORD", "INNER"),))
    proxy = "http://me:OUTER@proxy"
    shown = repr(Connection("https://a", key="KEY", token="TOKEN", password="WORD", proxy=proxy, plugin=plugin))
    assert not [secret for secret in ("KEY", "TOKEN", "WORD", "INNER", "OUTER") if secret in shown]


def test_our_own_namespace() -> None:
    connection = Connection("https://a", namespace="context")
    assert own_namespace(connection, {"POD_NAMESPACE": "pod"}) == "pod"
    assert own_namespace(connection, {}) == "context"
    assert own_namespace(Connection("https://a"), {}) == "default"

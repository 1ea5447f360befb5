"""Flags of `serin controller`: what they mean, what is refused and how, what does nothing and why."""

import argparse
import pathlib
import re
import shlex
import socket

import pytest

from serin.cli import main
from serin.cli.arguments import build_parser, parse
from serin.cli.controller import settings
from serin.cli.controller_flags import check
from serin.cli.unused_flags import REASONS, SWITCHES, VALUED, warnings
from serin.cluster.scope import Scope
from serin.cluster.server import Connection
from serin.compile.options import Options
from serin.control.outside.allowed import read_allowed
from serin.control.settings import ControllerSettings, ElectionSettings, FactsSettings, StatusSettings, WebhookSettings
from serin.errors import UsageError
from serin.telemetry.told import Told

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "controller.md"

INGRESS_NGINX = """
    apiserver-host certificate-authority kubeconfig
    watch-namespace watch-namespace-selector ingress-class controller-class ingress-class-by-name
    watch-ingress-without-class annotations-prefix disable-catch-all disable-svc-external-name deep-inspect
    enable-annotation-validation
    configmap tcp-services-configmap udp-services-configmap default-backend-service default-ssl-certificate
    enable-ssl-passthrough enable-ssl-chain-completion enable-topology-aware-routing dynamic-configuration-retries
    sync-period sync-rate-limit disable-sync-events maxmind-edition-ids maxmind-license-key maxmind-mirror
    maxmind-retries-count maxmind-retries-timeout
    publish-service publish-status-address report-node-internal-ip-address update-status update-status-on-shutdown
    status-update-interval election-id election-ttl disable-leader-election
    http-port https-port ssl-passthrough-proxy-port default-server-port healthz-port healthz-host status-port
    stream-port profiler-port profiler-address profiling internal-logger-address
    health-check-path health-check-timeout shutdown-grace-period post-shutdown-grace-period
    enable-metrics metrics-per-host metrics-per-undefined-host report-status-classes time-buckets length-buckets
    size-buckets bucket-factor max-buckets exclude-socket-metrics monitor-max-batch-size
    validating-webhook validating-webhook-certificate validating-webhook-key disable-full-test version
"""


def controller_parser() -> argparse.ArgumentParser:
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    found: argparse.ArgumentParser = commands.choices["controller"]
    return found


def told(line: str, **environment: str) -> ControllerSettings:
    arguments = parse(["controller", *shlex.split(line)])
    check(arguments)
    return settings(arguments, Connection("https://h", namespace="mine"), environment)


def test_the_defaults() -> None:
    found = told("")
    assert found == ControllerSettings(namespace="mine", told=found.told)
    assert found.told == Told("serin.dev/ingress-controller", "mine", socket.gethostname())


def test_every_flag_arrives() -> None:
    line = (
        "--watch-namespace shop --ingress-class c --controller-class k --ingress-class-by-name=true "
        "--watch-ingress-without-class=1 --annotations-prefix p --disable-catch-all --disable-svc-external-name=T "
        "--configmap a/b --tcp-services-configmap t/c --udp-services-configmap u/d --enable-ssl-passthrough "
        "--default-backend-service c/d --default-ssl-certificate e/f --disable-sync-events "
        "--publish-service g/h --report-node-internal-ip-address --update-status=false "
        "--update-status-on-shutdown=f --status-update-interval 30 --election-id e --election-ttl 1m30s "
        "--disable-leader-election --validating-webhook [::1]:9443 --validating-webhook-certificate crt "
        "--validating-webhook-key key --metrics-per-host=false --report-status-classes "
        "--exclude-socket-metrics bytes_sent,request_size"
    )
    assert told(line, POD_NAMESPACE="ingress", POD_NAME="serin-0") == ControllerSettings(
        told=Told(
            "k", "ingress", "serin-0", per_host=False, status_classes=True, excluded=("bytes_sent", "request_size")
        ),
        namespace="ingress",
        pod="serin-0",
        options=Options(
            ingress_class="c",
            controller_class="k",
            ingress_class_by_name=True,
            watch_ingress_without_class=True,
            annotations_prefix="p",
            configmap=("a", "b"),
            default_backend_service=("c", "d"),
            default_ssl_certificate=("e", "f"),
            disable_catch_all=True,
            disable_svc_external_name=True,
            tcp_services=("t", "c"),
            udp_services=("u", "d"),
            ssl_passthrough=True,
            own_ports=(8080, 8443, 9443, 10254),
        ),
        scope=Scope("shop"),
        status=StatusSettings(update=False, clear_at_end=False, service=("g", "h"), internal=True, interval=30.0),
        election=ElectionSettings("e", 90.0, enabled=False),
        sync_events=False,
        webhook=WebhookSettings(("::1", 9443), pathlib.Path("crt"), pathlib.Path("key")),
    )


def test_two_controllers_side_by_side_have_a_lease_each() -> None:
    assert told("--ingress-class blue").election.name == "serin-blue-leader"


def test_addresses_and_selectors() -> None:
    found = told("--publish-status-address 192.0.2.1,lb.example --watch-namespace-selector 'team in (a,b),!old'")
    assert found.status.addresses == ("192.0.2.1", "lb.example")
    assert found.scope == Scope(selector="team in (a,b),!old")


@pytest.mark.parametrize("name", INGRESS_NGINX.split())
def test_every_flag_of_ingress_nginx_is_known(name: str) -> None:
    controller = controller_parser()
    assert f"--{name}" in controller._option_string_actions


@pytest.mark.parametrize("flag", sorted(SWITCHES))
def test_switches_that_do_nothing_are_taken_in_each_form(flag: str) -> None:
    for given in (flag, f"{flag}=true", f"{flag}=false"):
        assert parse(["controller", given, "--http-port", "81"]).unused == (flag,)


@pytest.mark.parametrize("flag", sorted(VALUED))
def test_flags_that_do_nothing_are_taken_with_their_value(flag: str) -> None:
    for given in ([flag, "5"], [f"{flag}=5"]):
        assert parse(["controller", *given, "--http-port", "81"]).unused == (flag,)


def test_each_says_once_why_it_does_nothing() -> None:
    given = parse(["controller", "--v=2", "--profiling", "--v=3"]).unused
    assert warnings(given) == [("--v", REASONS["--v"]), ("--profiling", REASONS["--profiling"])]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--update-status=maybe", "argument --update-status: expected true or false, got 'maybe'"),
        ("--update-status false", "unrecognized arguments: false"),
        ("--election-ttl soon", "argument --election-ttl: expected seconds from 0 to 86400, or a duration like 30s"),
        ("--election-ttl 10ms", "argument --election-ttl: expected a duration of 1s or longer, got '10ms'"),
        ("--status-update-interval 0", "argument --status-update-interval: expected a duration of 1s or longer"),
        ("--watch-namespace a,b", "argument --watch-namespace: expected the name of one namespace"),
        ("--watch-namespace-selector 'a b'", "argument --watch-namespace-selector: expected a label selector"),
        ("--watch-namespace a --watch-namespace-selector b", "not allowed with argument --watch-namespace"),
        ("--publish-service a/b --publish-status-address 1.2.3.4", "not allowed with argument --publish-service"),
        ("--publish-service web", "argument --publish-service: expected NAMESPACE/NAME, got 'web'"),
        (
            "--publish-status-address 1.2.3.400",
            "argument --publish-status-address: expected IP addresses or host names",
        ),
        (
            "--publish-status-address 1.2.3.4,,",
            "argument --publish-status-address: expected IP addresses or host names",
        ),
        ("--election-id My_Lease", "argument --election-id: expected lower-case letters"),
        ("--ingress-class ''", "argument --ingress-class: expected lower-case letters"),
        ("--validating-webhook 9443", "argument --validating-webhook: expected ADDRESS:PORT, like :8443, got '9443'"),
        ("--validating-webhook host:9443", "argument --validating-webhook: expected ADDRESS:PORT with an IP address"),
        ("--http-port http", "argument --http-port: expected a port from 0 to 65535, got 'http'"),
        ("--plane none2", "argument --plane: invalid choice: 'none2' (choose from 'proxy', 'nginx', 'none')"),
        ("--leader-elect", "did you mean"),
    ],
)
def test_a_wrong_value_is_refused_with_the_flag_and_what_is_allowed(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["controller", *shlex.split(line)])
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 2


def test_rollouts() -> None:
    found = told(
        "--facts-address :8444 --facts-secret s --facts-service infra/facts --canary-check-hosts 'prom,*.a.svc'"
    )
    assert found.facts == FactsSettings(pathlib.Path("s"), ("", 8444), ("infra", "facts"))
    assert found.check_hosts == read_allowed(["prom", "*.a.svc"])
    assert not found.approval_rbac
    assert told("--facts-secret s --facts-service infra/facts").facts == FactsSettings(
        pathlib.Path("s"), None, ("infra", "facts")
    )
    assert told("--canary-check-hosts ''").check_hosts == read_allowed([])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--validating-webhook :9443", "--validating-webhook needs --validating-webhook-certificate"),
        (
            "--validating-webhook :9443 --validating-webhook-certificate c",
            "--validating-webhook needs --validating-webhook-key",
        ),
        ("--validating-webhook-key k", "--validating-webhook-key needs --validating-webhook"),
        ("--plane none", "--plane none needs --run-dir"),
        ("--facts-address :8444", "--facts-address needs --facts-secret"),
        ("--facts-service a/b", "--facts-service needs --facts-secret"),
        ("--facts-secret d", "--facts-secret needs --facts-address or --facts-service"),
        ("--canary-approval-rbac", "--canary-approval-rbac needs --validating-webhook"),
    ],
)
def test_flags_that_need_each_other(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        told(line)


@pytest.mark.parametrize(
    "line", ["--kubeconfig nowhere.yaml", "--apiserver-host ftp://h", "--kubeconfig . ", "--nginx-lua off"]
)
def test_what_cannot_be_connected_to_is_one_sentence_and_code_two(
    line: str, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["controller", "--run-dir", str(tmp_path / "run"), *shlex.split(line)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_page_about_flags_has_every_one_of_them() -> None:
    controller = controller_parser()
    named = set(re.findall(r"`(--?[a-z][a-z_-]*)", DOCS.read_text()))
    assert {flag for flag in controller._option_string_actions if flag not in ("-h", "--help")} <= named


def test_the_page_gives_each_reason_as_the_log_does() -> None:
    text = " ".join(DOCS.read_text().split())
    assert [reason for reason in set(REASONS.values()) if reason not in text] == []

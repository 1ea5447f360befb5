"""Every flag of ingress-nginx, with values as its chart and its users give them: taken, or warned of with a reason."""

import pathlib

import pytest

from serin.cli import former_flags, workloads
from serin.cli.arguments import parse
from serin.cli.unused_flags import REASONS
from serin.errors import UsageError
from serin.lint.migration.model import Verdict

PLANES = ("proxy", "nginx")
MEANT = """
    --apiserver-host=https://192.0.2.1:6443 --certificate-authority=/etc/ca.crt --kubeconfig=/etc/kubeconfig
    --watch-namespace=shop --watch-namespace-selector=team=shop --ingress-class=nginx
    --controller-class=k8s.io/ingress-nginx --ingress-class-by-name=true --watch-ingress-without-class=true
    --annotations-prefix=nginx.ingress.kubernetes.io --disable-catch-all=false --disable-svc-external-name
    --configmap=ingress/options --tcp-services-configmap=ingress/tcp --udp-services-configmap=ingress/udp
    --default-backend-service=ingress/default --default-ssl-certificate=ingress/tls --enable-ssl-passthrough
    --disable-sync-events=true --publish-service=ingress/nginx --publish-status-address=192.0.2.7,lb.example
    --report-node-internal-ip-address=true --update-status=true --update-status-on-shutdown=false
    --status-update-interval=60 --election-id=ingress-controller-leader --election-ttl=30s
    --disable-leader-election=false --http-port=80 --https-port=443 --healthz-port=10254
    --shutdown-grace-period=30 --post-shutdown-grace-period=10 --metrics-per-host=false
    --report-status-classes=true --exclude-socket-metrics=nginx_ingress_controller_request_size
    --validating-webhook=:8443 --validating-webhook-certificate=/usr/local/certificates/cert
    --validating-webhook-key=/usr/local/certificates/key
"""
WARNED_OF = """
    --deep-inspect=true --enable-annotation-validation=true --enable-ssl-chain-completion=false
    --enable-topology-aware-routing=true --dynamic-configuration-retries=15 --sync-period=0s --sync-rate-limit=0.3
    --maxmind-edition-ids=GeoLite2-City --maxmind-license-key=secret --maxmind-mirror=https://mirror.example
    --maxmind-retries-count=1 --maxmind-retries-timeout=0s --ssl-passthrough-proxy-port=442
    --default-server-port=8181 --healthz-host=0.0.0.0 --status-port=10246 --stream-port=10247 --profiler-port=10245
    --profiler-address=127.0.0.1 --profiling=true --internal-logger-address=127.0.0.1:11514
    --health-check-path=/healthz --health-check-timeout=10 --enable-metrics=true
    --metrics-per-undefined-host=false --time-buckets=0.005,0.1,10 --length-buckets=10,20 --size-buckets=10,100
    --bucket-factor=0 --max-buckets=100 --monitor-max-batch-size=10000 --disable-full-test=true
    --v=2 -v=2 --logtostderr=true --alsologtostderr=false --stderrthreshold=2 --vmodule=a=2 --skip_headers=true
"""


@pytest.mark.parametrize("flag", MEANT.split())
def test_a_flag_with_a_meaning_is_taken_without_a_warning(flag: str) -> None:
    assert parse(["controller", flag]).unused == ()
    (line,) = former_flags.judge_flags([flag], PLANES).subject.lines
    assert line.verdict("proxy") in (Verdict.SAME, Verdict.DIFFERENT)


@pytest.mark.parametrize("flag", WARNED_OF.split())
def test_a_flag_without_meaning_is_taken_with_a_reason(flag: str) -> None:
    name = flag.partition("=")[0]
    assert parse(["controller", flag]).unused == (name,)
    (line,) = former_flags.judge_flags([flag], PLANES).subject.lines
    assert line.by_plane["nginx"].what == REASONS[name]


def test_the_table_has_every_flag_that_is_warned_of() -> None:
    listed = {flag.partition("=")[0] for flag in WARNED_OF.split()}
    assert set(REASONS) - listed <= {"--skip-headers"}


def test_a_flag_that_cannot_be_read_hides_no_other() -> None:
    given = ["--shutdown-grace-period=ten", "--no-such-flag", "--ingress-class=blue"]
    former = former_flags.judge_flags(given, PLANES)
    assert [line.verdict("proxy") for line in former.subject.lines] == [Verdict.REFUSED, Verdict.REFUSED, Verdict.SAME]
    assert "expected seconds" in former.subject.lines[0].by_plane["proxy"].what
    assert former.given.ingress_class == "blue"


def test_secret_values_are_not_shown() -> None:
    (line,) = former_flags.judge_flags(["--maxmind-license-key=hush"], PLANES).subject.lines
    assert "hush" not in repr(line)


def test_version_is_taken() -> None:
    (line,) = former_flags.judge_flags(["--version"], PLANES).subject.lines
    assert line.verdict("proxy") is Verdict.SAME


def test_flags_out_of_a_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "args"
    path.write_text(
        "/nginx-ingress-controller \\\n- --ingress-class=blue\n"
        '  - "--configmap=ingress/options"  # ours\n--http-port 80\n'
    )
    assert workloads.read_flags(path) == ("--ingress-class=blue", "--configmap=ingress/options", "--http-port=80")


def test_a_file_that_is_none(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="expected a text file with flags"):
        workloads.read_flags(tmp_path / "absent")
    (tmp_path / "quotes").write_text("--ingress-class='blue")
    with pytest.raises(UsageError, match="--args"):
        workloads.read_flags(tmp_path / "quotes")


@pytest.mark.parametrize("raw", [{}, {"spec": 1}, {"spec": {"template": {"spec": {"containers": ["x", {"args": 1}]}}}}])
def test_workloads_of_any_shape(raw: dict[str, object]) -> None:
    assert workloads.arguments_of([{"kind": "Deployment", **raw}]) is None

"""The ConfigMap's options for all hosts: what each becomes, and what a value becomes that cannot be read."""

from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.compile.manifests import codes, compile_objects, config_map, ingress, problem, route

from serin.compile.annotations.log_formats import VARIABLES, log_format
from serin.compile.compiler import Compiled
from serin.compile.findings import Findings
from serin.compile.settings import KEYS, SUBJECTS, read_settings
from serin.compile.settings_answers import TYPES
from serin.compile.settings_idle import HARMLESS, IDLE, REFUSED
from serin.compile.settings_model import Settings
from serin.objects.views import ConfigMap, Meta
from serin.problems import Severity
from serin.refs import Ref
from serin.routing.wide import Globals
from serin.telemetry import log_format as log_lines
from serin.telemetry import log_variables

NAME = ("serin", "config")
REF = Ref("ConfigMap", *NAME)
REFERENCE = """
proxy-body-size proxy-connect-timeout proxy-read-timeout proxy-send-timeout proxy-buffer-size proxy-buffers-number
proxy-buffering proxy-request-buffering proxy-next-upstream proxy-next-upstream-tries proxy-next-upstream-timeout
retry-non-idempotent ssl-redirect force-ssl-redirect http-redirect-code hsts hsts-include-subdomains hsts-preload
hsts-max-age ssl-protocols ssl-ciphers ssl-reject-handshake allow-snippet-annotations annotations-risk-level
annotation-value-word-blocklist allow-cross-namespace-resources strict-validate-path-type no-tls-redirect-locations
no-auth-locations global-auth-url global-auth-method global-auth-signin global-auth-signin-redirect-param
global-auth-response-headers global-auth-request-redirect global-auth-cache-key global-auth-cache-duration
global-auth-always-set-cookie main-snippet http-snippet server-snippet location-snippet stream-snippet lua-shared-dicts
enable-opentelemetry enable-modsecurity use-forwarded-headers compute-full-forwarded-for forwarded-for-header
use-proxy-protocol enable-real-ip proxy-real-ip-cidr log-format-upstream log-format-escape-json access-log-path
disable-access-log error-log-level worker-processes worker-shutdown-timeout max-worker-connections
enable-serial-reloads keep-alive keep-alive-requests upstream-keepalive-connections upstream-keepalive-timeout
upstream-keepalive-requests upstream-keepalive-time load-balance custom-http-errors proxy-set-headers add-headers
hide-headers server-tokens use-gzip enable-brotli use-http2 large-client-header-buffers client-body-buffer-size
whitelist-source-range denylist-source-range block-cidrs block-user-agents block-referers limit-req-status-code
limit-conn-status-code generate-request-id enable-underscores-in-headers ignore-invalid-headers reuse-port
"""
"""Every option that a ConfigMap of ingress-nginx is likely to hold."""


def configured(data: dict[str, str], **options: str) -> Compiled:
    settings_map = config_map()
    settings_map["data"] = data
    return compile_objects(ingress("main"), settings_map, configmap=NAME, **options)


def test_every_option_is_known() -> None:
    assert set(REFERENCE.split()) <= KEYS.keys() | IDLE.keys() | REFUSED.keys()


def test_each_option_stands_once() -> None:
    assert sum(len(keys) for keys in SUBJECTS.values()) == len(KEYS)
    assert not KEYS.keys() & (IDLE.keys() | REFUSED.keys())
    assert not IDLE.keys() & REFUSED.keys()
    assert HARMLESS.keys() <= IDLE.keys() | REFUSED.keys()


@pytest.mark.parametrize(
    ("key", "text", "attribute", "value"),
    [
        ("use-forwarded-headers", "true", "forwarding.trust", True),
        ("compute-full-forwarded-for", "true", "forwarding.full", True),
        ("forwarded-for-header", "CF-Connecting-IP", "forwarding.header", "CF-Connecting-IP"),
        ("enable-real-ip", "true", "forwarding.real_ip", True),
        ("use-proxy-protocol", "true", "forwarding.proxy_protocol", True),
        ("proxy-real-ip-cidr", "10.0.0.1/8, ::1", "forwarding.proxies", ("10.0.0.0/8", "::1/128")),
        ("keep-alive", "0", "connections.keep_alive", 0),
        ("keep-alive-requests", "7", "connections.keep_alive_requests", 7),
        ("client-header-timeout", "7", "connections.header_timeout", 7),
        ("client-body-timeout", "7", "connections.body_timeout", 7),
        ("client-header-buffer-size", "2k", "connections.header_buffer", 2048),
        ("large-client-header-buffers", "8 16k", "connections.large_headers_number", 8),
        ("large-client-header-buffers", "8 16k", "connections.large_headers_size", 16384),
        ("enable-underscores-in-headers", "true", "connections.underscores", True),
        ("ignore-invalid-headers", "false", "connections.ignore_invalid", False),
        ("upstream-keepalive-connections", "0", "connections.upstream_kept", 0),
        ("upstream-keepalive-timeout", "5", "connections.upstream_timeout", 5),
        ("upstream-keepalive-requests", "5", "connections.upstream_requests", 5),
        ("upstream-keepalive-time", "10m", "connections.upstream_time", 600),
        ("worker-processes", "3", "connections.workers", 3),
        ("worker-processes", "auto", "connections.workers", 0),
        ("max-worker-connections", "1000", "connections.worker_connections", 1000),
        ("worker-shutdown-timeout", "1m30s", "connections.shutdown_timeout", 90),
        ("http2-max-concurrent-streams", "10", "connections.streams", 10),
        ("ssl-protocols", "TLSv1.3", "tls.protocols", ("TLSv1.3",)),
        ("ssl-ciphers", "ECDHE-RSA-AES128-GCM-SHA256", "tls.ciphers", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("ssl-ecdh-curve", "X25519:prime256v1", "tls.curves", "X25519:prime256v1"),
        ("ssl-ecdh-curve", "x25519:P-256:prime256v1", "tls.curves", "X25519:prime256v1"),
        ("ssl-session-tickets", "true", "tls.tickets", True),
        ("ssl-session-cache", "false", "tls.session_cache", False),
        ("ssl-session-cache-size", "1m", "tls.session_cache_size", 1 << 20),
        ("ssl-session-timeout", "1h", "tls.session_timeout", 3600),
        ("ssl-buffer-size", "8k", "tls.buffer_size", 8192),
        ("use-http2", "false", "tls.http2", False),
        ("ssl-reject-handshake", "true", "reject_handshake", True),
        ("use-gzip", "true", "compression.gzip", True),
        ("use-gzip", "true", "compression.types", TYPES),
        ("enable-brotli", "true", "compression.gzip", True),
        ("gzip-level", "9", "compression.level", 9),
        ("gzip-min-length", "10", "compression.min_length", 10),
        ("gzip-types", "text/css  TEXT/plain", "compression.types", ("text/css", "text/plain")),
        ("disable-access-log", "true", "logs.off", True),
        ("disable-access-log", "true", "logs.stream_off", True),
        ("disable-stream-access-log", "true", "logs.stream_off", True),
        ("access-log-path", "/var/log/a.log", "logs.path", "/var/log/a.log"),
        ("log-format-upstream", "$remote_addr $http_x", "logs.format", "$remote_addr $http_x"),
        ("log-format-escape-json", "true", "logs.escape_json", True),
        ("log-format-stream", "$session_time", "logs.stream_format", "$session_time"),
        ("stream-access-log-path", "/var/log/s.log", "logs.stream_path", "/var/log/s.log"),
        ("proxy-stream-timeout", "10m", "passing.timeout", 600),
        ("proxy-stream-timeout", "30", "passing.timeout", 30),
        ("proxy-stream-responses", "0", "passing.responses", 0),
        ("proxy-stream-next-upstream", "false", "passing.next_upstream", False),
        ("proxy-stream-next-upstream-timeout", "0", "passing.tries_timeout", 0),
        ("proxy-stream-next-upstream-tries", "0", "passing.tries", 0),
        ("proxy-protocol-header-timeout", "10s", "forwarding.line_timeout", 10),
        ("error-log-level", "warn", "logs.error_level", "warn"),
        ("skip-access-log-urls", "/a, /b", "logs.skip", ("/a", "/b")),
        ("hide-headers", "X-A, X-B", "lines.hidden", ("X-A", "X-B")),
        ("server-tokens", "true", "server_tokens", True),
        ("generate-request-id", "false", "generate_request_id", False),
        ("limit-req-status-code", "429", "limit_req_status", 429),
        ("limit-conn-status-code", "429", "limit_conn_status", 429),
        ("block-cidrs", "10.0.0.0/8", "blocks.cidrs", ("10.0.0.0/8",)),
    ],
)
def test_options(key: str, text: str, attribute: str, value: object) -> None:
    compiled = configured({key: text}, plane="nginx")
    assert attrgetter(attribute)(compiled.plan.globals) == value
    told = {"config-without-effect"} if key == "enable-brotli" else set()
    assert {code for code in codes(compiled) if code.startswith("config")} == told


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((key, "perhaps") for key in ("use-gzip", "use-forwarded-headers", "server-tokens", "use-proxy-protocol")),
        ("keep-alive", "-1"),
        ("keep-alive-requests", "0"),
        ("client-header-timeout", "10s"),
        ("large-client-header-buffers", "4"),
        ("large-client-header-buffers", "0 8k"),
        ("large-client-header-buffers", "4 8g"),
        ("large-client-header-buffers", "4 256"),
        ("forwarded-for-header", "X Forwarded"),
        ("forwarded-for-header", "X;"),
        ("ssl-protocols", "SSLv3"),
        ("ssl-ciphers", "NO-SUCH-CIPHER"),
        ("ssl-ecdh-curve", "round"),
        ("ssl-ecdh-curve", "auto:X25519"),
        ("ssl-session-timeout", "soon"),
        ("gzip-level", "10"),
        ("gzip-types", "text"),
        ("access-log-path", "relative.log"),
        ("access-log-path", "/a/../b"),
        ("access-log-path", "/a b"),
        ("log-format-upstream", "$no_such_variable"),
        ("log-format-upstream", "$"),
        ("log-format-upstream", "$http_"),
        ("log-format-stream", "$request_uri"),
        ("error-log-level", "loud"),
        ("skip-access-log-urls", "/a$b"),
        ("hide-headers", "X A"),
        ("custom-http-errors", "200"),
        ("proxy-set-headers", "without-namespace"),
        ("worker-processes", "0"),
        ("worker-shutdown-timeout", "99d"),
        ("limit-rate", "-1"),
    ],
)
def test_values_that_cannot_be_read(key: str, text: str) -> None:
    compiled = configured({key: text}, plane="nginx")
    found = problem(compiled, "config-invalid")
    assert (str(found.source), found.severity) == (f"ConfigMap serin/config: data[{key}]", Severity.ERROR)
    assert compiled.plan == configured({}, plane="nginx").plan


def test_of_trusted_networks_the_good_ones_stay() -> None:
    compiled = configured({"proxy-real-ip-cidr": "10.0.0.0/8, 300.0.0.0/8, x"})
    assert compiled.plan.globals.forwarding.proxies == ("10.0.0.0/8",)
    assert "300.0.0.0/8" in problem(compiled, "config-invalid").text


def test_where_none_can_be_read_nobody_is_trusted() -> None:
    compiled = configured({"proxy-real-ip-cidr": "everybody", "use-forwarded-headers": "true"})
    assert compiled.plan.globals.forwarding.proxies == ()


@pytest.mark.parametrize("key", sorted(IDLE))
def test_options_without_effect_say_why(key: str) -> None:
    compiled = configured({key: "something"})
    found = problem(compiled, "config-without-effect")
    assert found.severity is Severity.WARNING
    assert IDLE[key] in found.text
    assert compiled.plan == configured({}).plan


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_options_that_would_keep_others_out_are_errors(key: str) -> None:
    assert problem(configured({key: "something"}), "config-unsupported").severity is Severity.ERROR


@pytest.mark.parametrize("key", sorted(HARMLESS))
def test_values_that_ask_for_nothing(key: str) -> None:
    for text in HARMLESS[key]:
        assert not [code for code in codes(configured({key: text})) if code.startswith("config")]


def test_retries_of_all_requests() -> None:
    upstream = route(configured({"retry-non-idempotent": "true"})).policy.upstream
    assert upstream.next_upstream == ("error", "timeout", "non_idempotent")
    notes = {"proxy-next-upstream": "http_502"}
    found = compile_objects(ingress("main", notes=notes), config_map(retry_non_idempotent="true"), configmap=NAME)
    assert route(found).policy.upstream.next_upstream == ("http_502", "non_idempotent")
    off = compile_objects(
        ingress("main", notes={"proxy-next-upstream": "off"}), config_map(retry_non_idempotent="true"), configmap=NAME
    )
    assert route(off).policy.upstream.next_upstream == ("off",)


def test_bandwidth_of_all_answers() -> None:
    bandwidth = route(configured({"limit-rate": "10", "limit-rate-after": "2"})).policy.bandwidth
    assert bandwidth is not None
    assert (bandwidth.rate, bandwidth.after) == (10240, 2048)


def test_the_original_uri_is_a_header_as_others() -> None:
    (line,) = configured({"proxy-add-original-uri-header": "true"}).plan.globals.lines.to_endpoints
    assert (line.name, line.value) == ("X-Original-URI", "$request_uri")


def test_default_backend_of_all_hosts() -> None:
    compiled = compile_objects(default_backend_service=("infra", "pages"))
    fallback = compiled.plan.globals.fallback
    assert fallback is not None
    assert fallback.split in compiled.plan.splits
    assert compiled.plan.pools[fallback.pool].spec.service == "pages"


def test_without_a_config_map_all_is_as_the_plan_s_defaults() -> None:
    assert compile_objects().plan.globals == Globals()


def test_variables_of_log_formats_are_those_that_the_proxy_can_write() -> None:
    known = log_variables._VARIABLES.keys() | log_variables.UNKNOWN | log_lines._TIMES.keys()
    assert known >= VARIABLES


@given(st.text(max_size=30))
def test_a_format_is_taken_as_it_is_or_not_at_all(text: str) -> None:
    assert log_format(text) in (None, text)


@given(
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.text(max_size=20), max_size=6),
    st.sampled_from(["proxy", "nginx"]),
)
def test_any_values_give_settings(data: dict[str, str], plane: str) -> None:
    findings = Findings()
    made = read_settings(ConfigMap(Meta(REF), data), REF, findings, plane)
    assert isinstance(made, Settings)
    assert all(found.source.ref == REF for found in findings.problems)

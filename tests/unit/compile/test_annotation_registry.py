"""The registry as a whole: complete, consistent, and the same as its reference page."""

import pathlib
import re

import pytest

from serin.compile.annotations.balancing import VARIABLES
from serin.compile.annotations.model import Concern
from serin.compile.annotations.reference import reference
from serin.compile.annotations.table import ALIASES, ANNOTATIONS, FAMILIES, OURS, REMOVED
from serin.compile.annotations.variables import ADDRESSING
from serin.dataplane.proxy import variables

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "annotations.md"

# Every annotation of ingress-nginx 1.15.1, and whether it decides who may come in.
ACCESS = """
allowlist-source-range denylist-source-range auth-secret auth-secret-type auth-type auth-url auth-tls-match-cn
auth-tls-secret auth-tls-verify-client auth-tls-verify-depth limit-connections limit-rpm limit-rps enable-modsecurity
enable-owasp-core-rules modsecurity-snippet proxy-ssl-verify satisfy auth-method auth-response-headers
auth-proxy-set-headers auth-snippet auth-cache-key auth-cache-duration enable-global-auth
limit-burst-multiplier limit-allowlist
"""
OTHERS = """
server-alias backend-protocol auth-realm canary canary-by-cookie canary-by-header canary-by-header-pattern
canary-by-header-value canary-weight canary-weight-total auth-tls-error-page auth-tls-pass-certificate-to-upstream
client-body-buffer-size configuration-snippet connection-proxy-header cors-allow-credentials cors-allow-headers
cors-allow-methods cors-allow-origin cors-expose-headers cors-max-age enable-cors custom-http-errors custom-headers
default-backend disable-proxy-intercept-errors auth-always-set-cookie auth-keepalive auth-keepalive-requests
auth-keepalive-share-vars auth-keepalive-timeout auth-request-redirect auth-signin auth-signin-redirect-param
fastcgi-index fastcgi-params-configmap http2-push-preload load-balance enable-access-log
enable-rewrite-log mirror-host mirror-request-body mirror-target modsecurity-transaction-id enable-opentelemetry
opentelemetry-operation-name opentelemetry-trust-incoming-span proxy-body-size proxy-buffer-size proxy-buffering
proxy-buffers-number proxy-busy-buffers-size proxy-connect-timeout proxy-cookie-domain proxy-cookie-path
proxy-http-version proxy-max-temp-file-size proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries
proxy-read-timeout proxy-redirect-from proxy-redirect-to proxy-request-buffering proxy-send-timeout proxy-ssl-ciphers
proxy-ssl-name proxy-ssl-protocols proxy-ssl-secret proxy-ssl-server-name proxy-ssl-verify-depth limit-rate
limit-rate-after from-to-www-redirect permanent-redirect permanent-redirect-code relative-redirects temporal-redirect
temporal-redirect-code app-root force-ssl-redirect preserve-trailing-slash rewrite-target ssl-redirect use-regex
ssl-ciphers ssl-prefer-server-ciphers ssl-passthrough server-snippet service-upstream affinity
affinity-canary-behavior affinity-mode session-cookie-change-on-failure session-cookie-conditional-samesite-none
session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-path
session-cookie-samesite session-cookie-secure stream-snippet upstream-hash-by upstream-hash-by-subset
upstream-hash-by-subset-size upstream-vhost use-port-in-redirects x-forwarded-prefix
"""


def test_every_annotation_of_ingress_nginx_is_known() -> None:
    names = ACCESS.split() + OTHERS.split()
    assert len(set(names)) == len(names) == 136
    assert set(ANNOTATIONS) == set(names)


def test_what_is_not_supported_is_snippets_a_firewall_and_tracing() -> None:
    snippets = {"configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet"}
    firewall = {"enable-modsecurity", "enable-owasp-core-rules", "modsecurity-snippet", "modsecurity-transaction-id"}
    tracing = {"enable-opentelemetry", "opentelemetry-operation-name", "opentelemetry-trust-incoming-span"}
    lacking = {a.name for a in ANNOTATIONS.values() if not a.supported}
    assert lacking == snippets | firewall | tracing
    assert all(a.instead for a in ANNOTATIONS.values() if not a.supported)


def test_how_many_each_plane_honours() -> None:
    assert sum("nginx" in a.planes for a in ANNOTATIONS.values()) >= 120
    assert sum("proxy" in a.planes for a in ANNOTATIONS.values()) >= 105


def test_access_rules_are_of_class_access() -> None:
    assert {a.name for a in ANNOTATIONS.values() if a.concern is Concern.ACCESS} == set(ACCESS.split())


def test_no_name_is_declared_twice() -> None:
    declared = [(a.ours, a.name) for family in FAMILIES.values() for a in family]
    assert len(declared) == len(set(declared))


def test_older_names_lead_somewhere() -> None:
    assert set(ALIASES) == {"whitelist-source-range", "limit-whitelist"}
    families = ("influxdb-", "global-rate-limit", "opentracing-")
    gone = {name for name in REMOVED if not name.startswith(families)}
    assert gone == {
        *("secure-backends", "grpc-backend", "add-base-url", "base-url-scheme", "session-cookie-hash", "mirror-uri"),
        *("enable-opentracing", "enable-influxdb"),
    }
    assert set(ALIASES.values()) <= set(ANNOTATIONS)
    assert not set(ALIASES) & set(ANNOTATIONS)
    assert not set(REMOVED) & set(ANNOTATIONS)


@pytest.mark.parametrize("annotation", [*ANNOTATIONS.values(), *OURS.values()], ids=lambda a: a.name)
def test_each_annotation_says_what_it_is(annotation: object) -> None:
    assert annotation.about.endswith((".", "."))  # type: ignore[attr-defined]
    assert annotation.grammar.expected  # type: ignore[attr-defined]
    if annotation.supported:  # type: ignore[attr-defined]
        assert annotation.planes  # type: ignore[attr-defined]
        assert annotation.grammar.read("\n") in (None, ())  # type: ignore[attr-defined]


def test_reference_page_is_the_registry() -> None:
    """`python -m serin.compile.annotations.reference > docs/annotations.md` writes it anew."""
    assert PAGE.read_text() == reference()


def test_reference_page_names_them_all() -> None:
    named = set(re.findall(r"^\| `([^`]+)`", reference(), re.MULTILINE))
    assert named >= set(ANNOTATIONS) | {f"serin.dev/{name}" for name in OURS} | set(ALIASES) | set(REMOVED)


def test_variables_known_here_are_those_that_the_proxy_has() -> None:
    fixed = {"namespace", "ingress_name", "service_name", "service_port", "location_path"}
    assert fixed | VARIABLES <= set(variables._VARIABLES) | fixed <= VARIABLES | ADDRESSING

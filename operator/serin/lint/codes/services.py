"""Codes about Services, their endpoints and addresses."""

from serin.lint.codes.model import Code, ingress, join


def _service(spec: str, name: str = "shop") -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def _slice(body: str, head: str = "", kind: str = "IPv4") -> str:
    labels = head or "{name: shop-1, labels: {kubernetes.io/service-name: shop}}"
    return f"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: {kind}\nmetadata: {labels}\n{body}"


_PORTS = "{ports: [{name: http, port: 80, targetPort: 8080}]}"
_INGRESS = ingress(service="shop")
_READY = "endpoints: [{addresses: [10.0.0.3]}]\nports: [{name: http, port: 8080}]\n"

CODES = (
    Code(
        "service-not-found",
        "no such Service",
        "The Service that is named is not in the namespace; requests for it get 503.",
        "Create the Service, or correct the name.",
        _INGRESS,
        alike=True,
    ),
    Code(
        "service-port-not-found",
        "no such port of the Service",
        "The Service has no port of this number or name; requests get 503.",
        "Name one of the ports that the problem lists.",
        join(ingress(service="web", port="number: 8080").replace("number: 8080", "number: 81")),
        alike=True,
    ),
    Code(
        "no-ready-endpoints",
        "nobody is ready",
        "No pod of the Service is ready on this port; requests get 503.",
        "Look at the pods and their readiness probes, and at the port's name or number in the Service.",
        join(_INGRESS, _service(_PORTS)),
        alike=True,
    ),
    Code(
        "external-name-refused",
        "a name that may not be named",
        "`externalName` is this pod itself or the like, or `--disable-svc-external-name` is set; requests get 503.",
        "Name a host outside of the pod.",
        join(_INGRESS, _service("{type: ExternalName, externalName: api.example.com, ports: [{port: 80}]}")),
        flags="--disable-svc-external-name",
        alike=True,
    ),
    Code(
        "address-refused",
        "an address that nobody may name",
        "Loopback, link-local and metadata addresses are not asked, whoever names them.",
        "Name an address of the network.",
        ingress("auth-url: http://169.254.169.254/latest"),
        "",
        there="asked: so could a tenant reach what only the node may",
    ),
    Code(
        "invalid-external-name",
        "no DNS name",
        "`externalName` is no name that can be resolved; requests get 503.",
        "Write a DNS name.",
        join(_INGRESS, _service("{type: ExternalName, externalName: 'api example', ports: [{port: 80}]}")),
    ),
    Code(
        "invalid-service-type",
        "an unknown type of Service",
        "The API server knows no such type; it is taken for ClusterIP.",
        "Write ClusterIP, NodePort, LoadBalancer or ExternalName.",
        join(_INGRESS, _service("{type: Public, ports: [{name: http, port: 80}]}"), _slice(_READY)),
    ),
    Code(
        "invalid-session-affinity",
        "an unknown session affinity",
        "Expected are None and ClientIP; it counts as None.",
        "Write one of them.",
        join(_INGRESS, _service("{sessionAffinity: Cookie, ports: [{name: http, port: 80}]}"), _slice(_READY)),
    ),
    Code(
        "invalid-address",
        "no address",
        "An endpoint's address is none of the slice's type; it is left out.",
        "Write an IP address of the slice's `addressType`.",
        join(_INGRESS, _service(_PORTS), _slice(_READY.replace("10.0.0.3", "shop.internal"))),
    ),
    Code(
        "address-type-unsupported",
        "an EndpointSlice of another type",
        "Expected are IPv4 and IPv6; the slice is ignored.",
        "Use a Service of type ExternalName for names.",
        join(_INGRESS, _service(_PORTS), _slice(_READY.replace("10.0.0.3", "shop.internal"), kind="FQDN")),
        alike=True,
    ),
    Code(
        "service-label-missing",
        "an EndpointSlice of no Service",
        "Without the label `kubernetes.io/service-name` nobody knows whose endpoints these are.",
        "Set the label.",
        join(_INGRESS, _service(_PORTS), _slice(_READY, "{name: shop-1}")),
        alike=True,
    ),
)

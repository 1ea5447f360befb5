"""Service, as far as a proxy needs it."""

from serin.objects.fields import Fields, shorten
from serin.objects.names import is_domain
from serin.objects.views import Meta, Service, ServicePort

# Kubernetes' default for sessionAffinityConfig.clientIP.timeoutSeconds: three hours; at most a day.
_AFFINITY_TIMEOUT = 10800
_AFFINITY_TIMEOUT_MAX = 86400
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


def read_service(root: Fields, meta: Meta) -> Service:
    spec = root.mapping("spec")
    if spec is None:
        if not root.has("spec"):
            root.report.error("spec", "missing-field", "expected spec with ports; nothing can be sent to this Service")
        return Service(meta, "ClusterIP", "", "", ())
    return Service(
        meta=meta,
        type=_type(spec),
        cluster_ip=spec.text("clusterIP"),
        external_name=_external_name(spec),
        ports=tuple(port for item in spec.mappings("ports") if (port := _port(item)) is not None),
        affinity_timeout=_affinity_timeout(spec),
    )


def _type(spec: Fields) -> str:
    found = spec.text("type", "ClusterIP")
    if found in _TYPES:
        return found
    text = f"expected one of {', '.join(_TYPES)}, found {shorten(found)!r}; it counts as ClusterIP"
    spec.report.error(spec.at("type"), "invalid-service-type", text)
    return "ClusterIP"


def _external_name(spec: Fields) -> str:
    if spec.raw.get("type") != "ExternalName":
        return ""
    name = spec.text("externalName").lower().removesuffix(".")
    if is_domain(name):
        return name
    text = f"expected a DNS name, found {shorten(name)!r}; nothing can be sent to this Service"
    spec.report.error(spec.at("externalName"), "invalid-external-name", text)
    return ""


def _port(fields: Fields) -> ServicePort | None:
    port = fields.integer("port", 1, 65535)
    if port is None:
        if not fields.has("port"):
            fields.report.error(fields.at("port"), "missing-field", "expected a port number; this port is left out")
        return None
    return ServicePort(fields.text("name"), port, _target(fields), fields.text("protocol", "TCP"))


def _target(fields: Fields) -> int | str | None:
    """By number or by name. A number in quotes would be a name without a letter, which cannot exist."""
    value = fields.raw.get("targetPort")
    if value is None or type(value) is int:
        return fields.integer("targetPort", 1, 65535)
    name = fields.text("targetPort")
    if name.isascii() and name.isdecimal():
        text = f"a port's number is written without quotes; read as {shorten(name)}"
        fields.report.warning(fields.at("targetPort"), "number-in-quotes", text)
        return int(name) if len(name) <= 5 and 1 <= int(name) <= 65535 else None
    return name or None


def _affinity_timeout(spec: Fields) -> int:
    """Seconds, 0 without sessionAffinity ClientIP."""
    affinity = spec.text("sessionAffinity", "None")
    if affinity not in ("None", "ClientIP"):
        text = f"expected None or ClientIP, found {shorten(affinity)!r}; it counts as None"
        spec.report.error(spec.at("sessionAffinity"), "invalid-session-affinity", text)
    if affinity != "ClientIP":
        return 0
    config = spec.mapping("sessionAffinityConfig")
    client_ip = None if config is None else config.mapping("clientIP")
    timeout = None if client_ip is None else client_ip.integer("timeoutSeconds", 1, _AFFINITY_TIMEOUT_MAX)
    return _AFFINITY_TIMEOUT if timeout is None else timeout

"""Ingress and IngressClass of networking.k8s.io/v1. What cannot be used is left out with a problem; the rest lives."""

from serin.objects.fields import Fields, is_text, shorten
from serin.objects.names import clean_host
from serin.objects.views import Ingress, IngressClass, IngressPath, IngressRule, IngressTls, Meta, ServicePortRef

_PATH_TYPES = ("Exact", "Prefix", "ImplementationSpecific")
_NEVER_IN_PATH = ("//", "/./", "/../")
_SPEC = frozenset(("ingressClassName", "defaultBackend", "tls", "rules"))
_RULE = frozenset(("host", "http"))
_HTTP = frozenset(("paths",))
_PATH = frozenset(("path", "pathType", "backend"))
_BACKEND = frozenset(("service", "resource"))
_SERVICE = frozenset(("name", "port"))
_PORT = frozenset(("number", "name"))
_TLS = frozenset(("hosts", "secretName"))
_OLD = frozenset(("backend", "serviceName", "servicePort"))
"""Fields of older API versions, which have problems of their own."""
_NOTHING = "expected spec with rules or a defaultBackend; it serves nothing"
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


def read_ingress(root: Fields, meta: Meta) -> Ingress:
    spec = root.mapping("spec")
    if spec is None:
        if not root.has("spec"):
            root.report.error("spec", "missing-field", _NOTHING)
        return Ingress(meta, None, None, (), ())
    spec.only(_SPEC, passing=_OLD)
    _refuse_old_default_backend(spec)
    if not (spec.raw.get("rules") or spec.has("defaultBackend") or spec.has("backend")):
        root.report.error("spec", "missing-field", _NOTHING)
    rules = tuple(rule for fields in spec.mappings("rules") if (rule := _rule(fields, meta)) is not None)
    return Ingress(
        meta=meta,
        class_name=spec.text("ingressClassName") or None,
        default_backend=_default_backend(spec, rules),
        rules=rules,
        tls=tuple(_tls(fields, meta) for fields in spec.mappings("tls")),
    )


def _default_backend(spec: Fields, rules: tuple[IngressRule, ...]) -> ServicePortRef | None:
    """An Ingress that wrote rules, none of them usable, must not look like one that asks for every host."""
    fields = spec.mapping("defaultBackend")
    if fields is None:
        return None
    if spec.raw.get("rules") and not rules:
        text = "this defaultBackend is for the hosts of the rules, and none of these can be used; it serves nothing"
        fields.report.error(fields.path, "default-backend-without-host", text)
        return None
    return _backend(fields)


def read_ingress_class(root: Fields, meta: Meta) -> IngressClass:
    spec = root.mapping("spec")
    controller = "" if spec is None else spec.text("controller")
    if not controller:
        root.report.error("spec.controller", "missing-field", "expected a controller's name; no controller serves it")
    return IngressClass(meta, controller, meta.annotations.get(_DEFAULT_CLASS) == "true")


def _rule(fields: Fields, meta: Meta) -> IngressRule | None:
    fields.only(_RULE)
    if fields.has("host") and not is_text(fields.raw["host"]):
        # Not "any host": a rule that named a host must never take everybody's requests.
        fields.report.wrong_type(fields.at("host"), "a host name", fields.raw["host"])
        return None
    host = fields.text("host")
    if host:
        cleaned = clean_host(host)
        if cleaned is None:
            _invalid_host(fields, fields.at("host"), host, "rule")
            return None
        host = cleaned
    http = fields.mapping("http")
    if http is None:
        return IngressRule(host, (), meta.at(fields.path))
    http.only(_HTTP)
    if not http.sequence("paths"):
        note = "expected at least one path; only the default backend serves this host"
        fields.report.warning(http.at("paths"), "missing-field", note)
    paths = tuple(path for item in http.mappings("paths") if (path := _path(item, meta)) is not None)
    return IngressRule(host, paths, meta.at(fields.path))


def _path(fields: Fields, meta: Meta) -> IngressPath | None:
    fields.only(_PATH)
    if not fields.has("pathType"):
        text = f"expected one of {', '.join(_PATH_TYPES)}, as the API server does; it counts as ImplementationSpecific"
        fields.report.warning(fields.at("pathType"), "path-type-missing", text)
    path_type = fields.text("pathType", "ImplementationSpecific")
    if path_type not in _PATH_TYPES:
        text = f"expected one of {', '.join(_PATH_TYPES)}, found {shorten(path_type)!r}; this path is not served"
        fields.report.error(fields.at("pathType"), "invalid-path-type", text)
        return None
    if fields.has("path") and not is_text(fields.raw["path"]):
        fields.report.wrong_type(fields.at("path"), "a path", fields.raw["path"])
        return None
    path = fields.text("path") or "/"
    if not path.startswith("/"):
        text = f"expected a path that begins with '/', found {shorten(path)!r}; this path is not served"
        fields.report.error(fields.at("path"), "path-not-absolute", text)
        return None
    if path_type != "ImplementationSpecific" and _is_never_requested(path):
        text = f"requests are matched with '//', '/./' and '/../' resolved, so nothing reaches {shorten(path)!r}"
        fields.report.warning(fields.at("path"), "path-never-matches", text)
    backend = fields.mapping("backend")
    if backend is None and not fields.has("backend"):
        fields.report.error(fields.at("backend"), "missing-field", "expected a backend; requests get 503")
    return IngressPath(path, path_type, None if backend is None else _backend(backend), meta.at(fields.path))


def _is_never_requested(path: str) -> bool:
    return any(part in path for part in _NEVER_IN_PATH) or path.endswith(("/.", "/.."))


def _backend(fields: Fields) -> ServicePortRef | None:
    """None, with a problem, when it names no Service and port."""
    fields.only(_BACKEND, passing=_OLD)
    if fields.has("resource"):
        text = "a resource as backend is not supported, expected a service; requests get 503"
        fields.report.error(fields.at("resource"), "backend-resource-unsupported", text)
        return None
    service = fields.mapping("service")
    if service is None:
        if fields.has("serviceName") or fields.has("servicePort"):
            text = (
                "serviceName and servicePort are of an older API; write service.name and service.port; requests get 503"
            )
            fields.report.error(fields.path, "backend-old-fields", text)
        elif not fields.has("service"):
            text = "expected a service with name and port; requests get 503"
            fields.report.error(fields.at("service"), "missing-field", text)
        return None
    service.only(_SERVICE)
    name = service.text("name")
    port = _port(service)
    if not name and not service.has("name"):
        fields.report.error(service.at("name"), "missing-field", "expected a Service's name; requests get 503")
    return ServicePortRef(name, port) if name and port is not None else None


def _port(service: Fields) -> int | str | None:
    port = service.mapping("port")
    if port is None or not (port.has("number") or port.has("name")):
        if port is not None or not service.has("port"):
            text = "expected port.number or port.name; requests get 503"
            service.report.error(service.at("port"), "missing-field", text)
        return None
    port.only(_PORT)
    if port.has("number") and port.has("name"):
        text = "number and name are both given, expected one of them; requests get 503"
        service.report.error(port.path, "port-number-and-name", text)
        return None
    if port.has("number"):
        return port.integer("number", 1, 65535)
    return port.text("name") or None


def _tls(fields: Fields, meta: Meta) -> IngressTls:
    fields.only(_TLS)
    hosts = []
    for path, text in fields.texts("hosts"):
        host = clean_host(text)
        if host is None:
            _invalid_host(fields, path, text, "host")
        else:
            hosts.append(host)
    return IngressTls(tuple(hosts), fields.text("secretName"), meta.at(fields.path))


def _invalid_host(fields: Fields, path: str, found: str, what: str) -> None:
    text = (
        f"expected a DNS name or '*.' and a DNS name, without port, found {shorten(found)!r}; this {what} is left out"
    )
    fields.report.error(path, "invalid-host", text)


def _refuse_old_default_backend(spec: Fields) -> None:
    if spec.has("backend"):
        text = "spec.backend is of an older API and has no effect; write spec.defaultBackend"
        spec.report.error(spec.at("backend"), "backend-old-fields", text)

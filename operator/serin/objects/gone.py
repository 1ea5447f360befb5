"""What to tell a user whose object is of an API version that Kubernetes no longer serves."""

from collections.abc import Iterator, Mapping

from serin.objects.fields import Fields, Report, plain_text, shorten

_SHOWN = 3
_SLICE_TEXT = (
    "apiVersion discovery.k8s.io/v1beta1 is gone since Kubernetes 1.25 and this EndpointSlice is not read; "
    "write apiVersion: discovery.k8s.io/v1"
)


def ingress_gone(root: Fields, api_version: str) -> None:
    text = (
        f"apiVersion {api_version} is gone since Kubernetes 1.22 and this Ingress is not served; write apiVersion: "
        "networking.k8s.io/v1, for every path a pathType (Prefix, Exact or ImplementationSpecific), "
        "and backend.service.name with backend.service.port.number (or port.name)"
    )
    examples = list(_rewritten(root))
    if examples:
        text += ". Here: " + "; ".join(examples[:_SHOWN])
        if len(examples) > _SHOWN:
            text += f"; and {len(examples) - _SHOWN} more"
    root.report.error("apiVersion", "api-version-gone", text)


def class_gone(root: Fields, api_version: str) -> None:
    text = (
        f"apiVersion {api_version} is gone since Kubernetes 1.22 and this IngressClass is not read; "
        "write apiVersion: networking.k8s.io/v1"
    )
    root.report.error("apiVersion", "api-version-gone", text)


def slice_gone(root: Fields, api_version: str) -> None:
    root.report.error("apiVersion", "api-version-gone", _SLICE_TEXT)


def _rewritten(root: Fields) -> Iterator[str]:
    """Each old backend of the object, and the same in the new form. Reads without further problems."""
    quiet = Fields(root.raw, "", Report(root.report.ref))
    spec = quiet.mapping("spec")
    if spec is None:
        return
    backend = spec.mapping("backend")
    if backend is not None:
        yield f"spec.backend becomes spec.defaultBackend: {_new_form(backend.raw)}"
    for rule in spec.mappings("rules"):
        http = rule.mapping("http")
        for path in http.mappings("paths") if http is not None else ():
            backend = path.mapping("backend")
            if backend is not None:
                yield f"{path.path} (path {shorten(path.text('path') or '/')}) gets {_new_path(path)}"


def _new_path(path: Fields) -> str:
    backend = path.mapping("backend")
    assert backend is not None
    return f"pathType: {path.text('pathType') or 'Prefix'} and backend: {_new_form(backend.raw)}"


def _new_form(backend: Mapping[object, object]) -> str:
    name = shorten(plain_text(backend.get("serviceName"))) or "NAME"
    port = backend.get("servicePort")
    is_name = isinstance(port, str) and not port.isdecimal()
    shown = shorten(plain_text(port)) or "PORT"
    return f"{{service: {{name: {name}, port: {{{'name' if is_name else 'number'}: {shown}}}}}}}"

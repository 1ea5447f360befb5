"""What is known of a problem's code, and the objects of its example, short to write.

An example is compiled when its page is made, so that what the page says of it is what `serin lint` says.
"""

import textwrap
from dataclasses import dataclass

PREFIX = "nginx.ingress.kubernetes.io/"
HOST = "shop.example.com"


@dataclass(frozen=True, slots=True)
class Code:
    """`what` it means, what to `do`. `there`: what ingress-nginx does instead, empty where that is not known to differ;
    `alike`: the same was true there, only that nobody was told.

    `example`: objects that give it, beside those in SURROUNDINGS, looked at with `flags`; `request`: one to them, as
    `METHOD URL [Header: value]`, empty where none shows it. `unshown`: why there is no example.
    """

    code: str
    title: str
    what: str
    do: str
    example: str = ""
    request: str = f"GET http://{HOST}/"
    flags: str = ""
    there: str = ""
    alike: bool = False
    unshown: str = ""


def ingress(
    *notes: str,
    name: str = "web",
    host: str = HOST,
    path: str = "/",
    path_type: str = "Prefix",
    service: str = "web",
    port: str = "number: 80",
    namespace: str = "",
    paths: tuple[tuple[str, str, str], ...] = (),
    tls: str = "",
    spec: str = "",
    rules: str | None = None,
) -> str:
    """`notes` without prefix, as `canary: "true"`; `tls`, `spec` and `rules` as YAML; `paths` (path, type, Service)."""
    lines = ["apiVersion: networking.k8s.io/v1", "kind: Ingress", "metadata:", f"  name: {name}"]
    if namespace:
        lines.append(f"  namespace: {namespace}")
    if notes:
        lines.append("  annotations:")
        lines += (f"    {note}" if "/" in note.partition(":")[0] else f"    {PREFIX}{note}" for note in notes)
    lines += ["spec:", "  ingressClassName: nginx"]
    lines += textwrap.indent(spec, "  ").splitlines()
    if tls:
        lines += ["  tls:", *textwrap.indent(tls, "  ").splitlines()]
    if rules is not None:
        lines += textwrap.indent(rules, "  ").splitlines()
        return "\n".join(lines) + "\n"
    lines += ["  rules:", f"  - host: '{host}'" if "*" in host else f"  - host: {host}", "    http:", "      paths:"]
    for at, kind, backend in paths or ((path, path_type, service),):
        lines += [f"      - path: {at}", f"        pathType: {kind}", "        backend:", "          service:"]
        lines += [f"            name: {backend}", f"            port: {{{port}}}"]
    return "\n".join(lines) + "\n"


def canary(*notes: str, name: str = "next", service: str = "next", **more: str) -> str:
    """A canary to Service `next`."""
    return ingress('canary: "true"', *notes, name=name, service=service, **more)  # type: ignore[arg-type]


def route(spec: str, name: str = "web") -> str:
    """A CanaryRoute."""
    head = f"apiVersion: serin.dev/v1alpha1\nkind: CanaryRoute\nmetadata:\n  name: {name}\nspec:\n"
    return head + textwrap.indent(spec, "  ")


VERSIONS = """\
versions:
- {name: main, service: {name: web}, weight: 90}
- {name: next, service: {name: next}, weight: 10}
"""


def config_map(*lines: str, name: str = "options") -> str:
    """ConfigMap default/options, or of another name; `lines` as `key: value`."""
    data = "".join(f"  {line}\n" for line in lines)
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{data}"


def join(*objects: str) -> str:
    return "---\n".join(objects)


CONFIGMAP = "--configmap default/options"

SURROUNDINGS = "".join(
    f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
endpoints: [{{addresses: [{address}], conditions: {{ready: true}}}}]
ports: [{{name: http, port: 8080}}]
---
"""
    for name, address in (("web", "10.0.0.1"), ("next", "10.0.0.2"))
)
"""Two Services with ready endpoints."""

"""EndpointSlice and its older form, Endpoints: where a Service's pods listen, and which of them are ready."""

from collections.abc import Iterable

from serin.objects.fields import Fields, shorten
from serin.objects.names import clean_address
from serin.objects.views import Endpoints, EndpointSlice, Meta, SliceEndpoint, SlicePort

_SERVICE_LABEL = "kubernetes.io/service-name"
_ADDRESS_TYPES = ("IPv4", "IPv6")


def read_endpoint_slice(root: Fields, meta: Meta) -> EndpointSlice | None:
    service = meta.labels.get(_SERVICE_LABEL, "")
    if not service:
        text = f"expected the label {_SERVICE_LABEL}; without it the slice belongs to no Service and is ignored"
        root.report.warning("metadata.labels", "service-label-missing", text)
        return None
    address_type = root.text("addressType", "IPv4")
    if address_type not in _ADDRESS_TYPES:
        text = f"addressType {shorten(address_type)} is not supported, expected IPv4 or IPv6; this slice is ignored"
        root.report.error("addressType", "address-type-unsupported", text)
        return None
    endpoints = (endpoint for item in root.mappings("endpoints") if (endpoint := _endpoint(item)) is not None)
    return EndpointSlice(meta, service, tuple(endpoints), _ports(root))


def _endpoint(fields: Fields) -> SliceEndpoint | None:
    """Absent conditions: ready is true, serving is as ready, terminating is false (EndpointConditions in discovery/v1).

    A condition that cannot be read counts as absent, too: better a request too many than a Service without endpoints.
    """
    addresses = _addresses(fields.texts("addresses"), fields)
    if not addresses:
        return None
    conditions = fields.mapping("conditions")
    if conditions is None:
        return SliceEndpoint(addresses, ready=True, serving=True, terminating=False)
    ready = conditions.flag("ready") is not False
    serving = conditions.flag("serving")
    return SliceEndpoint(
        addresses,
        ready=ready,
        serving=ready if serving is None else serving,
        terminating=conditions.flag("terminating") is True,
    )


def _addresses(texts: Iterable[tuple[str, str]], fields: Fields) -> tuple[str, ...]:
    found = []
    for path, text in texts:
        address = clean_address(text)
        if address is None:
            note = f"expected an IPv4 or IPv6 address, found {shorten(text)!r}; this address is left out"
            fields.report.error(path, "invalid-address", note)
        else:
            found.append(address)
    return tuple(found)


def _ports(fields: Fields) -> tuple[SlicePort, ...]:
    ports = []
    for item in fields.mappings("ports"):
        number = item.integer("port", 1, 65535)
        if number is not None:
            ports.append(SlicePort(item.text("name"), number, item.text("protocol", "TCP")))
        elif not item.has("port"):
            text = "expected a port number; this port is left out"
            item.report.error(item.at("port"), "missing-field", text)
    return tuple(ports)


def read_endpoints(root: Fields, meta: Meta) -> Endpoints:
    return Endpoints(meta, tuple(_subset(subset, meta) for subset in root.mappings("subsets")))


def _subset(fields: Fields, meta: Meta) -> EndpointSlice:
    ready = _subset_endpoints(fields, "addresses", ready=True)
    waiting = _subset_endpoints(fields, "notReadyAddresses", ready=False)
    return EndpointSlice(meta, meta.ref.name, (*ready, *waiting), _ports(fields))


def _subset_endpoints(fields: Fields, key: str, *, ready: bool) -> list[SliceEndpoint]:
    found = []
    for item in fields.mappings(key):
        addresses = _addresses([(item.at("ip"), item.text("ip"))], fields)
        if addresses:
            found.append(SliceEndpoint(addresses, ready=ready, serving=ready, terminating=False))
    return found

"""Every code a problem may have, by name: what it means, an example, what to do. A test holds it complete."""

from collections.abc import Mapping
from types import MappingProxyType

from serin.lint.codes import (
    access,
    annotations,
    canaries,
    canaryroutes,
    cluster,
    ingresses,
    manifests,
    notes,
    services,
    settings,
)
from serin.lint.codes.model import Code as Code

SUBJECTS: Mapping[str, tuple[Code, ...]] = MappingProxyType(
    {
        "Ingresses, paths and hosts": ingresses.CODES,
        "Annotations": annotations.CODES,
        "Who may come in, and TLS": access.CODES,
        "Canary Ingresses": canaries.CODES,
        "CanaryRoutes": canaryroutes.CODES,
        "Services and endpoints": services.CODES,
        "The ConfigMap, ports of TCP and UDP": settings.CODES,
        "Notes of serin lint": notes.CODES,
        "Manifests and their fields": manifests.CODES,
        "The cluster, the data plane, Serin itself": cluster.CODES,
    }
)

CODES: Mapping[str, Code] = MappingProxyType({code.code: code for codes in SUBJECTS.values() for code in codes})

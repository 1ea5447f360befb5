"""Programs that bench/ measures with or against: on PATH, or unpacked into the cache."""

from pathlib import Path

from localnginx.debian import Say, unpacked
from localnginx.errors import LocalNginxError
from localnginx.tree import SYSTEM, Tree

PACKAGES = {"haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "nginx": "nginx"}


def program(name: str, say: Say) -> Path:
    """Path of a program; LocalNginxError when it is not here and cannot be unpacked."""
    if found := Tree(SYSTEM).program(name):
        return found
    package = PACKAGES.get(name)
    if package is None:
        raise LocalNginxError(f"{name} is not installed")
    try:
        tree = Tree(unpacked(package, [package], say))
    except LocalNginxError as error:
        raise LocalNginxError(
            f"{name} is not installed, and its package {package} cannot be unpacked: {error}"
        ) from error
    tree.wrap(name)
    found = tree.program(name)
    if found is None:
        raise LocalNginxError(f"{name} is not in the package {package}")
    return found

"""The data planes that tests run over: the proxy, nginx with Lua, and nginx without ("stock").

A test that needs an nginx which is not here is skipped with the reason; the process under test is given the one found.
"""

import functools
import os
from dataclasses import dataclass

import pytest
from localnginx import nginx
from localnginx.tree import SYSTEM


@dataclass(frozen=True, slots=True)
class Plane:
    """`options` select it in `serin serve` and in `serin data-plane`."""

    name: str
    options: tuple[str, ...] = ()

    @property
    def is_nginx(self) -> bool:
        return self.name != "proxy"

    def __str__(self) -> str:
        return self.name


PROXY = Plane("proxy")
NGINX = Plane("nginx", ("--plane", "nginx"))
STOCK = Plane("stock", ("--plane", "nginx", "--nginx-lua", "off"))
BY_NAME = {plane.name: plane for plane in (PROXY, NGINX, STOCK)}


def parameter(plane: Plane, *values: object, ident: str = "") -> object:
    """A value for parametrize: with nginx it has the mark by which `make check` leaves it out."""
    marks = [pytest.mark.nginx] if plane.is_nginx else []
    return pytest.param(plane, *values, id=f"{plane}-{ident}" if ident else str(plane), marks=marks)


BOTH = [parameter(PROXY), parameter(NGINX)]


def require(plane: Plane) -> None:
    """Skip the test when the plane cannot run here."""
    if not plane.is_nginx:
        return
    root = _root()
    if root is None:
        pytest.skip("no nginx with Lua here: make nginx")
    if root != str(SYSTEM):
        os.environ[nginx.VARIABLE] = root


@functools.cache
def _root() -> str | None:
    found = nginx.find()
    return None if found is None else str(found)

"""In the place of `harness.fixtures.plane`: nginx without Lua, too."""

import pytest
from harness.planes import NGINX, PROXY, STOCK, Plane, parameter, require


@pytest.fixture(params=[parameter(PROXY), parameter(NGINX), parameter(STOCK)])
def plane(request: pytest.FixtureRequest) -> Plane:
    found: Plane = request.param
    require(found)
    return found

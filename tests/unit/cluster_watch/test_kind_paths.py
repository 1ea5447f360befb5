"""Where objects lie in the API; names are whatever somebody wrote into an Ingress."""

import pytest

from serin.cluster.kinds import path_of
from serin.refs import Ref


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        (Ref("Secret", "shop", "users"), "/api/v1/namespaces/shop/secrets/users"),
        (Ref("Secret", "shop", "../../pods/x?y"), "/api/v1/namespaces/shop/secrets/..%2F..%2Fpods%2Fx%3Fy"),
        (Ref("Secret", "a/b", "x"), "/api/v1/namespaces/a%2Fb/secrets/x"),
        (Ref("IngressClass", "", "nginx"), "/apis/networking.k8s.io/v1/ingressclasses/nginx"),
    ],
)
def test_a_name_is_one_part_of_the_path(ref: Ref, path: str) -> None:
    assert path_of(ref) == path

"""Certificates change while connections are open."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from harness.casefile import self_signed
from harness.manifests import ingress, put, tls_secret
from harness.serving import Serving
from harness.waiting import until
from harness.wire import Request, read_reply
from harness.world import HOST, World


def shown(serving: Serving) -> bytes:
    """The certificate of a new connection, DER."""
    with serving.door.connect(tls=True, server_name=HOST) as connection:
        found: bytes = connection.getpeercert(True)  # type: ignore[attr-defined]
        return found


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def test_changed_secret_is_shown_to_new_connections_and_drops_none(world: World) -> None:
    old, new = self_signed(HOST), self_signed.__wrapped__(HOST)
    secret = world.folder / "secret.yaml"
    put(secret, tls_secret("cert", *old))
    served = ingress("main", HOST, "main")
    served["spec"]["tls"] = [{"hosts": [HOST], "secretName": "cert"}]
    put(world.folder / "main.yaml", served)
    serving = world.serve()
    assert shown(serving) == der(old[0])
    reloads = world.reloads(serving)
    with serving.door.connect(tls=True, server_name=HOST) as kept:
        request = Request(host=HOST)

        def ask() -> int:
            kept.sendall(request.encode())
            return read_reply(kept, request).status

        assert ask() == 200
        put(secret, tls_secret("cert", *new))
        until(lambda: {shown(serving) for _ in range(10)} == {der(new[0])}, "the new certificate")
        assert ask() == 200
        secret.write_text("kind: [half")
        until(lambda: "secret.yaml" in serving.output(), "a word about it")
        assert shown(serving) == der(new[0]), "the last good state of a file that cannot be read"
        assert ask() == 200
        assert world.reloads(serving) == reloads, "a certificate is no reason for a reload"
        secret.unlink()
        until(lambda: shown(serving) != der(new[0]), "the default certificate")
        if not world.plane.is_nginx:
            assert ask() == 200, "nginx is reloaded: it has fewer names with certificates, and ends idle connections"

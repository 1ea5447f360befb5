"""The demo's HTTP client: one request after the other, as curl would send them."""

import asyncio
import base64
import json
import ssl
from collections.abc import Mapping

import aiohttp
from cryptography import x509
from yarl import URL

from serin.demo.scenarios import Answer, Request
from serin.echo import HEADER


class Client:
    """Certificates are looked at, not checked."""

    def __init__(self, session: aiohttp.ClientSession, http_port: int, https_port: int) -> None:
        self._session = session
        self._origins = {False: f"http://127.0.0.1:{http_port}", True: f"https://127.0.0.1:{https_port}"}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def send_all(self, request: Request) -> list[Answer]:
        """`count` answers."""
        answers: list[Answer] = []
        cookies = dict(request.cookies)
        for _ in range(request.count):
            answer = await self._send(request, cookies)
            if request.keep_cookies:
                cookies.update(answer.cookies)
            answers.append(answer)
        return answers

    async def _send(self, request: Request, cookies: Mapping[str, str]) -> Answer:
        headers = {"Host": request.host, **request.headers}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if request.user:
            headers["Authorization"] = "Basic " + base64.b64encode(request.user.encode()).decode()
        async with self._session.get(
            URL(self._origins[request.https] + request.path, encoded=True),
            headers=headers,
            allow_redirects=False,
            ssl=self._context,
            server_hostname=request.host if request.https else None,
        ) as response:
            subject = await self._subject(request.host) if request.https else ""
            body = await response.read()
            backend = response.headers.get(HEADER, "")
            return Answer(
                status=response.status,
                backend=backend,
                uri=json.loads(body)["uri"] if backend else "",
                headers={name.lower(): value for name, value in response.headers.items()},
                cookies={name: morsel.value for name, morsel in response.cookies.items()},
                subject=subject,
            )

    async def _subject(self, host: str) -> str:
        """The common name of the certificate that is shown to who asks for a host."""
        port = URL(self._origins[True]).port
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self._context, server_hostname=host)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(names[0].value) if names else ""

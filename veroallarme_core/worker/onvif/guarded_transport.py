"""How SOAP travels to a camera: to it alone, within limits, and never redirected.

Imported only where the extra is installed.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import aiohttp
from onvif.client import AsyncTransportProtocolErrorHandler
from yarl import URL
from zeep.settings import Settings

from veroallarme_core.worker.onvif.onvif_address import OnvifAddress, OnvifError

MAX_ANSWER_BYTES = 1 << 20
"""A recorder with 32 channels answers with 200 kB."""
CALL_LIMIT_S = 10.0
PULL_S = 10.0
"""How long a camera may hold back its answer when nothing moves."""
_DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.I)

SETTINGS = Settings(strict=False, xml_huge_tree=False, forbid_dtd=True, forbid_external=True)
"""Cameras leave out what the standard demands; entities and document types none of them needs."""


def open_session(address: OnvifAddress) -> aiohttp.ClientSession:
    """Make a session with a camera; HTTP digest is given where it is asked for."""
    for name in ("onvif", "zeep"):
        # They log whole messages, logins included, for who debugs.
        logging.getLogger(name).setLevel(logging.ERROR)
    middlewares: tuple[aiohttp.DigestAuthMiddleware, ...] = ()
    if address.username is not None:
        digest = aiohttp.DigestAuthMiddleware(address.username, address.password or "")
        middlewares = (digest,)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=4, force_close=True),
        timeout=aiohttp.ClientTimeout(total=CALL_LIMIT_S + PULL_S, sock_connect=CALL_LIMIT_S),
        middlewares=middlewares,
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class GuardedTransport(AsyncTransportProtocolErrorHandler):  # type: ignore[misc]  # untyped
    """Sends to the configured host alone, and reads answers of a limited size."""

    def __init__(self, address: OnvifAddress, session: aiohttp.ClientSession) -> None:
        super().__init__(session=session, verify_ssl=True, cache=None)
        self._host = URL(address.device_url).host

    async def _post_internal(
        self, address: str, message: str | bytes, headers: dict[str, str]
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        url = URL(address)
        if url.scheme != "http" or url.host != self._host:
            raise OnvifError("redirect", "it leads to another host, which is not asked")
        data = message.encode() if isinstance(message, str) else message
        headers = {"Content-Type": 'application/soap+xml; charset="utf-8"', **(headers or {})}
        async with self.session.post(
            url, data=data, headers=headers, allow_redirects=False
        ) as response:
            content = await _read(response)
        if 300 <= response.status < 400:
            raise OnvifError(
                "redirect",
                "it redirects, which is not followed so that no password goes astray: switch "
                "off the redirect to HTTPS on the camera, or give its ONVIF port as port",
            )
        if response.status == 401 or (response.status == 403 and b"Envelope" not in content):
            raise refused_login()
        if response.status == 404:
            raise OnvifError(
                "bad_answer",
                "it has no ONVIF service there (HTTP 404): switch ONVIF on in the camera's "
                "settings, and give its port as port",
            )
        if _DECLARATION.search(content) or b"\0" in content:
            raise OnvifError(
                "bad_answer", "it answers with what no camera may send (a document type in XML)"
            )
        return response, content


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise OnvifError(
                "bad_answer",
                f"it answers with more than {MAX_ANSWER_BYTES >> 20} MB: check host and port",
            )
    return bytes(content)


def refused_login() -> OnvifError:
    """Return the error of a wrong user name or password."""
    return OnvifError(
        "login",
        "it refuses the login: check username and password; many cameras have users of their own "
        "for ONVIF, which are made on the camera's ONVIF page",
    )


def as_text(value: Any) -> str:
    """Write what a camera told as plain text, in one line."""
    return " ".join(str(value).split())[:120]

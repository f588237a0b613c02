"""Snapshots over HTTP: logins, TLS, and one sentence with the remedy for all that can go wrong."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import aiohttp
from aiohttp import hdrs
from yarl import URL

from veroallarme_core.worker.snapshots import (
    MAX_PICTURE_BYTES,
    Snapshot,
    SnapshotError,
    check_picture,
    check_seconds,
    closed,
)

Auth = Literal["none", "basic", "digest", "bearer"]


AUTHS: tuple[str, ...] = get_args(Auth)


TIMESTAMP = "{timestamp}"
"""In a URL: replaced by the epoch seconds of the wanted moment, with three decimals."""


CONNECT_LIMIT_S = 3.0
"""A camera of the house that has not answered a connection by then is down."""


MAX_AGE_HEADER_S = 24 * 3600.0
"""An older Last-Modified is a firmware's build date, not the picture's time."""


_CHUNK_BYTES = 1 << 16


_SECRET_NAMES = re.compile(r"pass|pwd|^pw$|user|login|token|key|auth|sig|secret|session|sid", re.I)


_SECRET_LENGTH = 8  # a value of a query so long is taken for a secret whatever its name


MALFORMED_URL = (ValueError, IndexError)
"""What yarl raises for addresses that are none, such as ``http://[]@``."""


@dataclass(frozen=True, kw_only=True)
class HttpSource:
    """Snapshots from a URL that answers each request with one picture.

    Attributes:
        url: http or https address without user name and password. `{timestamp}` in it becomes
            the epoch seconds of the wanted moment, for recorders that give past frames.
        auth: How to log in.
        username: User name for basic and digest.
        password: Password for basic and digest.
        token: Token for bearer.
        verify_tls: Whether the server's certificate must be valid.
        ca_file: PEM file of the certificate authorities (or of the camera's own certificate) to
            trust instead of the system's.
        timeout_s: Seconds that one snapshot may take, from connecting to the last byte.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy, never a secret.
    """

    url: str
    auth: Auth = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    verify_tls: bool = True
    ca_file: Path | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        _check_url(self.url)
        _check_login(self)
        check_seconds("timeout_s", self.timeout_s)

    def __repr__(self) -> str:
        """Show the source without its secrets."""
        return f"HttpSource({self.shown_url}, auth={self.auth!r}, verify_tls={self.verify_tls})"

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: no query, which often holds a password or a token."""
        return show_url(self.url)


def show_url(url: str) -> str:
    """Write a URL as it may be shown: without user info, query and fragment."""
    without_fragment = url.partition("#")[0]
    address, _, query = without_fragment.partition("?")
    scheme, separator, rest = address.rpartition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}{separator}{host}{slash}{path}" + ("?…" if query else "")


class HttpSnapshotClient:
    """Fetches snapshots over HTTP, one request at a time."""

    def __init__(self, source: HttpSource, session: aiohttp.ClientSession) -> None:
        """Prepare; nothing is sent before the first fetch."""
        self._source = source
        self._session = session
        self._lock = asyncio.Lock()
        self._tls: ssl.SSLContext | bool | None = None
        self._closed = False
        self._scrub = _Scrubber(source)
        self._headers = {
            # Pictures are compressed already, and a compressed body could unpack to gigabytes.
            hdrs.ACCEPT_ENCODING: "identity",
            hdrs.ACCEPT: "image/jpeg, image/png, image/webp, */*;q=0.5",
            hdrs.CACHE_CONTROL: "no-cache",
        }
        self._middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = ()
        if source.auth == "digest":
            self._middlewares = (
                aiohttp.DigestAuthMiddleware(source.username or "", source.password or ""),
            )
        elif source.auth == "basic":
            login = f"{source.username}:{source.password or ''}".encode()
            self._headers[hdrs.AUTHORIZATION] = "Basic " + base64.b64encode(login).decode()
        elif source.auth == "bearer":
            self._headers[hdrs.AUTHORIZATION] = f"Bearer {source.token}"

    async def fetch(self, moment: datetime) -> Snapshot:
        """Fetch the camera's picture: the present one, or that of the moment by `{timestamp}`."""
        async with self._lock:
            if self._closed:
                raise closed(self._source.shown_url)
            with _http_errors(self._source):
                async with asyncio.timeout(self._source.timeout_s):
                    return await self._request(moment)

    async def close(self) -> None:
        """Refuse later fetches; the session stays the caller's."""
        self._closed = True

    async def _request(self, moment: datetime) -> Snapshot:
        if self._tls is None:
            self._tls = await asyncio.to_thread(_tls_of, self._source)
        timestamp = f"{moment.timestamp():.3f}"
        async with self._session.get(
            URL(self._source.url.replace(TIMESTAMP, timestamp)),
            headers=self._headers,
            middlewares=self._middlewares,
            ssl=self._tls,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
        ) as response:
            _check_response(response, self._source)
            data = await _read_limited(response, self._source.shown_url)
            arrived_at = datetime.now(UTC)
            check_picture(data, self._source.shown_url, self._scrub)
            if TIMESTAMP in self._source.url:
                age_s: float | None = max(0.0, (arrived_at - moment).total_seconds())
            else:
                age_s = _age_s(response)
        return Snapshot(
            data,
            arrived_at - timedelta(seconds=age_s or 0.0),
            None if age_s is None else round(age_s * 1000),
        )


async def _read_limited(response: aiohttp.ClientResponse, where: str) -> bytes:
    too_large = SnapshotError(
        "too_large",
        f"{where} sent more than {MAX_PICTURE_BYTES >> 20} MB: give the address of a single "
        "picture, not of a video",
    )
    if (response.content_length or 0) > MAX_PICTURE_BYTES:
        response.close()
        raise too_large
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        data += chunk
        if len(data) > MAX_PICTURE_BYTES:
            response.close()
            raise too_large
    return bytes(data)


def _check_response(response: aiohttp.ClientResponse, source: HttpSource) -> None:
    """Raise the error that a response's status and type stand for."""
    where, status = source.shown_url, response.status
    if status == 200:
        if response.content_type.startswith("multipart/"):
            response.close()
            raise SnapshotError(
                "not_an_image",
                f"{where} sends a video stream: give the address of a single picture",
            )
        return
    if 300 <= status < 400:
        raise SnapshotError("redirect", f"{where} {_redirect_remedy(response)}")
    if status == 404 and TIMESTAMP in source.url:
        raise SnapshotError(
            "not_recorded",
            f"{where} has no picture of that moment yet (HTTP 404): if this lasts, check that the "
            "camera is recorded all the time and that the address is right",
        )
    remedy = {
        401: _login_remedy(response, source),
        403: "the user may not see pictures, give it that right on the camera",
        404: "check the path of the address",
        429: "it is asked too often, increase the spacing of the burst",
    }.get(status, "look into the camera's own log" if status >= 500 else "check the address")
    raise SnapshotError(f"http_{status}", f"{where} answered HTTP {status}: {remedy}")


def _redirect_remedy(response: aiohttp.ClientResponse) -> str:
    try:
        target = response.url.join(URL(response.headers.get(hdrs.LOCATION, "")))
        host = f"{target.scheme}://{target.host}" + (
            "" if target.is_default_port() or target.port is None else f":{target.port}"
        )
        same_host = target.origin() == response.url.origin()
    except MALFORMED_URL:
        host, same_host = "an invalid address", False
    if same_host:
        return (
            f"redirects to another page of {host} (HTTP {response.status}): it probably wants a "
            "login, set auth, or give the address of the picture itself"
        )
    return (
        f"redirects to {host} (HTTP {response.status}), which is not followed so that no password "
        "goes astray: put the final address into url"
    )


def _login_remedy(response: aiohttp.ClientResponse, source: HttpSource) -> str:
    challenges = response.headers.getall(hdrs.WWW_AUTHENTICATE, [])
    offered = {challenge.split(" ", 1)[0].lower() for challenge in challenges}
    known = sorted(offered & {"basic", "digest", "bearer"})
    if known and source.auth not in known:
        return f"it wants another login, set auth to {' or '.join(known)}"
    if source.auth == "none":
        return "it wants a login, set auth with its user name and password or token"
    if source.auth == "bearer":
        return "the token is refused, make a new one"
    return "the login is refused, check user name and password"


def _age_s(response: aiohttp.ClientResponse) -> float | None:
    """Tell a picture's age by the camera's own clock; None where that says nothing."""
    try:
        modified = parsedate_to_datetime(response.headers[hdrs.LAST_MODIFIED])
        sent = parsedate_to_datetime(response.headers[hdrs.DATE])
        age_s = (sent - modified).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return age_s if 0 <= age_s <= MAX_AGE_HEADER_S else None


def _tls_of(source: HttpSource) -> ssl.SSLContext | bool:
    if not source.verify_tls:
        return False
    if source.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=source.ca_file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SnapshotError(
            "tls",
            f"ca_file {source.ca_file} cannot be used ({reason or 'no PEM certificate'}): give a "
            "readable PEM file",
        ) from None


@contextmanager
def _http_errors(source: HttpSource) -> Iterator[None]:
    """Turn what a request can raise into one `SnapshotError` each, with a remedy, no secret."""
    where = source.shown_url
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise SnapshotError(
            "timeout",
            f"{where} accepts no connection: check that the camera is on and that the address is "
            "right",
        ) from None
    except TimeoutError:
        raise SnapshotError(
            "timeout",
            f"{where} did not answer within {source.timeout_s:g} s: check the camera and its "
            "network, or increase timeout_s",
        ) from None
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise SnapshotError("tls", f"{where} {_tls_reason(error)}") from None
    except aiohttp.ClientConnectorDNSError:
        raise SnapshotError(
            "unreachable", f"{where}: the host name is unknown, check it or use the IP address"
        ) from None
    except aiohttp.ClientPayloadError:
        raise SnapshotError(
            "incomplete", f"{where} broke off within the picture: check the camera's network"
        ) from None
    except (aiohttp.ClientConnectionError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SnapshotError(
            "unreachable",
            f"{where} cannot be reached ({reason or 'it closed the connection'}): check that the "
            "camera is on and that host and port are right",
        ) from None
    except (aiohttp.ClientError, ValueError):
        raise SnapshotError(
            "bad_response", f"{where} does not speak proper HTTP: check the scheme and the port"
        ) from None


def _tls_reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "verification failed"
        return (
            f"has no valid certificate ({reason}): give the camera's certificate as ca_file, or "
            "set verify_tls to false"
        )
    return "cannot agree on TLS with this machine: use http, or update the camera's firmware"


class _Scrubber:
    """Removes a source's secrets from text that a server sent back."""

    def __init__(self, source: HttpSource) -> None:
        query = source.url.partition("?")[2].partition("#")[0]
        secrets = {secret for secret in (source.password, source.token) if secret}
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if value and (_SECRET_NAMES.search(name) or len(value) >= _SECRET_LENGTH):
                secrets |= {value, unquote(value), unquote_plus(value)}
        spellings = secrets.copy()
        for secret in secrets:
            spellings |= {quote(secret, safe=""), quote(secret), quote_plus(secret)}
            spellings |= {html.escape(secret), json.dumps(secret)[1:-1]}
        # The longest first, so that none is left over as a part of another.
        self._secrets = sorted(spellings, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _check_url(url: str) -> None:
    shown = show_url(url)
    try:
        parsed = URL(url.replace(TIMESTAMP, "0"))
    except MALFORMED_URL:
        raise ValueError(f"url {shown} is not a web address") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"url {shown} is not an http or https address")
    if parsed.user is not None or parsed.password is not None:
        raise ValueError(
            f"url {shown} holds a user name or password: put them into username and password"
        )


def _check_login(source: HttpSource) -> None:
    if source.auth not in AUTHS:
        raise ValueError(f"auth is {source.auth!r}: use one of {', '.join(AUTHS)}")
    if source.auth in {"basic", "digest"}:
        if not source.username or ":" in source.username:
            raise ValueError(f"auth is {source.auth}: set username, which may hold no colon")
    elif source.username is not None or source.password is not None:
        raise ValueError(
            f"username or password is set but auth is {source.auth}: set auth to basic or digest"
        )
    if (source.auth == "bearer") != bool(source.token):
        raise ValueError("token and auth bearer belong together: set both or none")
    if source.token is not None and not source.token.isascii():
        raise ValueError("token holds a character that no token has: copy it again")
    if source.token is not None and not source.token.isprintable():
        raise ValueError("token holds a line break or control character: copy it again")

"""Snapshots: where a camera's pictures come from, and how a burst of them is taken.

A source (`HttpSource`, `MqttImageSource`, `FileSource`) is what the configuration says; a client
fetches single snapshots from it; `take_burst` asks a client for several distinct ones within a
time limit and never fails: a burst carries the errors beside the snapshots it could get.

Nothing is decoded here. A snapshot holds the picture as the camera encoded it, checked only by
its magic bytes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import glob
import hashlib
import html
import json
import math
import os
import re
import ssl
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal, Protocol, get_args, overload
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import aiohttp
from aiohttp import hdrs
from yarl import URL

from veroallarme_core.worker.motion_sources import check_topic_filter, look_up

Auth = Literal["none", "basic", "digest", "bearer"]
Encoding = Literal["raw", "base64"]

AUTHS: tuple[str, ...] = get_args(Auth)
ENCODINGS: tuple[str, ...] = get_args(Encoding)

TIMESTAMP = "{timestamp}"
"""In a URL: replaced by the epoch seconds of the wanted moment, with three decimals."""

MAX_PICTURE_BYTES = 16 << 20
"""Largest encoded picture that is read; a 12-megapixel JPEG of a camera has about 6 MB."""

CONNECT_LIMIT_S = 3.0
"""A camera of the house that has not answered a connection by then is down."""

MAX_AGE_HEADER_S = 24 * 3600.0
"""An older Last-Modified is a firmware's build date, not the picture's time."""

KEPT_PICTURES = 4
"""Newest MQTT pictures that wait to be fetched."""

MAX_FAILURES = 3
"""A camera that failed so often in one burst is left alone until its next motion."""

STOPPING_CODES = frozenset({"http_401", "http_403", "redirect", "tls", "no_picture", "closed"})
"""Errors after which a burst asks no more: trying again cannot help, and wrong passwords lock
accounts."""

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_CHUNK_BYTES = 1 << 16
_SECRET_NAMES = re.compile(r"pass|pwd|^pw$|user|login|token|key|auth|sig|secret|session|sid", re.I)
_SECRET_LENGTH = 8  # a value of a query so long is taken for a secret whatever its name
_TITLE = re.compile(r"<title[^>]*>(.*?)(?:</title|$)", re.I | re.S)


MALFORMED_URL = (ValueError, IndexError)
"""What yarl raises for addresses that are none, such as ``http://[]@``."""


class SnapshotError(Exception):
    """A snapshot could not be had.

    Attributes:
        code: What went wrong, for programs: "unreachable", "timeout", "http_<status>",
            "not_recorded", "redirect", "tls", "bad_response", "incomplete", "too_large",
            "empty", "not_an_image", "stale", "no_picture", "bad_encoding", "file" or "closed".

    The text is one sentence with the remedy, free of secrets.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the sentence."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Snapshot:
    """One picture of a camera, as the camera encoded it.

    Attributes:
        data: JPEG, PNG or WebP bytes, not decoded.
        captured_at: When the picture was taken, UTC, as far as is known; else when it arrived.
        age_ms: How old it was on arrival in milliseconds; None where the camera does not tell.
    """

    data: bytes = field(repr=False)
    captured_at: datetime
    age_ms: int | None


@dataclass(frozen=True)
class Burst:
    """What came of asking a camera for several snapshots.

    Attributes:
        snapshots: Distinct pictures in order of time; may be fewer than requested, or none.
        requested: Number of distinct snapshots that were asked for.
        fetched: Number of pictures that came, identical and stale ones included.
        errors: What went wrong on the way, in order of time.
    """

    snapshots: tuple[Snapshot, ...]
    requested: int
    fetched: int
    errors: tuple[SnapshotError, ...]


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
        _check_seconds("timeout_s", self.timeout_s)

    def __repr__(self) -> str:
        """Show the source without its secrets."""
        return f"HttpSource({self.shown_url}, auth={self.auth!r}, verify_tls={self.verify_tls})"

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: no query, which often holds a password or a token."""
        return show_url(self.url)


@dataclass(frozen=True, kw_only=True)
class MqttImageSource:
    """Snapshots that arrive on an MQTT topic.

    Attributes:
        topic: MQTT topic filter of the pictures.
        encoding: Whether a message is the picture itself or its base64 text.
        path: Dotted path to the base64 text in a JSON payload; None takes the whole payload.
        timeout_s: Seconds to wait for the next picture.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy.
    """

    topic: str
    encoding: Encoding = "raw"
    path: str | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        check_topic_filter(self.topic)
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding is {self.encoding!r}: use one of {', '.join(ENCODINGS)}")
        if self.path is not None and self.encoding == "raw":
            raise ValueError("path is set but encoding is raw: JSON holds pictures as base64")
        _check_seconds("timeout_s", self.timeout_s)


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """Snapshots from files that the camera or another program writes.

    Attributes:
        path: A picture that is overwritten, a folder, or a glob pattern such as
            `/ftp/drive/*.jpg`; of several files the newest one counts.
        timeout_s: Seconds that reading may take (a network share may hang).

    Raises:
        ValueError: A field is unusable; the text names it and the remedy.
    """

    path: Path
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        if "\0" in str(self.path):
            raise ValueError("path holds a null character: name a file, a folder or a pattern")
        _check_seconds("timeout_s", self.timeout_s)


Source = HttpSource | MqttImageSource | FileSource


class SnapshotClient(Protocol):
    """Gives snapshots of one camera, one at a time."""

    async def fetch(self, moment: datetime) -> Snapshot:
        """Fetch one snapshot, as near to the moment as the camera can.

        Args:
            moment: Wanted time, with a time zone. Live sources give what is now; recorders and
                MQTT pictures are chosen by it.

        Raises:
            SnapshotError: None could be had.
        """
        ...

    async def close(self) -> None:
        """Give up what is held; later fetches fail with code "closed"."""
        ...


@overload
def open_client(source: HttpSource, session: aiohttp.ClientSession) -> HttpSnapshotClient: ...
@overload
def open_client(source: MqttImageSource, session: aiohttp.ClientSession) -> MqttSnapshotClient: ...
@overload
def open_client(source: FileSource, session: aiohttp.ClientSession) -> FileSnapshotClient: ...
def open_client(
    source: Source, session: aiohttp.ClientSession
) -> HttpSnapshotClient | MqttSnapshotClient | FileSnapshotClient:
    """Make the client of a source; one per camera, so that a camera has one request in flight.

    Args:
        source: Where the snapshots come from.
        session: For HTTP; stays the caller's. Give it `aiohttp.DummyCookieJar()`, so that no
            camera gets another one's cookies.
    """
    match source:
        case HttpSource():
            return HttpSnapshotClient(source, session)
        case MqttImageSource():
            return MqttSnapshotClient(source)
        case FileSource():
            return FileSnapshotClient(source)


def show_url(url: str) -> str:
    """Write a URL as it may be shown: without user info, query and fragment."""
    without_fragment = url.partition("#")[0]
    address, _, query = without_fragment.partition("?")
    scheme, separator, rest = address.rpartition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}{separator}{host}{slash}{path}" + ("?…" if query else "")


# --- bursts -------------------------------------------------------------------------------------


async def take_burst(
    client: SnapshotClient,
    *,
    size: int = 3,
    spacing_s: float = 0.6,
    limit_s: float = 15.0,
    max_age_s: float = 10.0,
    motion_at: datetime,
) -> Burst:
    """Take several distinct snapshots.

    Identical pictures (by SHA-256) and stale ones are dropped and asked for again, at most `size`
    times over all. The burst ends early once trying again is no use: a refused login, an invalid
    certificate, or `MAX_FAILURES` failures.

    Args:
        client: The camera.
        size: Number of distinct snapshots wanted.
        spacing_s: Seconds from the start of one request to the start of the next; also the
            distance between the moments that are asked for, beginning with `motion_at`.
        limit_s: Seconds that the whole burst may take; what has come by then is returned.
        max_age_s: A picture taken more than so many seconds before the motion is stale.
        motion_at: When the camera reported motion, with a time zone.

    Returns:
        What could be had; never raises `SnapshotError`. Cancellation passes through.

    Raises:
        ValueError: `size` is below 1 or `motion_at` has no time zone.
    """
    if size < 1:
        raise ValueError(f"size is {size}: a burst has at least 1 snapshot")
    if motion_at.tzinfo is None:
        raise ValueError("motion_at has no time zone: give a time in UTC")
    burst = _BurstInProgress(size, motion_at, timedelta(seconds=max_age_s))
    try:
        async with asyncio.timeout(limit_s):
            await burst.collect(client, spacing_s)
    except TimeoutError:
        burst.errors.append(
            SnapshotError(
                "timeout",
                f"the burst ended after {limit_s:g} s with {len(burst.snapshots)} of {size} "
                "snapshots: the camera is slow, ask for fewer snapshots or allow more time",
            )
        )
    return burst.finish()


class _BurstInProgress:
    """What a burst has so far; kept apart so that a time limit loses nothing."""

    def __init__(self, size: int, motion_at: datetime, max_age: timedelta) -> None:
        self.size = size
        self.motion_at = motion_at
        self.oldest = motion_at - max_age
        self.snapshots: dict[bytes, Snapshot] = {}
        self.errors: list[SnapshotError] = []
        self.fetched = 0

    async def collect(self, client: SnapshotClient, spacing_s: float) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while len(self.snapshots) < self.size and self.fetched < 2 * self.size:
            started = clock()
            moment = self.motion_at + timedelta(seconds=self.fetched * spacing_s)
            try:
                self._add(await client.fetch(moment))
            except SnapshotError as error:
                # What a recorder has not written yet is only a question of time.
                waiting = error.code == "not_recorded"
                failures += not waiting
                if not (waiting and self.errors and self.errors[-1].code == error.code):
                    self.errors.append(error)
                if error.code in STOPPING_CODES or failures >= MAX_FAILURES:
                    return
            if len(self.snapshots) < self.size:
                await asyncio.sleep(max(0.0, started + spacing_s - clock()))

    def _add(self, snapshot: Snapshot) -> None:
        self.fetched += 1
        if snapshot.captured_at < self.oldest:
            early_s = (self.motion_at - snapshot.captured_at).total_seconds()
            message = (
                f"the picture was taken {early_s:.0f} s before the motion: the camera repeats an "
                "old picture, use another snapshot address or allow older pictures"
            )
            self.errors.append(SnapshotError("stale", message))
            return
        self.snapshots.setdefault(hashlib.sha256(snapshot.data).digest(), snapshot)

    def finish(self) -> Burst:
        in_order = sorted(self.snapshots.values(), key=lambda snapshot: snapshot.captured_at)
        return Burst(tuple(in_order), self.size, self.fetched, tuple(self.errors))


# --- HTTP ---------------------------------------------------------------------------------------


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
                raise _closed(self._source.shown_url)
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
            _check_picture(data, self._source.shown_url, self._scrub)
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


# --- MQTT ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Offer:
    payload: bytes | None
    received_at: datetime


class MqttSnapshotClient:
    """Hands out pictures that arrive by MQTT, each at most once."""

    def __init__(self, source: MqttImageSource) -> None:
        """Start without any picture."""
        self._source = source
        self._lock = asyncio.Lock()
        self._arrived = asyncio.Event()
        self._offers: deque[_Offer] = deque(maxlen=KEPT_PICTURES)
        self._closed = False
        self._max_payload_bytes = MAX_PICTURE_BYTES * (1 if source.encoding == "raw" else 2)

    def offer(self, payload: bytes, received_at: datetime, *, retained: bool = False) -> None:
        """Take a picture from the receive loop; never blocks and never raises.

        Args:
            payload: The message as it came; checked when it is fetched.
            received_at: When it came, with a time zone.
            retained: Whether the broker marked it as retained; such a picture is of unknown age
                and is left out, as is the empty message that clears a retained one.
        """
        if retained or not payload or self._closed:
            return
        kept = payload if len(payload) <= self._max_payload_bytes else None
        self._offers.append(_Offer(kept, received_at))
        self._arrived.set()

    async def fetch(self, moment: datetime) -> Snapshot:
        """Give the first picture since the moment; wait for it, else fall back to the newest."""
        async with self._lock:
            offer = await self._next_offer(moment)
            data = await asyncio.to_thread(_picture_of, self._source, offer)
        return Snapshot(data, offer.received_at, None)

    async def close(self) -> None:
        """Drop all pictures and end a fetch that waits."""
        self._closed = True
        self._offers.clear()
        self._arrived.set()

    async def _next_offer(self, moment: datetime) -> _Offer:
        try:
            async with asyncio.timeout(self._source.timeout_s):
                while not self._closed:
                    self._arrived.clear()
                    while self._offers and self._offers[0].received_at < moment:
                        # The newest one stays as the fallback.
                        if len(self._offers) == 1:
                            break
                        self._offers.popleft()
                    else:
                        if self._offers:
                            return self._offers.popleft()
                    await self._arrived.wait()
        except TimeoutError:
            if self._offers:
                return self._offers.pop()
            raise SnapshotError(
                "no_picture",
                f"no picture came on {self._source.topic} within {self._source.timeout_s:g} s: "
                "check the topic and that the camera publishes pictures",
            ) from None
        raise _closed(self._source.topic)


def _picture_of(source: MqttImageSource, offer: _Offer) -> bytes:
    """Get the encoded picture out of an MQTT message."""
    payload = offer.payload
    if payload is not None and source.path is not None:
        payload = _text_at(source, source.path, payload)
    if payload is not None and source.encoding == "base64":
        payload = _decode_base64(source, payload)
    if payload is None or len(payload) > MAX_PICTURE_BYTES:
        raise SnapshotError(
            "too_large",
            f"a message on {source.topic} holds more than {MAX_PICTURE_BYTES >> 20} MB: let the "
            "camera publish smaller pictures",
        )
    _check_picture(payload, source.topic, str)
    return payload


def _text_at(source: MqttImageSource, path: str, payload: bytes) -> bytes:
    try:
        _, value = look_up(json.loads(payload), path)
        return str.encode(value, "ascii")  # type: ignore[arg-type]  # TypeError where no text
    except (ValueError, RecursionError, TypeError):
        raise SnapshotError(
            "bad_encoding",
            f"a message on {source.topic} is not JSON with base64 text at {path}: check the path",
        ) from None


def _decode_base64(source: MqttImageSource, text: bytes) -> bytes:
    head, comma, body = text[:64].partition(b",")
    if comma and head.lstrip().startswith(b"data:") and head.endswith(b";base64"):
        text = body + text[64:]
    try:
        return base64.b64decode(text.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        raise SnapshotError(
            "bad_encoding",
            f"a message on {source.topic} is not base64: set encoding to raw, or check the topic",
        ) from None


# --- files --------------------------------------------------------------------------------------


class FileSnapshotClient:
    """Reads the newest picture of a file, a folder or a pattern, in a thread."""

    def __init__(self, source: FileSource) -> None:
        """Prepare; nothing is read before the first fetch."""
        self._source = source
        self._lock = asyncio.Lock()
        self._reading: asyncio.Future[tuple[bytes, datetime]] | None = None
        self._closed = False

    async def fetch(self, moment: datetime) -> Snapshot:
        """Give the newest picture there is; the moment does not matter."""
        async with self._lock:
            if self._closed:
                raise _closed(str(self._source.path))
            if self._reading is None or self._reading.done():
                # A thread on a hanging network share cannot be stopped, so it is never doubled.
                self._reading = asyncio.ensure_future(
                    asyncio.to_thread(_read_newest, str(self._source.path))
                )
                # Its error is lost, not logged, where a time limit has ended the wait for it.
                self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
            try:
                async with asyncio.timeout(self._source.timeout_s):
                    data, written_at = await asyncio.shield(self._reading)
            except TimeoutError:
                raise SnapshotError(
                    "timeout",
                    f"{self._source.path} could not be read within {self._source.timeout_s:g} s: "
                    "check the disk or the network share",
                ) from None
        age_s = max(0.0, (datetime.now(UTC) - written_at).total_seconds())
        return Snapshot(data, written_at, round(age_s * 1000))

    async def close(self) -> None:
        """Refuse later fetches."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()


def _read_newest(path: str) -> tuple[bytes, datetime]:
    """Read the newest picture and the time at which it was written."""
    try:
        newest = _newest_file(path)
        with open(newest, "rb") as file:
            data = file.read(MAX_PICTURE_BYTES + 1)
            written_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except OSError as error:
        raise SnapshotError(
            "file", f"{path} cannot be read ({error.strerror}): check the path and its rights"
        ) from None
    if len(data) > MAX_PICTURE_BYTES:
        raise SnapshotError(
            "too_large",
            f"{newest} has more than {MAX_PICTURE_BYTES >> 20} MB: give the path of a picture",
        )
    _check_picture(data, newest, str)
    return data, written_at


def _newest_file(path: str) -> str:
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            candidates = [
                e.path for e in entries if Path(e.name).suffix.lower() in PICTURE_SUFFIXES
            ]
    elif os.path.exists(path):
        candidates = [path]
    else:
        candidates = glob.glob(path, recursive=True)
    newest, newest_ns = "", -1
    for candidate in candidates:
        try:
            found = os.stat(candidate)
        except FileNotFoundError:
            continue  # cleaned up in the meantime
        # A pipe or a device would block for ever.
        if stat.S_ISREG(found.st_mode) and found.st_mtime_ns > newest_ns:
            newest, newest_ns = candidate, found.st_mtime_ns
    if not newest:
        raise SnapshotError(
            "file", f"{path} holds no picture: check the path and that the camera writes there"
        )
    return newest


# --- checks that all sources share ----------------------------------------------------------------


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


class _Scrub(Protocol):
    def __call__(self, text: str, /) -> str: ...


def _check_picture(data: bytes, where: str, scrub: _Scrub) -> None:
    """Refuse what does not begin like a JPEG, PNG or WebP picture."""
    if not data:
        raise SnapshotError(
            "empty", f"{where} sent an empty picture: check the camera, it may be starting"
        )
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    ):
        return
    raise SnapshotError(
        "not_an_image",
        f"{where} sent {_describe(data, scrub)} instead of a JPEG, PNG or WebP picture: check the "
        "address and the login",
    )


def _describe(data: bytes, scrub: _Scrub) -> str:
    """Say in a few words what something that is no picture seems to be."""
    text = data[:4096].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text[:256].lower().startswith(("<!doctype html", "<html", "<head")):
        title = _TITLE.search(text)
        return f"a web page ({_quote(html.unescape(title[1]), scrub)})" if title else "a web page"
    printable = sum(character.isprintable() or character.isspace() for character in text)
    if "\ufffd" not in text[:64] and printable > 0.9 * len(text):
        return f"text ({_quote(text, scrub)})"
    return f"{len(data)} bytes of unknown data"


def _quote(text: str, scrub: _Scrub) -> str:
    return repr(" ".join(scrub(text).split())[:60])


def _closed(where: str) -> SnapshotError:
    return SnapshotError("closed", f"{where} is asked after it was closed")


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


def _check_seconds(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}: give seconds above 0")

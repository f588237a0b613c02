"""Snapshots over HTTP: logins, TLS, and one sentence with the remedy for all that can go wrong."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from yarl import URL

from veroallarme_core.pictures import FrameError, decode_frame, is_picture_start, picture_end
from veroallarme_core.worker.snapshots.http_exchange import (
    Answer,
    ConnectTimeoutError,
    HttpExchange,
    NotHttpError,
)
from veroallarme_core.worker.snapshots.http_login import (
    Login,
    read_challenges,
    strongest_offered,
)
from veroallarme_core.worker.snapshots.http_source import (
    MALFORMED_URL,
    TIMESTAMP,
    HttpSource,
    Scrubber,
)
from veroallarme_core.worker.snapshots.snapshots import (
    MAX_PICTURE_BYTES,
    Scrub,
    Snapshot,
    SnapshotError,
    check_picture,
    closed,
)

MAX_AGE_HEADER_S = 24 * 3600.0
"""An older Last-Modified is a firmware's build date, not the picture's time."""


class HttpSnapshotClient:
    """Fetches snapshots over HTTP, one request at a time, each on a connection of its own."""

    def __init__(self, source: HttpSource) -> None:
        """Prepare; nothing is sent before the first fetch."""
        self._source = source
        self._lock = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None
        self._closed = False
        self._scrub = Scrubber(source)
        self._login = Login(source.auth, source.username, source.password, source.token)

    async def fetch(self, moment: datetime) -> Snapshot:
        """Fetch the camera's picture: the present one, or that of the moment by `{timestamp}`."""
        async with self._lock:
            if self._closed:
                raise closed(self._source.shown_url)
            answer = await self._ask(moment)
            arrived_at = datetime.now(UTC)
            data = await asyncio.to_thread(_picture_of, answer, self._source, self._scrub)
        if TIMESTAMP in self._source.url:
            age_s: float | None = max(0.0, (arrived_at - moment).total_seconds())
        else:
            age_s = _age_s(answer)
        return Snapshot(
            data,
            arrived_at - timedelta(seconds=age_s or 0.0),
            None if age_s is None else round(age_s * 1000),
        )

    async def close(self) -> None:
        """Refuse later fetches."""
        self._closed = True

    async def _ask(self, moment: datetime) -> Answer:
        """Return what came of the answer within the time limit."""
        url = URL(self._source.url.replace(TIMESTAMP, f"{moment.timestamp():.3f}"))
        answers: list[Answer] = []
        with _http_errors(self._source, self._scrub):
            if self._tls is None and url.scheme == "https":
                self._tls = await asyncio.to_thread(_tls_of, self._source)
            try:
                async with asyncio.timeout(self._source.timeout_s):
                    await self._request(url, answers)
            except TimeoutError:
                # The picture may have come, and only the end of the answer not.
                if not (answers and answers[-1].body):
                    raise
                answers[-1].fault = f"it did not end within timeout_s, {self._source.timeout_s:g} s"
        return answers[-1]

    async def _request(self, url: URL, answers: list[Answer]) -> None:
        """Ask, and once more where a login is demanded that can be given."""
        is_asked_again = False
        while True:
            authorization = self._login.authorization(url.raw_path_qs)
            headers = _HEADERS | ({"Authorization": authorization} if authorization else {})
            answer = Answer()
            answers.append(answer)
            exchange = HttpExchange(url, self._tls, MAX_PICTURE_BYTES)
            await exchange.get(url.raw_path_qs, headers, answer)
            if answer.status != 401:
                break
            challenges = read_challenges(answer.headers.get("www-authenticate", []))
            if is_asked_again or not self._login.take(challenges):
                self._login.forget()
                break
            is_asked_again = True
        _check_response(answer, self._source, sent_login=authorization is not None)


_HEADERS = {
    # Pictures are compressed already, and a compressed body could unpack to gigabytes.
    "Accept-Encoding": "identity",
    "Accept": "image/jpeg, image/png, image/webp, */*;q=0.5",
    "Cache-Control": "no-cache",
    "User-Agent": "VeroAllarme",
}


def _picture_of(answer: Answer, source: HttpSource, scrub: Scrub) -> bytes:
    """Get the picture out of an answer; blocks where it has to be decoded to see that it is whole.

    A picture that is complete is taken whatever came around it.
    """
    where = source.shown_url
    data = answer.picture(MAX_PICTURE_BYTES)
    if picture_end(data) is not None:
        return data
    if len(data) > MAX_PICTURE_BYTES:
        raise SnapshotError(
            "too_large",
            f"{where} sent more than {MAX_PICTURE_BYTES >> 20} MB without the end of a picture: "
            "give the address of a single picture, not of a video",
        )
    coding = answer.header("content-encoding").strip().lower()
    if not is_picture_start(data) and coding not in {"", "identity"}:
        raise SnapshotError(
            "bad_response",
            f"{where} sent what cannot be unpacked (its header Content-Encoding is "
            f"{scrub(coding)[:20]!r}), though asked not to compress: switch compression off there",
        )
    if answer.fault is not None and answer.is_multipart and not is_picture_start(data):
        raise SnapshotError(
            "not_an_image",
            f"{where} sends a video stream of which no picture came ({answer.fault}): give the "
            "address of a single picture",
        )
    if answer.fault is None or not is_picture_start(data):
        check_picture(data, where, scrub)
    elif not _is_whole(data):
        raise SnapshotError(
            "incomplete",
            f"{where} broke off within the picture: {answer.fault}; check the camera's network "
            "and firmware",
        )
    return data


def _is_whole(data: bytes) -> bool:
    try:
        return not decode_frame(data).truncated
    except FrameError:
        return False


def _check_response(answer: Answer, source: HttpSource, *, sent_login: bool) -> None:
    """Raise the error that an answer's status stands for."""
    where, status = source.shown_url, answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise SnapshotError("redirect", f"{where} {_redirect_remedy(answer, source)}")
    if status == 404 and TIMESTAMP in source.url:
        raise SnapshotError(
            "not_recorded",
            f"{where} has no picture of that moment yet (HTTP 404): if this lasts, check that the "
            "camera is recorded all the time and that the address is right",
        )
    no_right = "the user may not see pictures, give it that right on the camera"
    remedy = {
        401: _login_remedy(answer, source, sent_login=sent_login),
        403: no_right if sent_login else "it may want a login, set auth, or check its access list",
        404: "check the path of the address",
        429: "it is asked too often, increase the spacing of the burst",
    }.get(status, "look into the camera's own log" if status >= 500 else "check the address")
    raise SnapshotError(f"http_{status}", f"{where} answered HTTP {status}: {remedy}")


def _redirect_remedy(answer: Answer, source: HttpSource) -> str:
    address = URL(source.url.replace(TIMESTAMP, "0"))
    try:
        target = address.join(URL(answer.header("location")))
        host = f"{target.scheme}://{target.host}" + (
            "" if target.is_default_port() or target.port is None else f":{target.port}"
        )
        same_host = target.origin() == address.origin()
    except MALFORMED_URL:
        host, same_host = "an invalid address", False
    if same_host:
        return (
            f"redirects to another page of {host} (HTTP {answer.status}): it probably wants a "
            "login, set auth, or give the address of the picture itself"
        )
    return (
        f"redirects to {host} (HTTP {answer.status}), which is not followed so that no password "
        "goes astray: put the final address into url"
    )


_NEEDS = {
    "basic": "set auth to basic, with username and password",
    "digest": "set auth to digest, with username and password",
    "bearer": "set auth to bearer, with token",
}


def _login_remedy(answer: Answer, source: HttpSource, *, sent_login: bool) -> str:
    challenges = read_challenges(answer.headers.get("www-authenticate", []))
    offered = {challenge.kind for challenge in challenges}
    best = strongest_offered(challenges)
    if source.auth == "none":
        return f"it wants a login, {_NEEDS[best or 'basic']}"
    if best is not None and source.auth not in offered:
        return f"it wants another login, {_NEEDS[best]}"
    if sent_login:
        if source.auth == "bearer":
            return "the token is refused, make a new one"
        stronger = f", or {_NEEDS[best]}" if best not in {None, source.auth} else ""
        return f"the login is refused, check user name and password{stronger}"
    if "digest" not in offered:
        return f"it does not say which login it wants, {_NEEDS['basic']}"
    other = f", or {_NEEDS['basic']}" if "basic" in offered else ""
    return f"it wants a digest login of an unknown kind, update the camera's firmware{other}"


def _age_s(answer: Answer) -> float | None:
    """Tell a picture's age by the camera's own clock; None where that says nothing."""
    try:
        modified = parsedate_to_datetime(answer.header("last-modified"))
        sent = parsedate_to_datetime(answer.header("date"))
        age_s = (sent - modified).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return age_s if 0 <= age_s <= MAX_AGE_HEADER_S else None


def _tls_of(source: HttpSource) -> ssl.SSLContext:
    """Make the rules for TLS; reads files."""
    try:
        context = ssl.create_default_context(cafile=source.ca_file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SnapshotError(
            "tls",
            f"ca_file {source.ca_file} cannot be used ({reason or 'no PEM certificate'}): give a "
            "readable PEM file",
        ) from None
    if not source.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _http_errors(source: HttpSource, scrub: Scrub) -> Iterator[None]:
    """Turn what a request can raise into one `SnapshotError` each, with a remedy, no secret."""
    where = source.shown_url
    try:
        yield
    except ConnectTimeoutError:
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
    except ssl.SSLError as error:
        raise SnapshotError("tls", f"{where} {_tls_reason(error)}") from None
    except (socket.gaierror, UnicodeError):
        raise SnapshotError(
            "unreachable", f"{where}: the host name is unknown, check it or use the IP address"
        ) from None
    except OSError as error:
        # What asyncio says in its place repeats the address.
        reason = os.strerror(error.errno) if error.errno else "it closed the connection"
        raise SnapshotError(
            "unreachable",
            f"{where} cannot be reached ({reason}): check that the camera is on and that host and "
            "port are right",
        ) from None
    except NotHttpError as fault:
        heard = " ".join(scrub(str(fault)).split())[:40]
        raise SnapshotError(
            "bad_response",
            f"{where} does not speak HTTP, it says {heard!r}: check the scheme and the port",
        ) from None


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"has no valid certificate ({error.verify_message or 'verification failed'}): give "
            "the camera's certificate as ca_file, or set verify_tls to false"
        )
    return "cannot agree on TLS with this machine: use http, or update the camera's firmware"

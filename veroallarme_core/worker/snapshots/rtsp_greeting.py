"""The first word with a camera over RTSP: does it send us somewhere else?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket

from yarl import URL

from veroallarme_core.worker.snapshots.http_login import (
    Login,
    read_challenges,
    strongest_offered,
)
from veroallarme_core.worker.snapshots.rtsp_source import RtspSource
from veroallarme_core.worker.snapshots.snapshots import SnapshotError

DEFAULT_PORT = 554
MAX_ANSWER_BYTES = 16 << 10
_STATUS = re.compile(r"RTSP/1\.\d +(\d{3})")
_LENGTH = re.compile(r"^Content-Length: *(\d{1,6})", re.I | re.M)
_WANTED = re.compile(r"^WWW-Authenticate: *([^\r]*)", re.I | re.M)


async def greet(source: RtspSource) -> None:
    """Ask for the stream's description, with the login where it is asked for.

    FFmpeg follows redirects, and sends user name and password to wherever they lead.

    Raises:
        SnapshotError: The camera cannot be reached, is silent, speaks no RTSP, or redirects.
    """
    where = source.shown_url
    try:
        async with asyncio.timeout(source.timeout_s):
            statuses = await _describe(source)
    except TimeoutError:
        raise SnapshotError(
            "timeout",
            f"{where} did not answer within {source.timeout_s:g} s: check the camera and its "
            "network, or increase timeout_s",
        ) from None
    except (socket.gaierror, UnicodeError):
        raise SnapshotError(
            "unreachable", f"{where}: the host name is unknown, check it or use the IP address"
        ) from None
    except (OSError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
        raise SnapshotError(
            "unreachable",
            f"{where} cannot be reached ({_reason(error)}): check that the camera is on and that "
            "host and port are right",
        ) from None
    if not statuses:
        raise SnapshotError(
            "bad_response", f"{where} does not speak RTSP: check the scheme and the port"
        )
    if (status := statuses[-1]).startswith("3"):
        raise SnapshotError(
            "redirect",
            f"{where} redirects to another address (RTSP {status}), which is not followed so that "
            "no password goes astray: put the final address into url",
        )


async def _describe(source: RtspSource) -> list[str]:
    """Return the status of each answer: of the question without a login, and of that with it."""
    url = URL(source.url)
    target = str(url.with_fragment(None))
    reader, writer = await asyncio.open_connection(
        url.host, url.port or DEFAULT_PORT, limit=MAX_ANSWER_BYTES
    )
    statuses: list[str] = []
    try:
        authorization: str | None = None
        while True:
            writer.write(_question(target, len(statuses) + 1, authorization))
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if (status := _STATUS.match(head)) is None:
                return []
            statuses.append(status[1])
            if status[1] != "401" or authorization is not None:
                return statuses
            if (authorization := _login(source, head, target)) is None:
                return statuses
            if length := _LENGTH.search(head):
                await reader.readexactly(min(int(length[1]), MAX_ANSWER_BYTES))
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.wait_closed()


def _question(target: str, number: int, authorization: str | None) -> bytes:
    lines = [
        f"DESCRIBE {target} RTSP/1.0",
        f"CSeq: {number}",
        "Accept: application/sdp",
        "User-Agent: VeroAllarme",
        *([] if authorization is None else [f"Authorization: {authorization}"]),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _login(source: RtspSource, head: str, target: str) -> str | None:
    """Answer what the camera demands; None where there is nothing to answer it with."""
    if source.username is None:
        return None
    challenges = read_challenges(_WANTED.findall(head))
    auth = strongest_offered(challenges)
    if auth not in {"basic", "digest"}:
        return None
    login = Login(auth, source.username, source.password, None)
    login.take(challenges)
    return login.authorization(target, "DESCRIBE")


def _reason(error: Exception) -> str:
    # What asyncio says in its place repeats the address.
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "it closed the connection"

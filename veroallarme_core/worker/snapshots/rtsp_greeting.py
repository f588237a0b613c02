"""The first word with a camera over RTSP, without a password: does it send us somewhere else?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket

from yarl import URL

from veroallarme_core.worker.snapshots.rtsp_source import RtspSource
from veroallarme_core.worker.snapshots.snapshots import SnapshotError

DEFAULT_PORT = 554
MAX_ANSWER_BYTES = 16 << 10
_STATUS = re.compile(rb"RTSP/1\.\d +(\d{3})")


async def greet(source: RtspSource) -> None:
    """Ask for the stream's description, without a login.

    FFmpeg follows redirects, and sends user name and password to wherever they lead.

    Raises:
        SnapshotError: The camera cannot be reached, is silent, speaks no RTSP, or redirects.
    """
    where = source.shown_url
    try:
        async with asyncio.timeout(source.timeout_s):
            answer = await _describe(URL(source.url))
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
    status = _STATUS.match(answer)
    if status is None:
        raise SnapshotError(
            "bad_response", f"{where} does not speak RTSP: check the scheme and the port"
        )
    if status[1].startswith(b"3"):
        raise SnapshotError(
            "redirect",
            f"{where} redirects to another address (RTSP {status[1].decode()}), which is not "
            "followed so that no password goes astray: put the final address into url",
        )


async def _describe(url: URL) -> bytes:
    """Return the head of the answer, up to the empty line."""
    reader, writer = await asyncio.open_connection(
        url.host, url.port or DEFAULT_PORT, limit=MAX_ANSWER_BYTES
    )
    try:
        request = (
            f"DESCRIBE {url.with_fragment(None)} RTSP/1.0",
            "CSeq: 1",
            "Accept: application/sdp",
            "User-Agent: VeroAllarme",
        )
        writer.write(("\r\n".join(request) + "\r\n\r\n").encode())
        await writer.drain()
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.wait_closed()


def _reason(error: Exception) -> str:
    # What asyncio says in its place repeats the address.
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "it closed the connection"

"""Answers of cameras over HTTP, read without a socket."""

from __future__ import annotations

import asyncio
from functools import cache

from yarl import URL

from benchmarks.fuzz.pictures import picture_seeds
from veroallarme_core.worker.snapshots.http_exchange import Answer, HttpExchange, NotHttpError
from veroallarme_core.worker.snapshots.http_login import (
    Login,
    read_challenges,
    strongest_offered,
)

MAX_BYTES = 1 << 15
"""Of a body; small, so that inputs reach beyond it."""
_URL = URL("http://camera/snapshot.jpg")
_LOOP = asyncio.new_event_loop()


def answer_of_a_camera(data: bytes) -> object:
    """Read an answer with its body, and take the picture out of it."""
    return _LOOP.run_until_complete(_read(data))


async def _read(data: bytes) -> object:
    exchange = HttpExchange(_URL, None, MAX_BYTES)
    exchange._reader = asyncio.StreamReader()
    exchange._reader.feed_data(data)
    exchange._reader.feed_eof()
    answer = Answer()
    try:
        await exchange._read_head(answer)
        if 200 <= answer.status < 300:
            await exchange._read_body(answer)
    except (NotHttpError, OSError) as error:
        return type(error).__name__
    picture = answer.picture(MAX_BYTES)
    if len(picture) > len(data) and len(picture) > MAX_BYTES + 1:
        raise AssertionError(f"{len(data)} bytes became {len(picture)}")
    return answer.status, answer.fault, answer.is_complete, len(picture) > 0


@cache
def answer_seeds() -> tuple[bytes, ...]:
    """Return answers with a length, in chunks, in parts and without headers, and refusals."""
    jpeg = picture_seeds()[0]
    ok, kind = b"HTTP/1.1 200 OK\r\n", b"Content-Type: image/jpeg\r\n"
    part = b"--frame\r\n" + kind + b"\r\n" + jpeg + b"\r\n"
    half = len(jpeg) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (jpeg[:half], jpeg[half:], b""))
    return (
        ok + kind + b"Content-Length: %d\r\n\r\n" % len(jpeg) + jpeg,
        ok + kind + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
        ok + b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n" + part + part,
        jpeg,
        b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n",
    )


def challenge(data: bytes) -> object:
    """Read headers that ask for a login, and answer them."""
    challenges = read_challenges(data.decode("utf-8", "replace").split("\n"))
    login = Login("digest", "anna", "secret", None)
    taken = login.take(challenges)
    written = login.authorization("/snapshot.jpg?a=1")
    if written is not None and ("\r" in written or "\n" in written):
        raise AssertionError(f"a header over several lines: {written!r}")
    return len(challenges), strongest_offered(challenges), taken


def challenge_seeds() -> tuple[bytes, ...]:
    """Return what cameras ask."""
    return (
        b'Digest realm="cam", nonce="abc", qop="auth,auth-int", algorithm=SHA-256, opaque="o"',
        b'Basic realm="a, b", Digest realm=x, nonce=n, stale=true\nBearer',
        b'Digest realm="a\\"b", nonce="", algorithm=MD5-sess',
    )

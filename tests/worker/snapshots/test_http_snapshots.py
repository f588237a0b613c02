"""Snapshots over real HTTP on loopback."""

import asyncio
import base64
import contextlib
import gc
import gzip
import hashlib
import os
import re
import socket
import ssl
import warnings
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import unused_port
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.worker.counting_camera import Camera, Handler, answers, jpeg, now
from veroallarme_core.worker.snapshots import http_exchange
from veroallarme_core.worker.snapshots.bursts import MAX_FAILURES, take_burst
from veroallarme_core.worker.snapshots.http_source import HttpSource, show_url
from veroallarme_core.worker.snapshots.snapshots import MAX_PICTURE_BYTES, SnapshotError
from veroallarme_core.worker.snapshots.sources import open_client

SECRET = "s3cr3t+pass/word"


def moving() -> Handler:
    """A camera that gives another picture each time."""
    count = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(body=jpeg(count))

    return handler


async def fetch_error(source: HttpSource) -> SnapshotError:
    with pytest.raises(SnapshotError) as caught:
        await open_client(source).fetch(now())
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    return caught.value


# --- HTTP: logins -------------------------------------------------------------------------------


async def test_a_picture_comes_as_it_is(camera):
    url = await camera.start(answers(jpeg(7)))
    before = now()
    snapshot = await open_client(HttpSource(url=url)).fetch(before)
    assert snapshot.data == jpeg(7)
    assert snapshot.age_ms is None
    assert before <= snapshot.captured_at <= now()
    assert camera.requests[0].headers.get("Authorization") is None


def wants(scheme: str, expected: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == expected:
            return web.Response(body=jpeg())
        return web.Response(status=401, headers={"WWW-Authenticate": f'{scheme} realm="cam"'})

    return handler


async def test_basic_login_in_utf8(camera):
    login = base64.b64encode("jörg:päss".encode()).decode()
    url = await camera.start(wants("Basic", f"Basic {login}"))
    source = HttpSource(url=url, auth="basic", username="jörg", password="päss")
    assert (await open_client(source).fetch(now())).data == jpeg()
    wrong = HttpSource(url=url, auth="basic", username="jörg", password=SECRET)
    error = await fetch_error(wrong)
    assert error.code == "http_401"
    assert "check user name and password" in str(error)


async def test_bearer_login(camera):
    url = await camera.start(wants("Bearer", "Bearer abc.def"))
    source = HttpSource(url=url, auth="bearer", token="abc.def")
    assert (await open_client(source).fetch(now())).data == jpeg()
    error = await fetch_error(HttpSource(url=url, auth="bearer", token="wrong"))
    assert error.code == "http_401"
    assert "make a new one" in str(error)


def only_digest(challenge: str) -> list[str]:
    return [challenge]


def digest_camera(
    username: str, password: str, challenges: Callable[[str], list[str]] = only_digest
) -> Handler:
    """RFC 7616 with MD5 and qop=auth, as cameras speak it; each nonce counts its uses."""
    uses: dict[str, int] = {}

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    async def handler(request: web.Request) -> web.Response:
        header = request.headers.get("Authorization", "")
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
        nonce = given.get("nonce", "")
        if header.startswith("Digest ") and nonce in uses:
            expected = md5(
                f"{md5(f'{username}:cam:{password}')}:{nonce}:{given['nc']}:{given['cnonce']}:auth:"
                f"{md5(f'GET:{request.raw_path}')}"
            )
            uses[nonce] += 1
            if given["response"] == expected and int(given["nc"], 16) == uses[nonce]:
                return web.Response(body=jpeg(uses[nonce]))
        nonce = os.urandom(8).hex()
        uses[nonce] = 0
        challenge = f'Digest realm="cam", nonce="{nonce}", qop="auth", algorithm=MD5'
        headers = CIMultiDict(("WWW-Authenticate", one) for one in challenges(challenge))
        return web.Response(status=401, headers=headers)

    return handler


MIXED_CHALLENGES = {
    "basic first, in two": lambda digest: ['Basic realm="cam"', digest],
    "basic last, in two": lambda digest: [digest, 'Basic realm="cam"'],
    "basic first, in one": lambda digest: [f'Basic realm="cam", {digest}'],
    "basic last, in one": lambda digest: [f'{digest}, Basic realm="cam"'],
    "among unknown ones": lambda digest: ["Negotiate", f"NTLM, Basic realm=cam, {digest}"],
    "a digest of an unknown kind first": lambda digest: [
        digest.replace("MD5", "SHA-512-256"),
        digest,
    ],
}


@pytest.mark.parametrize("challenges", MIXED_CHALLENGES.values(), ids=MIXED_CHALLENGES)
async def test_the_strongest_of_several_challenges_is_answered(camera, challenges):
    url = await camera.start(digest_camera("admin", SECRET, challenges))
    source = HttpSource(url=url, auth="digest", username="admin", password=SECRET)
    assert (await open_client(source).fetch(now())).data == jpeg(1)
    assert not any("Basic" in r.headers.get("Authorization", "") for r in camera.requests)
    # Without or with a weaker login the advice is the strongest one.
    for asked in (
        HttpSource(url=url),
        HttpSource(url=url, auth="basic", username="admin", password=SECRET),
    ):
        error = await fetch_error(asked)
        assert error.code == "http_401"
        assert "set auth to digest, with username and password" in str(error)


async def test_a_nonce_that_has_run_out_is_renewed_and_a_wrong_password_not_tried_again(camera):
    right, wrong = digest_camera("admin", SECRET), digest_camera("admin", "changed")

    async def renewing(request: web.Request) -> web.StreamResponse:
        # Another server each time: it knows none of the nonces of the one before.
        return await (right if len(camera.requests) <= 2 else wrong)(request)

    url = await camera.start(renewing)
    client = open_client(HttpSource(url=url, auth="digest", username="admin", password=SECRET))
    assert (await client.fetch(now())).data == jpeg(1)
    with pytest.raises(SnapshotError, match="check user name and password"):
        await client.fetch(now())
    assert len(camera.requests) == 4
    # What was refused is not sent again before it is asked for.
    with pytest.raises(SnapshotError, match="check user name and password"):
        await client.fetch(now())
    assert ["Authorization" in request.headers for request in camera.requests[4:]] == [False, True]


@pytest.mark.parametrize(
    ("challenges", "says"),
    [
        ([], "does not say which login it wants, set auth to basic"),
        (["Weird x=y"], "does not say which login it wants, set auth to basic"),
        (["Basic realm=x"], "wants another login, set auth to basic"),
        (["Digest realm=x"], "of an unknown kind, update the camera's firmware"),
        (["Digest realm=x, nonce=y, algorithm=Z", "Basic realm=x"], "or set auth to basic"),
    ],
)
async def test_a_login_is_not_called_refused_before_it_was_sent(camera, challenges, says):
    headers = CIMultiDict(("WWW-Authenticate", challenge) for challenge in challenges)

    async def demand(request: web.Request) -> web.Response:
        return web.Response(status=401, headers=headers)

    url = await camera.start(demand)
    error = await fetch_error(HttpSource(url=url, auth="digest", username="admin", password=SECRET))
    assert says in str(error)
    assert "refused" not in str(error)
    assert not any("Authorization" in request.headers for request in camera.requests)


async def test_digest_login_serves_a_whole_burst_with_one_challenge(camera):
    url = await camera.start(digest_camera("admin", SECRET)) + "?channel=1"
    source = HttpSource(url=url, auth="digest", username="admin", password=SECRET)
    burst = await take_burst(open_client(source), spacing_s=0.01, motion_at=now())
    assert len(burst.snapshots) == 3
    assert burst.errors == ()
    assert len(camera.requests) == 4
    assert not any("Basic" in r.headers.get("Authorization", "") for r in camera.requests)


async def test_a_wrong_digest_password_is_tried_once_per_burst(camera):
    url = await camera.start(digest_camera("admin", "right"))
    source = HttpSource(url=url, auth="digest", username="admin", password=SECRET)
    burst = await take_burst(open_client(source), spacing_s=0.01, motion_at=now())
    assert burst.snapshots == ()
    assert [error.code for error in burst.errors] == ["http_401"]
    assert len([r for r in camera.requests if "Authorization" in r.headers]) == 1


@pytest.mark.parametrize(
    ("offered", "remedy"),
    [("Digest", "set auth to digest"), ("Basic", "set auth to basic"), ("Weird", "wants a login")],
)
async def test_a_refused_login_names_the_one_that_is_wanted(camera, offered, remedy):
    url = await camera.start(wants(offered, "never"))
    error = await fetch_error(HttpSource(url=url))
    assert error.code == "http_401"
    assert remedy in str(error)


# --- HTTP: wrong answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (403, "may want a login"),
        (404, "check the path"),
        (410, "check the address"),
        (429, "spacing"),
        (500, "own log"),
        (503, "own log"),
    ],
)
async def test_a_status_becomes_a_code_with_a_remedy(camera, status, remedy):
    url = await camera.start(answers(jpeg(), status=status))
    error = await fetch_error(HttpSource(url=url))
    assert error.code == f"http_{status}"
    assert f"HTTP {status}" in str(error)
    assert remedy in str(error)


async def test_a_user_without_the_right_to_see_pictures(camera):
    url = await camera.start(answers(status=403))
    source = HttpSource(url=url, auth="basic", username="admin", password=SECRET)
    assert "give it that right" in str(await fetch_error(source))


async def test_a_redirect_to_another_host_is_not_followed(camera):
    elsewhere = Camera()
    target = await elsewhere.start(answers(jpeg()))
    target = target.replace("127.0.0.1", "localhost") + f"?token={SECRET}"
    url = await camera.start(answers(status=302, Location=target))
    source = HttpSource(url=url, auth="basic", username="admin", password=SECRET)
    error = await fetch_error(source)
    assert error.code == "redirect"
    assert "http://localhost:" in str(error)
    assert "put the final address into url" in str(error)
    assert SECRET not in str(error)
    assert elsewhere.requests == []
    await elsewhere.servers[0].close()


@pytest.mark.parametrize("location", ["/login.html", "", "//[", "http://"])
async def test_other_redirects_are_errors_too(camera, location):
    url = await camera.start(answers(status=307, Location=location))
    error = await fetch_error(HttpSource(url=url))
    assert error.code == "redirect"
    assert len(camera.requests) == 1


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "empty", "empty picture"),
        (
            b"<!DOCTYPE html><html><head><title> Log in &amp; wait\n</title>",
            "not_an_image",
            "'Log in & wait'",
        ),
        (b"\xef\xbb\xbf  <html><body>no title</body></html>", "not_an_image", "a web page"),
        (b'[{"error": {"detail": "please login first"}}]', "not_an_image", "please login first"),
        (b"\x00\x01\x02" * 100, "not_an_image", "300 bytes of unknown data"),
        (b"GIF89a" + b"\x80" * 100, "not_an_image", "unknown data"),
        (b"\xff\xd8", "not_an_image", "unknown data"),
        (b"RIFF1234WAVE", "not_an_image", "text"),
    ],
)
async def test_what_is_no_picture_is_described(camera, body, code, says):
    url = await camera.start(answers(body))
    error = await fetch_error(HttpSource(url=url))
    assert error.code == code
    assert says in str(error)


@pytest.mark.parametrize(
    "body", [jpeg(), b"\x89PNG\r\n\x1a\n rest", b"RIFF\x10\x00\x00\x00WEBPVP8 "]
)
async def test_jpeg_png_and_webp_are_pictures_whatever_the_type_says(camera, body):
    url = await camera.start(answers(body, Content_Type="text/html"))
    assert (await open_client(HttpSource(url=url)).fetch(now())).data == body


async def test_a_video_stream_without_pictures_is_named(camera):
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "multipart/x-mixed-replace; boundary=x"}
        )
        await response.prepare(request)
        await response.write(b"--x\r\n")
        await asyncio.sleep(30)
        return response

    error = await fetch_error(HttpSource(url=await camera.start(stream), timeout_s=0.3))
    assert error.code == "not_an_image"
    assert "video stream" in str(error)


def endless(start: bytes, sent: list[bytes]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(start)
            while True:
                await response.write(bytes(1 << 20))
                sent.append(b"")
        return response

    return handler


async def test_an_endless_body_is_cut_off(camera):
    sent: list[bytes] = []
    url = await camera.start(endless(jpeg()[:-2], sent))
    error = await fetch_error(HttpSource(url=url, timeout_s=30))
    assert error.code == "too_large"
    assert len(sent) << 20 < 4 * MAX_PICTURE_BYTES


async def test_nothing_is_read_behind_the_end_of_a_picture(camera):
    sent: list[bytes] = []
    url = await camera.start(endless(jpeg(), sent))
    snapshot = await open_client(HttpSource(url=url, timeout_s=30)).fetch(now())
    assert snapshot.data == jpeg()
    assert len(sent) << 20 < MAX_PICTURE_BYTES


# --- HTTP: pictures in wrong envelopes ----------------------------------------------------------


@contextlib.asynccontextmanager
async def speaking(answer: bytes, *, hangs: bool, pause_at: int = 0) -> AsyncIterator[str]:
    """A server that says just these bytes, then keeps the connection or closes it."""
    over, speaking = asyncio.Event(), set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        speaking.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in (answer[:pause_at], answer[pause_at:]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)
            if hangs:
                await over.wait()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/snap.jpg"
    finally:
        over.set()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*speaking)


OK = b"HTTP/1.1 200 OK\r\n"
TYPE = b"Content-Type: image/jpeg\r\n"
PICTURE = jpeg(5)
LENGTH = len(PICTURE)
NO_END = PICTURE[:-2]
PACKED = gzip.compress(PICTURE, mtime=0)


def promising(length: object, body: bytes = PICTURE) -> bytes:
    return OK + TYPE + f"Content-Length: {length}\r\n\r\n".encode() + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + coded + end


def parts(*pictures: bytes, head: bytes = TYPE, line: bytes = b"\r\n") -> bytes:
    each = b"".join(b"--shown" + line + head + line + picture + line for picture in pictures)
    return OK + b"Content-Type: multipart/x-mixed-replace; boundary=promised\r\n\r\n" + each


def told(header: bytes, answer: bytes) -> bytes:
    """Add a header to an answer."""
    return answer.replace(b"\r\n", b"\r\n" + header + b"\r\n", 1)


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
UNENDED_CHUNKS = b"63\r\n%b%x\r\n%b" % (PICTURE[:99], LENGTH - 99, PICTURE[99:])
ODD_HEADERS = b"what is\r\n: \r\n\xff\xfe: \xff\r\nA: b\r\n c"

WRONG_ENVELOPES = {
    "length a little too long": promising(LENGTH + 7),
    "length far too long": promising(LENGTH + 10**6),
    "length over any limit": promising(2**32 - 1),
    "length a little too short": promising(LENGTH - 7),
    "length of the end marker too short": promising(LENGTH - 2),
    "length far too short": promising(LENGTH // 2),
    "length zero": promising(0),
    "length no number": promising("unknown"),
    "length negative": promising(-1),
    "lengths that differ": told(b"Content-Length: 5", promising(LENGTH)),
    "length twice": promising(f"{LENGTH}, {LENGTH}"),
    "bytes behind the picture": promising(LENGTH + 30, PICTURE + bytes(30)),
    "bytes behind the length": promising(LENGTH, PICTURE + b"HTTP/1.1 500 Broken\r\n\r\n"),
    "no length": OK + TYPE + b"\r\n" + PICTURE,
    "HTTP 1.0": b"HTTP/1.0 200 OK\r\n" + TYPE + b"\r\n" + PICTURE,
    "no headers": OK + b"\r\n" + PICTURE,
    "no reason": b"HTTP/1.1 200\r\n\r\n" + PICTURE,
    "no empty line": OK + TYPE + PICTURE,
    "no head at all": PICTURE,
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Type: image/jpeg\n\n" + PICTURE,
    "another protocol's name": b"ICY 200 OK\r\n\r\n" + PICTURE,
    "headers that are none": told(ODD_HEADERS, promising(LENGTH)),
    "wrong type": promising(LENGTH).replace(b"image/jpeg", b"text/html; charset=utf-8"),
    "provisional answer first": b"HTTP/1.1 100 Continue\r\n\r\n" + promising(LENGTH),
    "other success": promising(LENGTH).replace(b"200 OK", b"203 Non-Authoritative"),
    "chunks without the last": chunked(PICTURE[:99], PICTURE[99:], end=b""),
    "chunks that end wrong": chunked(PICTURE[:99], PICTURE[99:], end=b"zzz\r\n"),
    "chunks without line ends": OK + CHUNKED + UNENDED_CHUNKS,
    "a chunk that is cut behind the picture": chunked(PICTURE + bytes(99))[:-60],
    "chunks promised, none sent": OK + CHUNKED + PICTURE,
    "chunks and a wrong length": told(b"Content-Length: 3", chunked(PICTURE)),
    "chunk extensions": chunked(PICTURE).replace(b"%x\r\n" % LENGTH, b"%X ; a=b\r\n" % LENGTH),
    "one part": parts(PICTURE) + b"--shown--\r\n",
    "one part, not ended": parts(PICTURE),
    "a stream": parts(PICTURE, jpeg(6), jpeg(7)),
    "a part without headers": parts(PICTURE, head=b""),
    "a part with bare line feeds": parts(PICTURE, head=b"A: b\n", line=b"\n"),
    "a part with a wrong length": parts(PICTURE, head=b"Content-Length: 9\r\n"),
    "multipart promised, none sent": OK + b"Content-Type: multipart/mixed\r\n\r\n" + PICTURE,
    "line ends before the picture": promising(LENGTH + 4, b"\r\n\r\n" + PICTURE),
    "packed": promising(len(PACKED), PACKED),
    "packed, and told": told(b"Content-Encoding: gzip", promising(len(PACKED), PACKED)),
    "packed, the checksum cut off": promising(10**5, PACKED[:-8]),
    "deflated": promising(len(zlib.compress(PICTURE)), zlib.compress(PICTURE)),
    "packed by word only": told(b"Content-Encoding: gzip", promising(LENGTH)),
}


@pytest.mark.parametrize("answer", WRONG_ENVELOPES.values(), ids=WRONG_ENVELOPES)
@pytest.mark.parametrize("hangs", [False, True], ids=["closes", "keeps open"])
async def test_a_whole_picture_is_taken_whatever_its_envelope(answer, hangs):
    is_packed = PACKED[:30] in answer
    async with speaking(answer, hangs=hangs, pause_at=len(answer) // 3) as url:
        # Only what is packed tells its end by the envelope alone.
        source = HttpSource(url=url, timeout_s=0.5 if hangs and is_packed else 20)
        assert (await open_client(source).fetch(now())).data == PICTURE


@pytest.mark.parametrize(
    "answer",
    [
        promising(LENGTH - 2, NO_END),
        promising(LENGTH, NO_END),
        promising(LENGTH + 99, NO_END),
        OK + b"\r\n" + NO_END,
        chunked(NO_END, end=b""),
        parts(NO_END, jpeg(6)),
    ],
    ids=["right length", "length with the marker", "wrong length", "no length", "chunks", "parts"],
)
@pytest.mark.parametrize("hangs", [False, True], ids=["closes", "keeps open"])
async def test_a_picture_without_end_marker_is_whole_in_any_envelope(answer, hangs):
    async with speaking(answer, hangs=hangs) as url:
        source = HttpSource(url=url, timeout_s=0.6 if hangs else 20)
        data = (await open_client(source).fetch(now())).data
    assert data.rstrip(b"\r\n") == NO_END


CUT = PICTURE[: LENGTH // 2]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (promising(LENGTH, CUT), f"Content-Length promises {LENGTH} bytes, and {len(CUT)} came"),
        (promising("much", CUT), "Content-Length is no number"),
        (chunked(CUT, end=b""), "Transfer-Encoding says chunked"),
        (chunked(CUT, end=b"zzz\r\n"), "Transfer-Encoding says chunked"),
        (OK + TYPE + CUT, "no empty line ends its headers"),
        (CUT, "no HTTP headers"),
    ],
)
async def test_a_cut_picture_is_incomplete_and_the_header_named(answer, says):
    async with speaking(answer, hangs=False) as url:
        error = await fetch_error(HttpSource(url=url))
    assert error.code == "incomplete"
    assert says in str(error)


async def test_a_cut_picture_in_a_right_envelope_is_left_to_the_burst():
    async with speaking(promising(len(CUT), CUT), hangs=False) as url:
        assert (await open_client(HttpSource(url=url)).fetch(now())).data == CUT


async def test_a_cut_picture_then_the_whole_one_is_one_picture(camera):
    async def writing(request: web.Request) -> web.Response:
        return web.Response(body=PICTURE[: LENGTH * len(camera.requests) // 3])

    burst = await take_burst(
        open_client(HttpSource(url=await camera.start(writing))),
        spacing_s=0.01,
        limit_s=1,
        motion_at=now(),
    )
    assert [shot.data for shot in burst.snapshots] == [PICTURE]
    assert burst.distinct == 1


@pytest.mark.parametrize("coding", ["br", "zstd"])
async def test_an_unknown_packing_is_named(coding):
    answer = OK + b"Content-Encoding: %b\r\n\r\n" % coding.encode() + bytes(range(60, 160))
    async with speaking(answer, hangs=False) as url:
        error = await fetch_error(HttpSource(url=url))
    assert error.code == "bad_response"
    assert f"Content-Encoding is '{coding}'" in str(error)


async def test_little_that_unpacks_to_much_is_cut_off():
    bomb = gzip.compress(PICTURE[:-2] + bytes(8 * MAX_PICTURE_BYTES))
    async with speaking(promising(len(bomb), bomb), hangs=False) as url:
        assert (await fetch_error(HttpSource(url=url))).code == "too_large"


@pytest.mark.parametrize("line", [b"X: " + b"y" * (1 << 20), b"X: y\r\n" * (1 << 17)])
async def test_endless_headers_are_cut_off(line):
    async with speaking(OK + line, hangs=True) as url:
        error = await fetch_error(HttpSource(url=url, timeout_s=20))
    assert error.code == "bad_response"
    assert "64 kB of headers" in str(error)


async def test_endless_provisional_answers_end_with_the_time():
    async with speaking(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, hangs=True) as url:
        error = await fetch_error(HttpSource(url=url, timeout_s=1))
    assert error.code == "timeout"


@settings(max_examples=60)
@given(
    head=st.sampled_from([b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n", promising(9, b"")]),
    data=st.binary(max_size=200),
    body=st.sampled_from([b"", PICTURE, CUT, b"--x\r\n\r\n", PACKED]),
)
def test_any_answer_gives_a_picture_or_one_sentence(head, data, body):
    async def scenario() -> bytes | str:
        async with speaking(head + data + body, hangs=False) as url:
            try:
                return (await open_client(HttpSource(url=url, timeout_s=5)).fetch(now())).data
            except SnapshotError as error:
                return str(error)

    outcome = asyncio.run(scenario())
    assert outcome
    if isinstance(outcome, str):
        assert "\n" not in outcome
        assert len(outcome) < 400


@pytest.mark.parametrize("first_bytes", [b"", jpeg()[:-90]])
async def test_a_slow_camera_times_out(camera, first_bytes):
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if first_bytes:
            await response.prepare(request)
            await response.write(first_bytes)
        await asyncio.sleep(30)
        return response

    source = HttpSource(url=await camera.start(slow), timeout_s=0.2)
    error = await fetch_error(source)
    assert error.code == ("incomplete" if first_bytes else "timeout")
    assert "0.2 s" in str(error)


async def test_a_request_that_is_broken_off_at_any_moment_leaves_no_connection_behind(camera):
    url = await camera.start(answers(jpeg()))
    client = open_client(HttpSource(url=url))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for steps in range(40):
            request = asyncio.create_task(client.fetch(now()))
            for _ in range(steps):
                # Now and then what the network has done is looked at as well.
                await asyncio.sleep(0.0005 if steps % 2 else 0)
            request.cancel()
            await asyncio.wait({request})
            del request
        gc.collect()
    assert [str(one.message) for one in told if one.category is ResourceWarning] == []


async def test_the_first_address_that_answers_is_taken(camera, monkeypatch):
    """Such as a name with an IPv6 address that leads nowhere."""
    url = await camera.start(answers(jpeg(3)))
    port = int(url.split(":")[2].split("/")[0])
    dead = ("192.0.2.1", port)  # of the block for documentation
    hanging: list[str] = []
    real_open = asyncio.open_connection

    async def open_connection(host: str, port: int) -> Any:
        if host == dead[0]:
            hanging.append(host)
            await asyncio.Event().wait()
        return await real_open(host, port)

    async def getaddrinfo(*_: object, **__: object) -> list[Any]:
        addresses = (dead, ("127.0.0.1", port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    assert (await open_client(HttpSource(url=url)).fetch(now())).data == jpeg(3)
    assert hanging


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_connection_is_unreachable(host):
    url = f"http://{host}:{unused_port()}/snap.jpg"
    error = await fetch_error(HttpSource(url=url))
    assert error.code == "unreachable"
    assert "(Connection refused): check that the camera is on" in str(error)


async def test_a_host_that_accepts_no_connection_times_out(monkeypatch):
    monkeypatch.setattr(http_exchange, "CONNECT_LIMIT_S", 0.1)
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Once its queue is full the kernel drops further connections, as a firewall does.
        for _ in range(2):
            stuck = waiting.enter_context(socket.socket())
            stuck.setblocking(False)
            stuck.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        error = await fetch_error(HttpSource(url=f"http://127.0.0.1:{port}/"))
    assert error.code == "timeout"
    assert "accepts no connection" in str(error)


async def test_an_unknown_host_is_unreachable():
    error = await fetch_error(HttpSource(url="http://camera.invalid/snap.jpg"))
    assert error.code == "unreachable"
    assert "host name" in str(error)


@pytest.mark.parametrize(
    ("greeting", "code"), [(b"SSH-2.0-OpenSSH_9.7\r\n", "bad_response"), (b"", "unreachable")]
)
async def test_what_speaks_no_http_is_an_error(greeting, code):
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await fetch_error(HttpSource(url=f"http://127.0.0.1:{port}/"))
    assert error.code == code
    server.close()
    await server.wait_closed()


# --- HTTP: TLS ----------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def tls_url(camera, authority) -> str:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return await camera.start(answers(jpeg()), tls=context)


async def test_an_unknown_certificate_is_refused_before_anything_is_sent(tls_url, camera):
    source = HttpSource(url=tls_url, auth="basic", username="admin", password=SECRET)
    error = await fetch_error(source)
    assert error.code == "tls"
    assert "ca_file" in str(error)
    assert "verify_tls" in str(error)
    assert camera.requests == []


async def test_verification_can_be_switched_off(tls_url):
    client = open_client(HttpSource(url=tls_url, verify_tls=False))
    assert (await client.fetch(now())).data == jpeg()
    assert (await fetch_error(HttpSource(url=tls_url))).code == "tls"


async def test_a_ca_file_is_trusted(tls_url, authority, tmp_path):
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    client = open_client(HttpSource(url=tls_url, ca_file=ca_file))
    assert (await client.fetch(now())).data == jpeg()


async def test_the_certificate_must_be_for_the_host(tls_url, authority, tmp_path):
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    url = tls_url.replace("127.0.0.1", "localhost")
    assert (await fetch_error(HttpSource(url=url, ca_file=ca_file))).code == "tls"


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_an_unusable_ca_file_is_named(tls_url, tmp_path, content):
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    error = await fetch_error(HttpSource(url=tls_url, ca_file=ca_file))
    assert error.code == "tls"
    assert str(ca_file) in str(error)


async def test_https_to_a_port_without_tls(camera):
    url = (await camera.start(answers(jpeg()))).replace("http:", "https:")
    assert (await fetch_error(HttpSource(url=url))).code == "tls"


# --- HTTP: ages, past frames, secrets -----------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "modified", "age_ms"),
    [
        ("Mon, 23 Nov 2026 12:00:07 GMT", "Mon, 23 Nov 2026 12:00:00 GMT", 7000),
        ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:00:00 GMT", 0),
        # A clock in another zone or century still tells an age by its own two headers.
        ("Thu, 01 Jan 1970 00:01:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", 60000),
        ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:00:09 GMT", None),
        ("Mon, 23 Nov 2026 12:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Mon, 23 Nov 2026 12:00:00 GMT", "yesterday", None),
        ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 11:59:00 -0000", None),
        ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 99 Nov 2026 12:00:00 GMT", None),
    ],
)
async def test_age_by_the_cameras_own_clock(camera, date, modified, age_ms):
    url = await camera.start(answers(jpeg(), Date=date, Last_Modified=modified))
    before = now()
    snapshot = await open_client(HttpSource(url=url)).fetch(before)
    after = now()
    age = timedelta(milliseconds=age_ms or 0)
    assert snapshot.age_ms == age_ms
    assert before <= snapshot.captured_at + age <= after


async def test_past_frames_are_asked_by_timestamp(camera):
    url = (await camera.start(moving())).replace("snap.jpg", "at/{timestamp}/snap.jpg")
    client = open_client(HttpSource(url=url))
    motion_at = now() - timedelta(seconds=30)
    burst = await take_burst(client, spacing_s=0.02, motion_at=motion_at)
    moments = [float(request.path.split("/")[2]) for request in camera.requests]
    assert moments == pytest.approx([motion_at.timestamp() + i * 0.02 for i in range(3)], abs=1e-3)
    assert [s.captured_at.timestamp() for s in burst.snapshots] == pytest.approx(moments, abs=1e-3)
    assert all(29_000 < snapshot.age_ms < 40_000 for snapshot in burst.snapshots)
    assert burst.errors == ()


async def test_a_recorder_gets_time_to_write(camera):
    async def recorder(request: web.Request) -> web.Response:
        if len(camera.requests) <= 2 * MAX_FAILURES:
            return web.Response(status=404)
        return web.Response(body=jpeg(len(camera.requests)))

    url = (await camera.start(recorder)) + "?t={timestamp}"
    burst = await take_burst(open_client(HttpSource(url=url)), spacing_s=0.01, motion_at=now())
    assert len(burst.snapshots) == 3
    assert [error.code for error in burst.errors] == ["not_recorded"]
    assert len({request.query["t"] for request in camera.requests[: 2 * MAX_FAILURES]}) == 1


SECRET_URLS = {
    "password in the query": {"url": "{url}?cmd=Snap&user=admin&password=" + SECRET},
    "token in the query": {"url": "{url}?token=" + SECRET},
    "unnamed in the query": {"url": "{url}?x=" + SECRET},
    "basic": {"url": "{url}", "auth": "basic", "username": "admin", "password": SECRET},
    "bearer": {"url": "{url}", "auth": "bearer", "token": SECRET},
}


@pytest.mark.parametrize("fields", SECRET_URLS.values(), ids=SECRET_URLS)
async def test_no_secret_shows_even_when_the_camera_repeats_it(camera, fields):
    async def echo(request: web.Request) -> web.Response:
        said = f"{request.raw_path} {request.query_string} {SECRET}"
        match len(camera.requests):
            case 1:
                return web.Response(text=said)
            case 2:
                return web.Response(text=f"<html><title>{SECRET} {said}</title>")
            case 3:
                return web.Response(status=302, headers={"Location": "http://other/?" + said})
            case _:
                return web.Response(status=500, text=said, reason="broken")

    url = await camera.start(echo)
    source = HttpSource(**{**fields, "url": fields["url"].replace("{url}", url)})
    shown = [repr(source), str(source), source.shown_url]
    for _ in range(4):
        shown.append(str(await fetch_error(source)))
    spellings = {SECRET, SECRET.replace("+", " "), "s3cr3t%2Bpass%2Fword", "s3cr3t%2Bpass/word"}
    for text in shown:
        assert not [spelling for spelling in spellings if spelling in text]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://cam/snap.jpg", "http://cam/snap.jpg"),
        ("http://cam:81/a?x=1#y", "http://cam:81/a?…"),
        ("http://user:pa@ss@cam/a", "http://cam/a"),
        ("user:secret@cam", "cam"),
        ("http://cam/{timestamp}.jpg", "http://cam/{timestamp}.jpg"),
    ],
)
def test_show_url(url, shown):
    assert show_url(url) == shown


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": "rtsp://cam/stream"}, "is a video stream, and a picture is needed"),
        ({"url": "ftp://cam/snap.jpg"}, "not an http or https address"),
        ({"url": "cam/snap.jpg"}, "not an http or https address"),
        ({"url": "http://"}, "not an http or https address"),
        ({"url": "http://[cam/"}, "not a web address"),
        ({"url": f"http://admin:{SECRET.replace('/', '')}@cam/"}, "into username and password"),
        ({"auth": "ntlm"}, "use one of none, basic, digest, bearer"),
        ({"auth": "basic"}, "set username"),
        ({"auth": "digest", "username": "a:b"}, "no colon"),
        ({"username": "admin", "password": SECRET}, "auth is none"),
        ({"auth": "bearer"}, "belong together"),
        ({"token": SECRET}, "belong together"),
        ({"auth": "bearer", "token": SECRET + "\r\nX: y"}, "line break"),
        ({"auth": "bearer", "token": SECRET + "ü"}, "copy it again"),
        ({"timeout_s": 0}, "seconds above 0"),
        ({"timeout_s": float("inf")}, "seconds above 0"),
    ],
)
def test_an_impossible_http_source_is_refused(fields, says):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        HttpSource(**{"url": "http://cam/", **fields})
    assert "s3cr3t" not in str(caught.value)

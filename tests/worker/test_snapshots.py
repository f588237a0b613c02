"""Snapshots over real HTTP on loopback, from MQTT messages and from files."""

import asyncio
import base64
import contextlib
import hashlib
import itertools
import os
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.worker import snapshots
from veroallarme_core.worker.snapshots import (
    KEPT_PICTURES,
    MAX_FAILURES,
    MAX_PICTURE_BYTES,
    FileSource,
    HttpSource,
    MqttImageSource,
    Snapshot,
    SnapshotError,
    open_client,
    show_url,
    take_burst,
)

MOTION_AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SECRET = "s3cr3t+pass/word"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def jpeg(number: int = 0) -> bytes:
    """Bytes that begin and end as a JPEG; nothing here decodes them."""
    return b"\xff\xd8\xff\xe0" + f"frame {number}".encode() + b"\xff\xd9"


def now() -> datetime:
    return datetime.now(UTC)


class Camera:
    """A real HTTP server on loopback that counts what it is asked."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.servers: list[TestServer] = []

    async def start(self, handler: Handler, tls: ssl.SSLContext | None = None) -> str:
        async def counting(request: web.Request) -> web.StreamResponse:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                return await handler(request)
            finally:
                self.in_flight -= 1

        app = web.Application()
        app.router.add_get("/{path:.*}", counting)
        server = TestServer(app, host="127.0.0.1", scheme="https" if tls else "http")
        await server.start_server(ssl=tls)
        self.servers.append(server)
        return str(server.make_url("/snap.jpg"))


@pytest.fixture
async def camera():
    camera = Camera()
    yield camera
    for server in camera.servers:
        await server.close()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def answers(body: bytes = b"", status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(
            body=body,
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return handler


def moving() -> Handler:
    """A camera that gives another picture each time."""
    count = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(body=jpeg(count))

    return handler


async def fetch_error(source: HttpSource, session: aiohttp.ClientSession) -> SnapshotError:
    with pytest.raises(SnapshotError) as caught:
        await open_client(source, session).fetch(now())
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 300
    return caught.value


# --- HTTP: logins -------------------------------------------------------------------------------


async def test_a_picture_comes_as_it_is(camera, session):
    url = await camera.start(answers(jpeg(7)))
    before = now()
    snapshot = await open_client(HttpSource(url=url), session).fetch(before)
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


async def test_basic_login_in_utf8(camera, session):
    login = base64.b64encode("jörg:päss".encode()).decode()
    url = await camera.start(wants("Basic", f"Basic {login}"))
    source = HttpSource(url=url, auth="basic", username="jörg", password="päss")
    assert (await open_client(source, session).fetch(now())).data == jpeg()
    wrong = HttpSource(url=url, auth="basic", username="jörg", password=SECRET)
    error = await fetch_error(wrong, session)
    assert error.code == "http_401"
    assert "check user name and password" in str(error)


async def test_bearer_login(camera, session):
    url = await camera.start(wants("Bearer", "Bearer abc.def"))
    source = HttpSource(url=url, auth="bearer", token="abc.def")
    assert (await open_client(source, session).fetch(now())).data == jpeg()
    error = await fetch_error(HttpSource(url=url, auth="bearer", token="wrong"), session)
    assert error.code == "http_401"
    assert "make a new one" in str(error)


def digest_camera(username: str, password: str) -> Handler:
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
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    return handler


async def test_digest_login_serves_a_whole_burst_with_one_challenge(camera, session):
    url = await camera.start(digest_camera("admin", SECRET)) + "?channel=1"
    source = HttpSource(url=url, auth="digest", username="admin", password=SECRET)
    burst = await take_burst(open_client(source, session), spacing_s=0.01, motion_at=now())
    assert len(burst.snapshots) == 3
    assert burst.errors == ()
    assert len(camera.requests) == 4
    assert not any("Basic" in r.headers.get("Authorization", "") for r in camera.requests)


async def test_a_wrong_digest_password_is_tried_once_per_burst(camera, session):
    url = await camera.start(digest_camera("admin", "right"))
    source = HttpSource(url=url, auth="digest", username="admin", password=SECRET)
    burst = await take_burst(open_client(source, session), spacing_s=0.01, motion_at=now())
    assert burst.snapshots == ()
    assert [error.code for error in burst.errors] == ["http_401"]
    assert len([r for r in camera.requests if "Authorization" in r.headers]) == 1


@pytest.mark.parametrize(
    ("offered", "remedy"),
    [("Digest", "set auth to digest"), ("Basic", "set auth to basic"), ("Weird", "wants a login")],
)
async def test_a_refused_login_names_the_one_that_is_wanted(camera, session, offered, remedy):
    url = await camera.start(wants(offered, "never"))
    error = await fetch_error(HttpSource(url=url), session)
    assert error.code == "http_401"
    assert remedy in str(error)


# --- HTTP: wrong answers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (403, "right"),
        (404, "check the path"),
        (410, "check the address"),
        (429, "spacing"),
        (500, "own log"),
        (503, "own log"),
    ],
)
async def test_a_status_becomes_a_code_with_a_remedy(camera, session, status, remedy):
    url = await camera.start(answers(jpeg(), status=status))
    error = await fetch_error(HttpSource(url=url), session)
    assert error.code == f"http_{status}"
    assert f"HTTP {status}" in str(error)
    assert remedy in str(error)


async def test_a_redirect_to_another_host_is_not_followed(camera, session):
    elsewhere = Camera()
    target = await elsewhere.start(answers(jpeg()))
    target = target.replace("127.0.0.1", "localhost") + f"?token={SECRET}"
    url = await camera.start(answers(status=302, Location=target))
    source = HttpSource(url=url, auth="basic", username="admin", password=SECRET)
    error = await fetch_error(source, session)
    assert error.code == "redirect"
    assert "http://localhost:" in str(error)
    assert "put the final address into url" in str(error)
    assert SECRET not in str(error)
    assert elsewhere.requests == []
    await elsewhere.servers[0].close()


@pytest.mark.parametrize("location", ["/login.html", "", "//[", "http://"])
async def test_other_redirects_are_errors_too(camera, session, location):
    url = await camera.start(answers(status=307, Location=location))
    error = await fetch_error(HttpSource(url=url), session)
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
async def test_what_is_no_picture_is_described(camera, session, body, code, says):
    url = await camera.start(answers(body))
    error = await fetch_error(HttpSource(url=url), session)
    assert error.code == code
    assert says in str(error)


@pytest.mark.parametrize(
    "body", [jpeg(), b"\x89PNG\r\n\x1a\n rest", b"RIFF\x10\x00\x00\x00WEBPVP8 "]
)
async def test_jpeg_png_and_webp_are_pictures_whatever_the_type_says(camera, session, body):
    url = await camera.start(answers(body, Content_Type="text/html"))
    assert (await open_client(HttpSource(url=url), session).fetch(now())).data == body


async def test_a_video_stream_is_not_read(camera, session):
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "multipart/x-mixed-replace; boundary=x"}
        )
        await response.prepare(request)
        await asyncio.sleep(30)
        return response

    error = await fetch_error(HttpSource(url=await camera.start(stream)), session)
    assert error.code == "not_an_image"
    assert "video stream" in str(error)


async def test_an_endless_body_is_cut_off(camera, session):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(jpeg())
            while True:
                await response.write(bytes(1 << 20))
                sent += 1 << 20
        except ConnectionError:
            return response

    error = await fetch_error(HttpSource(url=await camera.start(endless), timeout_s=30), session)
    assert error.code == "too_large"
    assert sent < 4 * MAX_PICTURE_BYTES


async def test_a_declared_length_over_the_limit_is_not_read(camera, session):
    async def huge(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(MAX_PICTURE_BYTES + 1)})
        await response.prepare(request)
        await asyncio.sleep(30)
        return response

    error = await fetch_error(HttpSource(url=await camera.start(huge)), session)
    assert error.code == "too_large"


async def test_a_body_that_breaks_off_is_incomplete(camera, session):
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(jpeg())
        assert request.transport is not None
        request.transport.close()
        return response

    error = await fetch_error(HttpSource(url=await camera.start(broken)), session)
    assert error.code == "incomplete"


@pytest.mark.parametrize("first_bytes", [b"", jpeg()])
async def test_a_slow_camera_times_out(camera, session, first_bytes):
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if first_bytes:
            await response.prepare(request)
            await response.write(first_bytes)
        await asyncio.sleep(30)
        return response

    source = HttpSource(url=await camera.start(slow), timeout_s=0.2)
    error = await fetch_error(source, session)
    assert error.code == "timeout"
    assert "within 0.2 s" in str(error)


async def test_a_refused_connection_is_unreachable(session):
    url = f"http://127.0.0.1:{unused_port()}/snap.jpg"
    error = await fetch_error(HttpSource(url=url), session)
    assert error.code == "unreachable"
    assert "camera is on" in str(error)


async def test_a_host_that_accepts_no_connection_times_out(session, monkeypatch):
    monkeypatch.setattr(snapshots, "CONNECT_LIMIT_S", 0.1)
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Once its queue is full the kernel drops further connections, as a firewall does.
        for _ in range(2):
            stuck = waiting.enter_context(socket.socket())
            stuck.setblocking(False)
            stuck.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        error = await fetch_error(HttpSource(url=f"http://127.0.0.1:{port}/"), session)
    assert error.code == "timeout"
    assert "accepts no connection" in str(error)


async def test_an_unknown_host_is_unreachable(session):
    error = await fetch_error(HttpSource(url="http://camera.invalid/snap.jpg"), session)
    assert error.code == "unreachable"
    assert "host name" in str(error)


@pytest.mark.parametrize(
    ("greeting", "code"), [(b"SSH-2.0-OpenSSH_9.7\r\n", "bad_response"), (b"", "unreachable")]
)
async def test_what_speaks_no_http_is_an_error(session, greeting, code):
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await fetch_error(HttpSource(url=f"http://127.0.0.1:{port}/"), session)
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


async def test_an_unknown_certificate_is_refused_before_anything_is_sent(tls_url, camera, session):
    source = HttpSource(url=tls_url, auth="basic", username="admin", password=SECRET)
    error = await fetch_error(source, session)
    assert error.code == "tls"
    assert "ca_file" in str(error)
    assert "verify_tls" in str(error)
    assert camera.requests == []


async def test_verification_can_be_switched_off(tls_url, session):
    client = open_client(HttpSource(url=tls_url, verify_tls=False), session)
    assert (await client.fetch(now())).data == jpeg()
    # A shared session keeps such a connection apart from the verified ones.
    assert (await fetch_error(HttpSource(url=tls_url), session)).code == "tls"


async def test_a_ca_file_is_trusted(tls_url, authority, session, tmp_path):
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    client = open_client(HttpSource(url=tls_url, ca_file=ca_file), session)
    assert (await client.fetch(now())).data == jpeg()


async def test_the_certificate_must_be_for_the_host(tls_url, authority, session, tmp_path):
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    url = tls_url.replace("127.0.0.1", "localhost")
    assert (await fetch_error(HttpSource(url=url, ca_file=ca_file), session)).code == "tls"


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_an_unusable_ca_file_is_named(tls_url, session, tmp_path, content):
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    error = await fetch_error(HttpSource(url=tls_url, ca_file=ca_file), session)
    assert error.code == "tls"
    assert str(ca_file) in str(error)


async def test_https_to_a_port_without_tls(camera, session):
    url = (await camera.start(answers(jpeg()))).replace("http:", "https:")
    assert (await fetch_error(HttpSource(url=url), session)).code == "tls"


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
async def test_age_by_the_cameras_own_clock(camera, session, date, modified, age_ms):
    url = await camera.start(answers(jpeg(), Date=date, Last_Modified=modified))
    before = now()
    snapshot = await open_client(HttpSource(url=url), session).fetch(before)
    after = now()
    age = timedelta(milliseconds=age_ms or 0)
    assert snapshot.age_ms == age_ms
    assert before <= snapshot.captured_at + age <= after


async def test_past_frames_are_asked_by_timestamp(camera, session):
    url = (await camera.start(moving())).replace("snap.jpg", "at/{timestamp}/snap.jpg")
    client = open_client(HttpSource(url=url), session)
    motion_at = now() - timedelta(seconds=30)
    burst = await take_burst(client, spacing_s=0.02, motion_at=motion_at)
    moments = [float(request.path.split("/")[2]) for request in camera.requests]
    assert moments == pytest.approx([motion_at.timestamp() + i * 0.02 for i in range(3)], abs=1e-3)
    assert [s.captured_at.timestamp() for s in burst.snapshots] == pytest.approx(moments, abs=1e-3)
    assert all(29_000 < snapshot.age_ms < 40_000 for snapshot in burst.snapshots)
    assert burst.errors == ()


async def test_a_recorder_gets_time_to_write(camera, session):
    async def recorder(request: web.Request) -> web.Response:
        if len(camera.requests) <= 2 * MAX_FAILURES:
            return web.Response(status=404)
        return web.Response(body=jpeg(len(camera.requests)))

    url = (await camera.start(recorder)) + "?t={timestamp}"
    burst = await take_burst(
        open_client(HttpSource(url=url), session), spacing_s=0.01, motion_at=now()
    )
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
async def test_no_secret_shows_even_when_the_camera_repeats_it(camera, session, fields):
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
        shown.append(str(await fetch_error(source, session)))
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
        ({"url": "rtsp://cam/stream"}, "not an http or https address"),
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


# --- bursts -------------------------------------------------------------------------------------


class Script:
    """A client that plays a list of snapshots, errors and pauses."""

    def __init__(self, *steps: Snapshot | SnapshotError | None) -> None:
        self.steps = list(steps)
        self.moments: list[datetime] = []

    async def fetch(self, moment: datetime) -> Snapshot:
        self.moments.append(moment)
        step = self.steps.pop(0) if self.steps else None
        if step is None:
            await asyncio.sleep(30)
        if isinstance(step, SnapshotError):
            raise step
        assert step is not None
        return step

    async def close(self) -> None:
        pass


def shot(number: int, captured_s: float = 0.0) -> Snapshot:
    return Snapshot(jpeg(number), MOTION_AT + timedelta(seconds=captured_s), None)


async def burst_of(*steps: Snapshot | SnapshotError | None, **options: float) -> snapshots.Burst:
    options = {"spacing_s": 0.0, "limit_s": 0.3, **options}
    return await take_burst(Script(*steps), motion_at=MOTION_AT, **options)


async def test_identical_frames_are_fetched_again():
    burst = await burst_of(shot(1), shot(1), shot(2), shot(2), shot(3), shot(4))
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2), jpeg(3)]
    assert (burst.requested, burst.fetched, burst.errors) == (3, 5, ())


async def test_a_frozen_camera_is_asked_a_bounded_number_of_times():
    burst = await burst_of(*[shot(1)] * 50)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert burst.fetched == 6


async def test_snapshots_are_in_order_of_time():
    burst = await burst_of(shot(1, 2.0), shot(2, 1.0), shot(3, 3.0))
    assert [s.data for s in burst.snapshots] == [jpeg(2), jpeg(1), jpeg(3)]


async def test_stale_frames_are_refused_by_their_time_before_the_motion():
    burst = await burst_of(shot(1, -10.1), shot(2, -9.9), shot(3), shot(4, 100.0))
    assert [s.data for s in burst.snapshots] == [jpeg(2), jpeg(3), jpeg(4)]
    assert burst.fetched == 4
    assert [error.code for error in burst.errors] == ["stale"]
    assert "10 s before the motion" in str(burst.errors[0])


async def test_moments_move_on_with_every_picture_but_not_with_errors():
    script = Script(shot(1), SnapshotError("http_500", "x"), shot(1), shot(2), shot(3))
    await take_burst(script, spacing_s=0.001, motion_at=MOTION_AT)
    offsets = [round((m - MOTION_AT).total_seconds() * 1000) for m in script.moments]
    assert offsets == [0, 1, 1, 2, 3]


async def test_errors_leave_what_there_is():
    failure = SnapshotError("http_500", "x")
    burst = await burst_of(failure, shot(1), failure, shot(2), failure, shot(3))
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2)]
    assert burst.errors == (failure,) * MAX_FAILURES


@pytest.mark.parametrize("code", sorted(snapshots.STOPPING_CODES))
async def test_hopeless_errors_end_the_burst_at_once(code):
    script = Script(shot(1), SnapshotError(code, "x"), shot(2))
    burst = await take_burst(script, spacing_s=0.0, motion_at=MOTION_AT)
    assert len(script.moments) == 2
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert [error.code for error in burst.errors] == [code]


async def test_the_time_limit_keeps_what_has_come():
    burst = await asyncio.wait_for(burst_of(shot(1), None, limit_s=0.1), 5)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert [error.code for error in burst.errors] == ["timeout"]
    assert "1 of 3" in str(burst.errors[0])


async def test_the_time_limit_covers_the_pauses():
    burst = await asyncio.wait_for(burst_of(*map(shot, range(9)), spacing_s=30, limit_s=0.1), 5)
    assert len(burst.snapshots) == 1


async def test_requests_keep_their_distance():
    starts: list[float] = []

    class Timed(Script):
        async def fetch(self, moment: datetime) -> Snapshot:
            starts.append(asyncio.get_running_loop().time())
            return await super().fetch(moment)

    await take_burst(Timed(shot(1), shot(2), shot(3)), spacing_s=0.05, motion_at=MOTION_AT)
    assert all(later - earlier >= 0.045 for earlier, later in itertools.pairwise(starts))


async def test_cancellation_passes_through_and_leaves_the_client_usable(camera, session):
    asked, hold = asyncio.Event(), asyncio.Event()

    async def held(request: web.Request) -> web.Response:
        asked.set()
        await hold.wait()
        return web.Response(body=jpeg())

    client = open_client(HttpSource(url=await camera.start(held)), session)
    task = asyncio.create_task(take_burst(client, motion_at=now()))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hold.set()
    assert (await client.fetch(now())).data == jpeg()


async def test_never_two_requests_in_flight(camera, session):
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.02)
        return web.Response(body=jpeg(len(camera.requests)))

    client = open_client(HttpSource(url=await camera.start(slow)), session)
    bursts = await asyncio.gather(
        *(take_burst(client, spacing_s=0.0, motion_at=now()) for _ in range(3)),
        *(client.fetch(now()) for _ in range(3)),
    )
    assert len(bursts) == 6
    assert len(camera.requests) == 12
    assert camera.most_in_flight == 1


async def test_a_closed_client_asks_nothing(camera, session):
    client = open_client(HttpSource(url=await camera.start(answers(jpeg()))), session)
    await client.close()
    burst = await take_burst(client, motion_at=now())
    assert [error.code for error in burst.errors] == ["closed"]
    assert camera.requests == []
    assert not session.closed


@pytest.mark.parametrize(
    ("options", "says"),
    [({"size": 0}, "at least 1"), ({"motion_at": MOTION_AT.replace(tzinfo=None)}, "time zone")],
)
async def test_wrong_use_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        await take_burst(Script(), **{"motion_at": MOTION_AT, **options})


# --- MQTT ---------------------------------------------------------------------------------------


def mqtt_client(session: aiohttp.ClientSession | None = None, **fields: object):
    source = MqttImageSource(**{"topic": "cam/image", "timeout_s": 0.2, **fields})
    return open_client(source, session)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    return MOTION_AT + timedelta(seconds=seconds)


async def test_an_mqtt_picture_after_the_motion_is_taken_at_once():
    client = mqtt_client()
    client.offer(jpeg(1), at(-5))
    client.offer(jpeg(2), at(0.5))
    client.offer(jpeg(3), at(0.6))
    snapshot = await client.fetch(MOTION_AT)
    assert snapshot == Snapshot(jpeg(2), at(0.5), None)
    assert (await client.fetch(MOTION_AT)).data == jpeg(3)


async def test_a_fetch_waits_for_the_next_mqtt_picture():
    client = mqtt_client(timeout_s=5)
    waiting = asyncio.create_task(client.fetch(MOTION_AT))
    await asyncio.sleep(0.01)
    client.offer(jpeg(1), at(-1))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    client.offer(jpeg(2), at(1))
    assert (await waiting).data == jpeg(2)


async def test_without_a_new_mqtt_picture_the_newest_old_one_serves():
    client = mqtt_client()
    client.offer(jpeg(1), at(-5))
    client.offer(jpeg(2), at(-4))
    assert (await client.fetch(MOTION_AT)).data == jpeg(2)
    with pytest.raises(SnapshotError, match="cam/image") as caught:
        await client.fetch(MOTION_AT)
    assert caught.value.code == "no_picture"


async def test_a_burst_of_a_camera_with_one_picture_per_motion():
    client = mqtt_client()
    client.offer(jpeg(1), at(0.1))
    burst = await take_burst(client, spacing_s=0.0, motion_at=MOTION_AT)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert [error.code for error in burst.errors] == ["no_picture"]


async def test_only_the_newest_mqtt_pictures_are_kept():
    client = mqtt_client()
    for number in range(100):
        client.offer(jpeg(number), at(number))
    numbers = [(await client.fetch(MOTION_AT)).data for _ in range(KEPT_PICTURES)]
    assert numbers == [jpeg(number) for number in range(100 - KEPT_PICTURES, 100)]


@pytest.mark.parametrize(("payload", "retained"), [(jpeg(), True), (b"", False)])
async def test_retained_and_clearing_messages_are_no_pictures(payload, retained):
    client = mqtt_client()
    client.offer(payload, at(1), retained=retained)
    with pytest.raises(SnapshotError) as caught:
        await client.fetch(MOTION_AT)
    assert caught.value.code == "no_picture"


ENCODED = base64.b64encode(jpeg(1))


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        (None, ENCODED),
        (None, b" " + ENCODED[:8] + b"\r\n" + ENCODED[8:] + b"\n"),
        (None, b"data:image/jpeg;base64," + ENCODED),
        ("image.data", b'{"image": {"data": "' + ENCODED + b'"}}'),
        ("images.0", b'{"images": ["data:image/jpeg;base64,' + ENCODED + b'"]}'),
    ],
)
async def test_base64_pictures(path, payload):
    client = mqtt_client(encoding="base64", path=path)
    client.offer(payload, at(1))
    assert (await client.fetch(MOTION_AT)).data == jpeg(1)


@pytest.mark.parametrize(
    ("fields", "payload", "code"),
    [
        ({}, ENCODED, "not_an_image"),
        ({"encoding": "base64"}, jpeg(), "bad_encoding"),
        ({"encoding": "base64"}, ENCODED[:-1], "bad_encoding"),
        ({"encoding": "base64"}, b"*" + ENCODED, "bad_encoding"),
        ({"encoding": "base64"}, ENCODED + b"====", "bad_encoding"),
        ({"encoding": "base64"}, b"data:image/jpeg," + ENCODED, "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, ENCODED, "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b'{"b": ""}', "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b'{"a": 5}', "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, '{"a": "ü"}'.encode(), "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b"[" * 100_000, "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b'{"a": ""}', "empty"),
        ({}, jpeg() + bytes(MAX_PICTURE_BYTES), "too_large"),
        (
            {"encoding": "base64"},
            base64.b64encode(jpeg() + bytes(MAX_PICTURE_BYTES)),
            "too_large",
        ),
    ],
)
async def test_unusable_mqtt_pictures(fields, payload, code):
    client = mqtt_client(**fields)
    client.offer(payload, at(1))
    with pytest.raises(SnapshotError, match="cam/image") as caught:
        await client.fetch(MOTION_AT)
    assert caught.value.code == code


async def test_closing_ends_an_mqtt_fetch_that_waits():
    client = mqtt_client(timeout_s=30)
    waiting = asyncio.create_task(client.fetch(MOTION_AT))
    await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(SnapshotError) as caught:
        await asyncio.wait_for(waiting, 5)
    assert caught.value.code == "closed"
    client.offer(jpeg(), at(1))
    with pytest.raises(SnapshotError):
        await client.fetch(MOTION_AT)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"topic": "a#"}, "last level"),
        ({"encoding": "hex"}, "raw, base64"),
        ({"path": "a"}, "encoding is raw"),
        ({"timeout_s": -1}, "seconds above 0"),
    ],
)
def test_an_impossible_mqtt_source_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        MqttImageSource(**{"topic": "cam/image", **fields})


@given(payload=st.binary(), path=st.none() | st.just("a"))
def test_no_mqtt_payload_raises_anything_else(payload, path):
    async def scenario() -> None:
        for encoding in ("raw", "base64") if path is None else ("base64",):
            client = mqtt_client(encoding=encoding, path=path, timeout_s=0.001)
            client.offer(payload, at(1))
            try:
                fetched.append((await client.fetch(MOTION_AT)).data)
            except SnapshotError as error:
                errors.append(str(error))

    fetched: list[bytes] = []
    errors: list[str] = []
    asyncio.run(scenario())
    assert all(fetched)
    assert not [text for text in errors if "\n" in text]


# --- files --------------------------------------------------------------------------------------


def write(path: Path, number: int, age_s: float = 0.0) -> Path:
    path.write_bytes(jpeg(number))
    stamp = now().timestamp() - age_s
    os.utime(path, (stamp, stamp))
    return path


@pytest.fixture
def ftp(tmp_path) -> Path:
    """A folder as a camera's FTP upload leaves it."""
    write(tmp_path / "1.jpg", 1, age_s=30)
    write(tmp_path / "2.JPG", 2, age_s=5)
    write(tmp_path / "3.png", 3, age_s=20)
    write(tmp_path / "newest.txt", 4)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "number"), [("", 2), ("1.jpg", 1), ("*.png", 3), ("**/[13].*", 3), ("*", 4)]
)
async def test_the_newest_file_counts(ftp, session, path, number):
    client = open_client(FileSource(path=ftp / path), session)
    assert (await client.fetch(MOTION_AT)).data == jpeg(number)


async def test_a_file_tells_its_age(ftp, session):
    snapshot = await open_client(FileSource(path=ftp / "1.jpg"), session).fetch(MOTION_AT)
    assert 29_000 < snapshot.age_ms < 60_000
    assert abs((now() - snapshot.captured_at).total_seconds() * 1000 - snapshot.age_ms) < 5_000


async def test_a_burst_waits_for_the_file_to_change(tmp_path, session):
    path = write(tmp_path / "live.jpg", 0)
    client = open_client(FileSource(path=path), session)
    reads = 0

    class Rewriting:
        async def fetch(self, moment: datetime) -> Snapshot:
            nonlocal reads
            snapshot = await client.fetch(moment)
            reads += 1
            write(path, reads // 2)
            return snapshot

        async def close(self) -> None:
            await client.close()

    burst = await take_burst(Rewriting(), spacing_s=0.0, motion_at=now())
    assert [s.data for s in burst.snapshots] == [jpeg(0), jpeg(1), jpeg(2)]
    assert burst.fetched == 5


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("missing.jpg", None, "file", "holds no picture"),
        ("empty.jpg", b"", "empty", "empty picture"),
        ("page.jpg", b"<html><title>Hello</title>", "not_an_image", "Hello"),
        ("big.jpg", jpeg() + bytes(MAX_PICTURE_BYTES), "too_large", "16 MB"),
        ("folder", None, "file", "holds no picture"),
    ],
)
async def test_unusable_files(tmp_path, session, name, content, code, says):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SnapshotError, match=says) as caught:
        await open_client(FileSource(path=path), session).fetch(now())
    assert caught.value.code == code
    assert str(path) in str(caught.value)


async def test_a_file_that_cannot_be_opened(tmp_path, session, monkeypatch):
    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(snapshots, "_newest_file", refuse)
    with pytest.raises(SnapshotError, match="Permission denied") as caught:
        await open_client(FileSource(path=tmp_path / "x.jpg"), session).fetch(now())
    assert caught.value.code == "file"


async def test_a_hanging_disk_holds_one_thread_only(tmp_path, session, monkeypatch):
    hold = threading.Event()
    begun = 0

    def hang(path: str) -> tuple[bytes, datetime]:
        nonlocal begun
        begun += 1
        hold.wait(10)
        return jpeg(begun), now()

    monkeypatch.setattr(snapshots, "_read_newest", hang)
    client = open_client(FileSource(path=tmp_path, timeout_s=0.05), session)
    for _ in range(3):
        with pytest.raises(SnapshotError) as caught:
            await client.fetch(now())
        assert caught.value.code == "timeout"
    assert begun == 1
    hold.set()
    assert (await client.fetch(now())).data == jpeg(1)
    assert (await client.fetch(now())).data == jpeg(2)
    await client.close()
    with pytest.raises(SnapshotError) as caught:
        await client.fetch(now())
    assert caught.value.code == "closed"


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"path": Path("a\0")}, "null"), ({"path": Path("a"), "timeout_s": 0}, "seconds above 0")],
)
def test_an_impossible_file_source_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        FileSource(**fields)

"""Snapshots out of a video stream, from a real RTSP server on loopback."""

import asyncio
import logging
import random
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from tests.worker.rtsp_camera import FPS, HEIGHT, WIDTH, RtspCamera
from veroallarme_core.pictures import decode_frame
from veroallarme_core.worker.snapshots import (
    RtspSource,
    Snapshot,
    SnapshotError,
    open_client,
    rtsp_snapshots,
    take_burst,
)
from veroallarme_core.worker.snapshots.rtsp_snapshots import RtspSnapshotClient

LOGIN = ("ad min", "p@ss/wörd:&?")
SECRETS = ("hunter2", LOGIN[1], "p%40ss%2Fw%C3%B6rd%3A%26%3F")


def now() -> datetime:
    return datetime.now(UTC)


def source(camera: RtspCamera, timeout_s: float = 20.0, **more: str) -> RtspSource:
    return RtspSource(**{"url": camera.url, "timeout_s": timeout_s, **more})


async def until_closed(client: RtspSnapshotClient) -> None:
    """Close a client and wait for its decoder."""
    await client.close()
    await until(lambda: decoders() == 0)


def decoders() -> int:
    return [thread.name for thread in threading.enumerate()].count("veroallarme-rtsp")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - threads and the server set no event
            await asyncio.sleep(0.02)


async def fetched(camera: RtspCamera, **more: str) -> Snapshot:
    async with camera.running():
        client = open_client(source(camera, **more))
        try:
            return await client.fetch(now())
        finally:
            await until_closed(client)


async def refused(camera: RtspCamera, timeout_s: float = 20.0, **more: str) -> SnapshotError:
    async with camera.running():
        client = open_client(source(camera, timeout_s, **more))
        try:
            with pytest.raises(SnapshotError) as error:
                await client.fetch(now())
        finally:
            await until_closed(client)
    assert not [secret for secret in SECRETS if secret in str(error.value)]
    assert "\n" not in str(error.value)
    return error.value


def disc_at(data: bytes) -> float:
    """Where the yellow disc is that moves through the drawn video, px from the left."""
    image = decode_frame(data).image
    assert image.shape == (HEIGHT, WIDTH, 3)
    columns = np.nonzero((image[:, :, 2] > 150) & (image[:, :, 0] < 120))[1]
    assert len(columns) > 100
    return float(columns.mean())


# --- pictures -------------------------------------------------------------------------------------


async def test_a_burst_shows_what_moves_and_ends_the_stream():
    camera = RtspCamera()
    async with camera.running():
        client = open_client(source(camera))
        began = now()
        burst = await take_burst(client, spacing_s=0.2, motion_at=began, limit_s=60)
        assert not burst.errors
        assert burst.distinct == 3
        places = [disc_at(snapshot.data) for snapshot in burst.snapshots]
        assert places == sorted(places) or max(places) > 250  # it begins again at the left
        assert len(set(places)) == 3
        taken_at = [snapshot.captured_at for snapshot in burst.snapshots]
        assert began < taken_at[0] < taken_at[1] < taken_at[2] < now()
        assert (camera.plays, camera.most_playing) == (1, 1)
        await until_closed(client)


async def test_the_decoder_ends_when_nobody_asks_any_more(monkeypatch):
    monkeypatch.setattr(rtsp_snapshots, "IDLE_S", 0.2)
    camera = RtspCamera()
    async with camera.running():
        client = open_client(source(camera))
        await client.fetch(now())
        await until(lambda: not camera.playing)
        await client.fetch(now())
        assert (camera.plays, camera.most_playing) == (2, 1)
        await until_closed(client)


async def test_the_wait_for_the_keyframe_is_told():
    """The stream begins right after a keyframe; the next one is 19 frames away."""
    shot = await fetched(RtspCamera(gop=20, begin=1))
    assert shot.age_ms >= 19 / FPS * 1000 * 0.9
    assert (now() - shot.captured_at).total_seconds() < shot.age_ms / 1000 + 10


async def test_before_the_first_keyframe_there_is_no_picture():
    shot = await fetched(RtspCamera(gop=20, begin=5))
    # Frame 20 is the keyframe; the disc is 4 px further in each frame.
    assert disc_at(shot.data) >= 20 + 20 * 4 - 8


async def test_what_a_relay_had_kept_is_not_taken_for_the_present():
    """15 frames come at once, as go2rtc and others send them, then one every 50 ms."""
    shot = await fetched(RtspCamera(gop=60, kept=15))
    assert disc_at(shot.data) >= 20 + 14 * 4 - 8


async def test_the_second_picture_of_an_open_stream_does_not_wait():
    camera = RtspCamera(gop=20, begin=1)
    async with camera.running():
        client = open_client(source(camera))
        first = await client.fetch(now())
        second = await client.fetch(now())
        assert second.age_ms < first.age_ms
        assert second.data != first.data
        await until_closed(client)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_a_login_with_any_characters(scheme):
    user, password = LOGIN
    camera = RtspCamera(login=LOGIN, scheme=scheme)
    assert disc_at((await fetched(camera, username=user, password=password)).data)


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("camera", "login", "code", "says"),
    [
        (RtspCamera(login=LOGIN), {}, "http_401", "set username and password"),
        (
            RtspCamera(login=LOGIN),
            {"username": "admin", "password": "hunter2"},
            "http_401",
            "check user name and password",
        ),
        (
            RtspCamera(answers={"DESCRIBE": "RTSP/1.0 403 Forbidden\r\n{head}\r\n"}),
            {},
            "http_403",
            "give it that right",
        ),
        (
            RtspCamera(answers={"DESCRIBE": "RTSP/1.0 404 Not Found\r\n{head}\r\n"}),
            {},
            "http_404",
            "check the path",
        ),
        (
            RtspCamera(answers={"DESCRIBE": "RTSP/1.0 503 Busy\r\n{head}\r\n"}),
            {},
            "bad_response",
            "the camera's own log",
        ),
        (
            RtspCamera(answers={"DESCRIBE": "HTTP/1.1 400 Bad Request\r\n\r\n"}),
            {},
            "bad_response",
            "does not speak RTSP",
        ),
        (
            RtspCamera(
                answers={
                    "DESCRIBE": "RTSP/1.0 200 OK\r\n{head}Content-Type: application/sdp\r\n"
                    "Content-Length: 5\r\n\r\nhello"
                }
            ),
            {},
            "not_an_image",
            "holds no video",
        ),
        (RtspCamera(dies_after=0), {}, "incomplete", "ended its stream"),
    ],
)
async def test_faults_are_one_sentence_with_a_remedy(camera, login, code, says):
    error = await refused(camera, **login)
    assert error.code == code
    assert says in str(error)


@pytest.mark.parametrize("silent", ["connect", "play"])
async def test_a_silent_camera_takes_no_longer_than_the_limit(silent):
    error = await refused(RtspCamera(silent=silent), timeout_s=0.5)
    assert error.code == "timeout"
    assert "within 0.5 s" in str(error)


async def test_a_keyframe_that_does_not_come_in_time():
    error = await refused(RtspCamera(gop=60, begin=1), timeout_s=0.6)
    assert error.code == "timeout"
    assert "a keyframe every second" in str(error)


@pytest.mark.parametrize("url", ["rtsp://127.0.0.1:1/x", "rtsp://no-such-host.invalid/x"])
async def test_a_camera_that_is_not_there(url):
    error = await refused(RtspCamera(), url=url)
    assert error.code == "unreachable"


async def test_video_of_which_nothing_can_be_decoded_gives_no_picture():
    chance = random.Random(7)

    def spoil(packet: bytes) -> bytes:
        return packet[:12] + bytes(chance.randrange(256) for _ in packet[12:])

    error = await refused(RtspCamera(damage=spoil), timeout_s=1.0)
    assert error.code in {"timeout", "undecodable", "bad_response"}


async def test_lost_packets_do_not_smear():
    """What comes after a loss is left out up to the next keyframe: the disc keeps its shape."""
    chance = random.Random(3)

    def lose(packet: bytes) -> bytes:
        is_keyframe = len(packet) > 600
        return packet if is_keyframe or chance.random() > 0.2 else packet[:12] + b"\x01"

    camera = RtspCamera(damage=lose)
    async with camera.running():
        client = open_client(source(camera))
        for _ in range(4):
            image = decode_frame((await client.fetch(now())).data).image
            disc = cv2.inRange(image, (0, 120, 150), (120, 255, 255))
            assert 600 < cv2.countNonZero(disc) < 1400  # a disc of radius 18 has 1018 px
        await until_closed(client)


async def test_a_stream_that_dies_is_opened_again():
    camera = RtspCamera(dies_after=12)
    async with camera.running():
        client = open_client(source(camera))
        faults: list[str | None] = []
        async with asyncio.timeout(60):
            while camera.plays < 3:
                try:
                    await client.fetch(now())
                    faults.append(None)
                except SnapshotError as error:
                    faults.append(error.code)
        assert None in faults
        assert set(faults) <= {None, "incomplete"}
        assert camera.most_playing == 1
        await until_closed(client)


async def test_a_redirect_is_not_followed_and_gets_no_password():
    user, password = LOGIN
    other = RtspCamera(login=LOGIN, scheme="basic")
    async with other.running():
        away = f"RTSP/1.0 302 Moved\r\n{{head}}Location: {other.url}\r\n\r\n"
        error = await refused(
            RtspCamera(answers={"DESCRIBE": away}), username=user, password=password
        )
    assert error.code == "redirect"
    assert other.requests == []


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_a_redirect_after_the_login_is_not_followed_either(scheme):
    user, password = LOGIN
    other = RtspCamera(login=LOGIN, scheme="basic")
    async with other.running():
        camera = RtspCamera(login=LOGIN, scheme=scheme, moved_to=other.url)
        error = await refused(camera, username=user, password=password)
    assert error.code == "redirect"
    assert other.requests == []


# --- around it ------------------------------------------------------------------------------------


async def test_a_decoder_that_hangs_is_never_doubled_and_holds_up_nobody():
    camera = RtspCamera(silent="play")
    async with camera.running():
        client = open_client(source(camera, timeout_s=0.4))
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        most = 0
        for _ in range(3):
            with pytest.raises(SnapshotError):
                await client.fetch(now())
            most = max(most, decoders())
        ticking.cancel()
        assert most == 1
        assert ticks > 20
        await until_closed(client)


async def test_nothing_is_logged_that_holds_the_login(caplog):
    caplog.set_level(logging.DEBUG)
    user, password = LOGIN
    await fetched(RtspCamera(login=LOGIN), username=user, password=password)
    await refused(RtspCamera(login=("x", "y")), username=user, password=password)
    assert not [secret for secret in SECRETS if secret in caplog.text]


async def test_a_closed_client_refuses():
    camera = RtspCamera(silent="play")
    async with camera.running():
        client = open_client(source(camera))
        waiting = asyncio.create_task(client.fetch(now()))
        await until(lambda: any(request.startswith("PLAY") for request in camera.requests))
        await client.close()
        with pytest.raises(SnapshotError) as error:
            await waiting
        assert error.value.code == "closed"
        with pytest.raises(SnapshotError) as error:
            await client.fetch(now())
        assert error.value.code == "closed"


async def test_without_the_extra_there_is_one_clear_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    camera = RtspCamera()
    async with camera.running():
        client = open_client(source(camera))
        with pytest.raises(SnapshotError) as error:
            await client.fetch(now())
    assert error.value.code == "no_decoder"
    assert "pip install 'veroallarme[rtsp]'" in str(error.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": "rtsp://"}, "is not an rtsp address"),
        ({"url": "rtsp://[cam"}, "is not a stream's address"),
        ({"url": "rtsps://cam/x"}, "is not an rtsp address"),
        ({"url": "rtsp://me:hunter2@cam/x"}, "put them into username and password"),
        ({"url": "rtsp://cam/x y"}, "holds a blank"),
        ({"url": "rtsp://cam/x\r\nCSeq: 1"}, "holds a blank"),
        ({"url": "rtsp://cam/x", "password": "hunter2"}, "add username"),
        ({"url": "rtsp://cam/x", "timeout_s": 0}, "give seconds above 0"),
    ],
)
def test_an_unusable_source_is_named(fields, says):
    with pytest.raises(ValueError, match=says) as error:
        RtspSource(**fields)
    assert "hunter2" not in str(error.value)


def test_a_source_shows_no_secret():
    shown = repr(RtspSource(url="rtsp://cam/x?password=hunter2", username="a", password="hunter2"))
    assert shown == "RtspSource(rtsp://cam/x?…)"

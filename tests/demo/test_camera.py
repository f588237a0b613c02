"""The camera of the demo: frames in their rhythm, over real HTTP."""

import asyncio

import aiohttp

from veroallarme_core.demo.camera import DemoCamera
from veroallarme_core.demo.events import PlayedEvent


async def fetch(camera: DemoCamera, name: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as http, http.get(camera.url(name)) as response:
        return response.status, await response.read()


async def test_frames_come_in_the_rhythm_of_the_event() -> None:
    camera = DemoCamera()
    async with camera.serve():
        camera.play(PlayedEvent("street", "test", (b"0", b"1", b"2"), gap_s=0.3))
        assert await fetch(camera, "street") == (200, b"0")
        await asyncio.sleep(0.35)
        assert (await fetch(camera, "street"))[1] in (b"1", b"2")
        await asyncio.sleep(0.6)
        assert (await fetch(camera, "street"))[1] == b"2", "the last frame stays"


async def test_between_events_a_camera_shows_what_it_always_sees() -> None:
    camera = DemoCamera()
    async with camera.serve():
        camera.show("street", b"nothing moves")
        assert await fetch(camera, "street") == (200, b"nothing moves")
        assert (await fetch(camera, "nowhere"))[0] == 404


async def test_who_asks_too_early_waits_for_the_picture() -> None:
    camera = DemoCamera()
    camera.expect("street")
    async with camera.serve():
        asking = asyncio.create_task(fetch(camera, "street"))
        await asyncio.sleep(0.2)
        assert not asking.done()
        camera.show("street", b"nothing moves")
        assert await asking == (200, b"nothing moves")


async def test_event_is_shown_though_the_place_is_not_drawn_yet() -> None:
    camera = DemoCamera()
    camera.expect("street")
    async with camera.serve():
        camera.play(PlayedEvent("street", "test", (b"0", b"1"), gap_s=5.0))
        assert await fetch(camera, "street") == (200, b"0")

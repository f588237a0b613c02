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

"""A camera that speaks ONVIF, and who listens to it."""

from collections.abc import AsyncIterator

import pytest

from tests.worker.onvif_camera import LOGIN, OnvifCamera
from veroallarme_core.worker.onvif import OnvifAddress


@pytest.fixture
async def onvif() -> AsyncIterator[OnvifCamera]:
    async with OnvifCamera().running() as camera:
        yield camera


def address_of(camera: OnvifCamera, **more) -> OnvifAddress:
    username, password = LOGIN
    known = {"host": "127.0.0.1", "port": camera.port}
    return OnvifAddress(**{**known, "username": username, "password": password, **more})

"""Snapshots of a camera that tells over ONVIF where its picture is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from tests.worker.onvif.conftest import address_of
from tests.worker.onvif_camera import OnvifCamera, fault
from veroallarme_core.worker.snapshots import (
    OnvifSource,
    SnapshotError,
    onvif_snapshots,
    open_client,
)


@pytest.fixture
async def onvif() -> AsyncIterator[OnvifCamera]:
    async with OnvifCamera().running() as camera:
        yield camera


def now() -> datetime:
    return datetime.now(UTC)


async def refused(camera: OnvifCamera, **more) -> SnapshotError:
    client = open_client(OnvifSource(camera=address_of(camera, **more)))
    with pytest.raises(SnapshotError) as error:
        await client.fetch(now())
    await client.close()
    assert "p@ss" not in str(error.value)
    return error.value


async def test_the_address_is_asked_for_once(onvif):
    client = open_client(OnvifSource(camera=address_of(onvif)))
    first, second = await client.fetch(now()), await client.fetch(now())
    assert first.data != second.data
    assert onvif.operations.count("GetSnapshotUri") == 1
    await client.close()
    with pytest.raises(SnapshotError) as error:
        await client.fetch(now())
    assert error.value.code == "closed"


async def test_a_picture_at_another_address_is_found_again(onvif):
    client = open_client(OnvifSource(camera=address_of(onvif)))
    onvif.picture_path = "/old.jpg"
    with pytest.raises(SnapshotError) as error:
        await client.fetch(now())
    assert error.value.code == "http_404"
    onvif.picture_path = "/snap.jpg"
    assert (await client.fetch(now())).data
    await client.close()


async def test_a_picture_of_another_host_is_fetched_from_the_camera(onvif):
    onvif.told_host = "192.0.2.9"
    client = open_client(OnvifSource(camera=address_of(onvif)))
    assert (await client.fetch(now())).data
    await client.close()


async def test_a_wrong_password_stops_the_burst(onvif):
    error = await refused(onvif, password="hunter2")
    assert error.code == "http_401"
    assert "check username and password" in str(error)
    assert "hunter2" not in str(error)


async def test_a_camera_without_pictures_is_told(onvif):
    onvif.answers["GetSnapshotUri"] = lambda: fault("ter:ActionNotSupported", "no")
    error = await refused(onvif)
    assert error.code == "no_picture"
    assert "write snapshot.url" in str(error)


async def test_a_camera_that_is_not_there():
    assert (await refused(OnvifCamera(port=1))).code == "unreachable"


async def test_a_silent_camera_takes_no_longer_than_the_limit(onvif, monkeypatch):
    monkeypatch.setattr(onvif_snapshots, "FIND_LIMIT_S", 0.3)
    onvif.silent = True
    error = await refused(onvif)
    assert error.code == "timeout"

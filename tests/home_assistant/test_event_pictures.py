from http import HTTPStatus
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.veroallarme import past_events
from custom_components.veroallarme.addresses import picture_path
from custom_components.veroallarme.event_pictures import async_sign

from .archive import ZONE, Archive
from .test_actions import device_id
from .worker import INFO, JPEG, SETTINGS, changed, entity_id, say, verdict

EVENT = verdict()["event_id"]


@pytest.mark.parametrize(
    ("picture", "asked"),
    [
        ("annotated.jpg", {"frame": None, "width": None}),
        ("thumbnail.jpg", {"frame": None, "width": 320}),
        ("2.jpg", {"frame": 2, "width": None}),
    ],
)
async def test_pictures_are_given_to_who_is_logged_in(
    hass: HomeAssistant, site, archive: Archive, hass_client, picture: str, asked: dict[str, Any]
) -> None:
    client = await hass_client()
    answer = await client.get(picture_path(device_id(hass), EVENT, picture))
    assert answer.status == HTTPStatus.OK
    assert answer.content_type == "image/jpeg"
    assert "private" in answer.headers["Cache-Control"]
    assert (await answer.read()).startswith(JPEG)
    assert archive.requests("get_picture") == [{"event_id": EVENT, **asked}]


async def test_a_frame_is_kept_for_good(
    hass: HomeAssistant, site, archive: Archive, hass_client
) -> None:
    client = await hass_client()
    answer = await client.get(picture_path(device_id(hass), EVENT, "2.jpg"))
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("picture", ["annotated.jpg", "thumbnail.jpg"])
async def test_a_picture_with_zones_is_drawn_anew_when_the_zones_change(
    hass: HomeAssistant, site, archive: Archive, hass_client, picture: str
) -> None:
    client = await hass_client()
    path = picture_path(device_id(hass), EVENT, picture)
    first = await client.get(path)
    assert "immutable" not in first.headers["Cache-Control"]
    seen = {"If-None-Match": first.headers["ETag"]}
    again = await client.get(path, headers=seen)
    assert (again.status, await again.read()) == (HTTPStatus.NOT_MODIFIED, b"")
    assert (await client.get(path)).status == HTTPStatus.OK
    assert len(archive.requests("get_picture")) == 1

    await say(hass, "camera/drive/settings", changed(SETTINGS, zones=[ZONE]))
    anew = await client.get(path, headers=seen)
    assert anew.status == HTTPStatus.OK
    assert anew.headers["ETag"] != first.headers["ETag"]
    assert len(archive.requests("get_picture")) == 2
    await say(hass, "camera/drive/settings", SETTINGS)
    assert (await client.get(path, headers=seen)).status == HTTPStatus.NOT_MODIFIED


async def test_nobody_else_gets_one_but_by_a_signed_address(
    hass: HomeAssistant, site, archive: Archive, hass_client, hass_client_no_auth
) -> None:
    await hass_client()
    stranger = await hass_client_no_auth()
    path = picture_path(device_id(hass), EVENT)
    assert (await stranger.get(path)).status == HTTPStatus.UNAUTHORIZED
    assert archive.requests("get_picture") == []
    assert (await stranger.get(async_sign(hass, path))).status == HTTPStatus.OK


async def test_a_user_sees_only_the_cameras_he_may(
    hass: HomeAssistant,
    site,
    archive: Archive,
    hass_client,
    hass_read_only_user: MockUser,
    hass_read_only_access_token: str,
) -> None:
    client = await hass_client(hass_read_only_access_token)
    path = picture_path(device_id(hass), EVENT)
    assert (await client.get(path)).status == HTTPStatus.OK
    allowed = {"entities": {"entity_ids": {entity_id(hass, "image", "annotated", "garden"): True}}}
    hass_read_only_user.mock_policy(allowed)
    assert (await client.get(path)).status == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("event_id", "picture"),
    [("NOT AN ID", "annotated.jpg"), (EVENT, "10.jpg"), (EVENT, "x"), ("gone", "annotated.jpg")],
)
async def test_what_is_not_there_is_not_found(
    hass: HomeAssistant, site, archive: Archive, hass_client, event_id: str, picture: str
) -> None:
    client = await hass_client()
    answer = await client.get(picture_path(device_id(hass), event_id, picture))
    assert answer.status == HTTPStatus.NOT_FOUND
    assert (await client.get(picture_path("no device", EVENT))).status == HTTPStatus.NOT_FOUND


async def test_a_worker_that_cannot_answer_is_no_server(
    hass: HomeAssistant, site, archive: Archive, hass_client
) -> None:
    client = await hass_client()
    path = picture_path(device_id(hass), EVENT)
    archive.is_silent = True
    with patch.object(past_events, "ANSWER_TIMEOUT_S", 0.05):
        assert (await client.get(path)).status == HTTPStatus.SERVICE_UNAVAILABLE
    await say(hass, "info", changed(INFO, capabilities=["set"]))
    assert (await client.get(path)).status == HTTPStatus.SERVICE_UNAVAILABLE
    await say(hass, "worker/main/status", "offline")
    assert (await client.get(path)).status == HTTPStatus.SERVICE_UNAVAILABLE

from http import HTTPStatus

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .worker import JPEG, entity_id, moment, nuisance, say, state


async def test_shows_the_annotated_picture(hass: HomeAssistant, site, hass_client) -> None:
    client = await hass_client()
    url = f"/api/image_proxy/{entity_id(hass, 'image', 'annotated')}"
    assert state(hass, "image", "annotated") == "unknown"
    assert (await client.get(url)).status == HTTPStatus.INTERNAL_SERVER_ERROR
    await say(hass, "camera/drive/image", JPEG)
    answer = await client.get(url)
    assert (answer.content_type, await answer.read()) == ("image/jpeg", JPEG)


async def test_only_a_new_picture_is_news(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await say(hass, "camera/drive/image", JPEG)
    first = state(hass, "image", "annotated")
    freezer.tick(10)
    await say(hass, "camera/drive/image", JPEG, retained=True)
    assert state(hass, "image", "annotated") == first
    await say(hass, "camera/drive/image", JPEG + b"2")
    assert state(hass, "image", "annotated") > first


async def test_a_picture_that_was_switched_off_is_gone(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/image", JPEG)
    await say(hass, "camera/drive/image", b"")
    assert state(hass, "image", "annotated") == "unknown"


async def test_a_retained_picture_is_as_old_as_its_verdict(hass: HomeAssistant, start_site) -> None:
    decided_at = moment(-86400)
    judged = nuisance(decided_at=decided_at, motion_at=moment(-86402))
    await start_site(retained={"camera/drive/image": JPEG, "camera/drive/verdict": judged})
    shown = dt_util.parse_datetime(state(hass, "image", "annotated"))
    assert shown == dt_util.parse_datetime(decided_at)

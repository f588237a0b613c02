import pytest
from homeassistant.core import HomeAssistant

from .worker import SETTINGS, attributes, changed, entity_id, say, sent, state, verdict


async def set_value(hass: HomeAssistant, key: str, value: float) -> None:
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": entity_id(hass, "number", key), "value": value},
        blocking=True,
    )


@pytest.mark.usefixtures("all_entities_enabled")
async def test_the_threshold_is_the_calibrated_one_until_the_user_sets_it(
    hass: HomeAssistant, site, mqtt_mock
) -> None:
    assert state(hass, "number", "threshold") == "unknown"
    await say(hass, "camera/drive/verdict", verdict(threshold=0.37))
    assert state(hass, "number", "threshold") == "0.37"
    assert attributes(hass, "number", "threshold")["calibrated"] is True
    await set_value(hass, "threshold", 0.8)
    assert sent(mqtt_mock, "camera/drive/set") == [{"threshold": 0.8}]
    await say(hass, "camera/drive/settings", changed(SETTINGS, threshold=0.8))
    assert state(hass, "number", "threshold") == "0.8"
    assert attributes(hass, "number", "threshold")["calibrated"] is False


@pytest.mark.usefixtures("all_entities_enabled")
async def test_the_hold_is_a_setting(hass: HomeAssistant, site, mqtt_mock) -> None:
    assert state(hass, "number", "hold") == "30.0"
    await set_value(hass, "hold", 90)
    assert sent(mqtt_mock, "camera/drive/set") == [{"hold_s": 90}]


@pytest.mark.usefixtures("all_entities_enabled")
async def test_going_back_to_the_calibrated_threshold_shows_no_other_one(
    hass: HomeAssistant, start_site
) -> None:
    chosen = changed(SETTINGS, threshold=0.9)
    await start_site(retained={"camera/drive/settings": chosen})
    await say(hass, "camera/drive/verdict", verdict(threshold=0.9))
    await say(hass, "camera/drive/settings", SETTINGS)
    assert state(hass, "number", "threshold") == "unknown"
    await say(hass, "camera/drive/verdict", verdict("a_1", threshold=0.5))
    assert state(hass, "number", "threshold") == "0.5"

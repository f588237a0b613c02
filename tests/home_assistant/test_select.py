import pytest
from homeassistant.core import HomeAssistant

from .worker import SETTINGS, attributes, changed, entity_id, say, sent, state


@pytest.mark.parametrize(("key", "option"), [("mode", "shadow"), ("on_unknown", "suppress")])
async def test_a_setting_belongs_to_the_worker(
    hass: HomeAssistant, site, mqtt_mock, key: str, option: str
) -> None:
    before = state(hass, "select", key)
    assert option in attributes(hass, "select", key)["options"]
    await hass.services.async_call(
        "select",
        "select_option",
        {"entity_id": entity_id(hass, "select", key), "option": option},
        blocking=True,
    )
    assert sent(mqtt_mock, "camera/drive/set") == [{key: option}]
    assert state(hass, "select", key) == before
    await say(hass, "camera/drive/settings", changed(SETTINGS, **{key: option}))
    assert state(hass, "select", key) == option


async def test_without_settings_nothing_is_known(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/settings", "")
    assert state(hass, "select", "mode") == "unknown"

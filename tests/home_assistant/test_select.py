import pytest
from homeassistant.core import HomeAssistant

from .worker import SETTINGS, attributes, changed, entity_id, say, sent, state, validate


@pytest.mark.usefixtures("all_entities_enabled")
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


@pytest.mark.parametrize(
    ("kinds", "option"),
    [
        (["person", "animal", "vehicle"], "person_animal_vehicle"),
        (["animal", "person"], "person_animal"),
        (["vehicle"], "vehicle"),
    ],
)
async def test_what_counts_is_one_of_a_few_words(
    hass: HomeAssistant, site, mqtt_mock, kinds: list[str], option: str
) -> None:
    await hass.services.async_call(
        "select",
        "select_option",
        {"entity_id": entity_id(hass, "select", "objects"), "option": option},
        blocking=True,
    )
    (command,) = sent(mqtt_mock, "camera/drive/set")
    assert sorted(command["objects"]) == sorted(kinds)
    validate("set", command)
    await say(hass, "camera/drive/settings", changed(SETTINGS, objects=kinds))
    assert state(hass, "select", "objects") == option


async def test_of_an_older_worker_it_is_not_known_what_counts(hass: HomeAssistant, site) -> None:
    old = {name: value for name, value in SETTINGS.items() if name != "objects"}
    await say(hass, "camera/drive/settings", old)
    assert state(hass, "select", "objects") == "unknown"
    assert state(hass, "select", "mode") == "filter"


async def test_without_settings_nothing_is_known(hass: HomeAssistant, site) -> None:
    await say(hass, "camera/drive/settings", "")
    assert state(hass, "select", "mode") == "unknown"

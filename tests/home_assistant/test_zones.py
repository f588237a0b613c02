"""Zones: what a user gives is checked and sent, and what is in force is shown."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError

from .test_actions import act
from .worker import SETTINGS, attributes, changed, say, sent, state, validate

STREET: dict[str, Any] = {
    "name": "Street",
    "kind": "ignore",
    "points": [[0, 0], [1, 0], [1, 0.3], [0, 0.2]],
}


async def test_zones_are_sent_and_returned(hass: HomeAssistant, site, mqtt_mock) -> None:
    gate = STREET | {"name": "Gate", "kind": "always"}
    response = await act(hass, "set_zones", zones=[STREET, gate])
    assert response == {"camera": "drive", "zones": [STREET, gate]}
    (command,) = sent(mqtt_mock, "camera/drive/set")
    assert command == {"zones": [STREET, gate]}
    validate("set", command)


async def test_a_zone_without_a_kind_alone_counts(hass: HomeAssistant, site, mqtt_mock) -> None:
    await act(hass, "set_zones", zones={"name": "Yard", "points": STREET["points"]})
    (command,) = sent(mqtt_mock, "camera/drive/set")
    assert command == {"zones": [{"name": "Yard", "kind": "only", "points": STREET["points"]}]}


async def test_a_zone_may_have_kinds_of_objects_of_its_own(
    hass: HomeAssistant, site, mqtt_mock
) -> None:
    yard = STREET | {"name": "Yard", "kind": "only", "objects": ["person", "animal"]}
    response = await act(hass, "set_zones", zones=[yard])
    assert response == {"camera": "drive", "zones": [yard]}
    (command,) = sent(mqtt_mock, "camera/drive/set")
    validate("set", command)
    await say(hass, "camera/drive/settings", changed(SETTINGS, zones=[yard]))
    assert attributes(hass, "sensor", "zones")["zones"] == [yard]


async def test_an_empty_list_removes_all_zones(hass: HomeAssistant, site, mqtt_mock) -> None:
    await act(hass, "set_zones", zones=[])
    assert sent(mqtt_mock, "camera/drive/set") == [{"zones": []}]


@pytest.mark.parametrize(
    ("zones", "sentence"),
    [
        ([STREET] * 17, "17 zones are too many: give at most 16"),
        (["street"], "Zone 1: give it a name of 1 to 64 characters"),
        ([STREET, STREET | {"name": ""}], "Zone 2: give it a name of 1 to 64 characters"),
        ([STREET | {"name": 12}], "Zone 1: give it a name"),
        (
            [STREET | {"kinds": "always"}],
            "Zone 1 (Street): kinds is unknown; a zone has name, kind, points and objects",
        ),
        (
            [STREET | {"kind": "never"}],
            "Zone 1 (Street): never is not a kind; choose only, ignore or always",
        ),
        ([STREET | {"kind": None}], "is not a kind"),
        *[
            ([STREET | {"objects": objects}], "choose one or more of person, animal, vehicle")
            for objects in ([], None, "person", ["car"], [["person"]])
        ],
        *[
            ([STREET | {"points": points}], "Zone 1 (Street): give 3 to 64 corners [x, y]")
            for points in (
                None,
                "0,0 1,1",
                STREET["points"][:2],
                [[0, 0]] * 65,
                [[0, 0], [1, 0], [1, 1, 1]],
                [[0, 0], [1, 0], [1, 1.5]],
                [[0, 0], [1, 0], [True, 1]],
                [[0, 0], [1, 0], [1, float("nan")]],
                [[0, 0], [1, 0], 1],
            )
        ],
    ],
)
async def test_wrong_zones_are_refused_in_one_sentence(
    hass: HomeAssistant, site, mqtt_mock, zones: list[Any], sentence: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "set_zones", zones=zones)
    assert sentence in str(caught.value)
    assert sent(mqtt_mock, "camera/drive/set") == []


async def test_zones_in_force_are_shown(hass: HomeAssistant, site) -> None:
    assert state(hass, "sensor", "zones") == "0"
    await say(hass, "camera/drive/settings", changed(SETTINGS, zones=[STREET]))
    assert state(hass, "sensor", "zones") == "1"
    assert attributes(hass, "sensor", "zones")["zones"] == [STREET]
    await say(hass, "camera/drive/settings", "")
    assert state(hass, "sensor", "zones") == "unknown"

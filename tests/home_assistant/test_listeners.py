import pytest
from homeassistant.core import HomeAssistant

from .worker import ALARM, say, state


async def test_an_entity_that_stumbles_keeps_no_alarm_from_the_others(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble() -> None:
        raise ValueError("a state that is none")

    hub = site.runtime_data
    hub.listeners._listeners[("drive", "relevant")].insert(0, stumble)
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"
    assert "relevant of drive could not be shown" in caplog.text

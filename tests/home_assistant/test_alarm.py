from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant

from .worker import (
    ALARM,
    HEALTH,
    changed,
    moment,
    nuisance,
    pass_time,
    raise_alarm,
    say,
    state,
    verdict,
)


@pytest.mark.parametrize("date", ["2026-11-31T06:00:00+00:00", "2026-11-23T06:00:00+99:00"])
async def test_a_date_that_no_calendar_has_costs_no_alarm(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture, date: str
) -> None:
    await say(hass, "camera/drive/verdict", verdict(hold_until=moment(-1), decided_at=moment(-2)))
    await say(hass, "camera/drive/verdict", verdict("20261123_061402_aaaaaa", motion_at=date))
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"
    assert "motion_at is no time" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_alarm_that_the_worker_restates_counts_whatever_the_clocks_say(
    hass: HomeAssistant, start_site
) -> None:
    """Here it is two minutes later than there."""
    raised = verdict(decided_at=moment(-140), hold_until=moment(-80))
    retained = {"camera/drive/verdict": raised, "camera/drive/relevant": "ON"}
    await start_site(retained=retained)
    assert state(hass, *ALARM) == "off"
    await say(hass, "camera/drive/verdict", raised)
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


def left_over(left_s: float) -> dict[str, object]:
    """Return what the broker has retained of an alarm of a minute that ends in some seconds."""
    raised = verdict(decided_at=moment(left_s - 60), hold_until=moment(left_s))
    return {"camera/drive/verdict": raised, "camera/drive/relevant": "ON"}


async def test_an_alarm_of_long_ago_is_not_on_after_a_restart(
    hass: HomeAssistant, start_site
) -> None:
    await start_site(retained=left_over(-3600))
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_outlives_a_restart_by_what_is_left_of_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site
) -> None:
    await start_site(retained=left_over(20))
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 21)
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_without_an_end_lasts_until_the_worker_ends_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await raise_alarm(hass)
    await pass_time(hass, freezer, 61)
    await raise_alarm(hass, event_id="20261123_061502_000002", hold_until=None)
    await pass_time(hass, freezer, 61)
    assert state(hass, *ALARM) == "on"


@pytest.mark.parametrize("skew_s", [-7200, 7200])
async def test_a_wrong_clock_neither_cuts_nor_stretches_an_alarm(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site, skew_s: float
) -> None:
    await raise_alarm(hass, decided_at=moment(skew_s), hold_until=moment(skew_s + 60))
    await pass_time(hass, freezer, 50)
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 20)
    assert state(hass, *ALARM) == "off"


@pytest.mark.parametrize("step_s", [-7200, 7200])
async def test_a_clock_that_is_set_neither_cuts_nor_stretches_an_alarm(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site, step_s: float
) -> None:
    """The clock of Home Assistant's own machine, such as one that asks for the time late."""
    loop_time, stepped_s = hass.loop.time, 0.0
    with patch.object(hass.loop, "time", lambda: loop_time() - stepped_s):
        await start_site()
        await raise_alarm(hass)
        freezer.tick(step_s)
        stepped_s = step_s
        await say(hass, "camera/drive/verdict", nuisance())
        assert state(hass, *ALARM) == "on"
        await pass_time(hass, freezer, 50)
        await say(hass, "camera/drive/verdict", nuisance())
        assert state(hass, *ALARM) == "on"
        await pass_time(hass, freezer, 20)
        assert state(hass, *ALARM) == "off"


@pytest.mark.parametrize("skew_s", [-7200, 7200])
async def test_an_alarm_that_the_broker_kept_lasts_no_longer_than_it_may(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site, skew_s: float
) -> None:
    """The worker's clock differs by hours, and it is told once the worker is heard."""
    raised = verdict(decided_at=moment(skew_s - 10), hold_until=moment(skew_s + 50))
    await start_site(retained={"camera/drive/verdict": raised, "camera/drive/relevant": "ON"})
    await say(hass, "worker/main/health", changed(HEALTH, sent_at=moment(skew_s)))
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 45)
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 10)
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_that_was_kept_by_a_clock_ahead_is_bounded_by_its_length(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, start_site
) -> None:
    """Even where the worker never tells its clock."""
    raised = verdict(decided_at=moment(7200), hold_until=moment(7260))
    await start_site(retained={"camera/drive/verdict": raised, "camera/drive/relevant": "ON"})
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 61)
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_that_ends_before_it_was_decided_lasts_until_the_worker_ends_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    """The worker's clock was set back between motion and decision."""
    await raise_alarm(hass, decided_at=moment(), hold_until=moment(-3600))
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 120)
    assert state(hass, *ALARM) == "on"
    await say(hass, "camera/drive/relevant", "OFF")
    assert state(hass, *ALARM) == "off"


async def test_an_alarm_that_is_restated_after_nuisance_lasts_until_the_worker_ends_it(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await raise_alarm(hass)
    await say(hass, "camera/drive/verdict", nuisance())
    await pass_time(hass, freezer, 61)
    assert state(hass, *ALARM) == "off"
    await say(hass, "camera/drive/verdict", nuisance())
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


async def test_an_alarm_that_the_broker_took_long_after_its_verdict_is_shown(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    """The broker had refused it for a minute."""
    await say(hass, "camera/drive/verdict", verdict(hold_until=moment(0.2)))
    await pass_time(hass, freezer, 61)
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"
    await pass_time(hass, freezer, 2)
    assert state(hass, *ALARM) == "off"


async def test_a_second_alarm_prolongs_the_first(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await raise_alarm(hass)
    await pass_time(hass, freezer, 40)
    await raise_alarm(
        hass, event_id="20261123_061442_000001", decided_at=moment(), hold_until=moment(60)
    )
    await pass_time(hass, freezer, 40)
    assert state(hass, *ALARM) == "on"


async def test_nuisance_does_not_end_an_alarm(hass: HomeAssistant, site) -> None:
    await raise_alarm(hass)
    await say(hass, "camera/drive/verdict", nuisance())
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"


async def test_an_alarm_is_raised_even_where_its_verdict_cannot_be_read(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, site
) -> None:
    await raise_alarm(hass)
    await pass_time(hass, freezer, 61)
    await say(hass, "camera/drive/verdict", {"state": "of a newer kind"})
    await say(hass, "camera/drive/relevant", "ON")
    assert state(hass, *ALARM) == "on"

from datetime import timedelta

from homeassistant.util import dt as dt_util

from custom_components.veroallarme.burst import Burst

from .worker import validate


def test_a_burst_keeps_its_id_however_often_it_is_sent() -> None:
    burst = Burst(dt_util.utcnow())
    assert burst.to_json() == burst.to_json()
    validate("burst", burst.to_json())


def test_bursts_of_the_same_moment_are_different_events() -> None:
    motion_at = dt_util.utcnow()
    assert Burst(motion_at).event_id != Burst(motion_at).event_id


def test_the_id_of_a_burst_is_in_utc() -> None:
    motion_at = dt_util.parse_datetime("2026-11-23T01:30:00+02:00")
    assert motion_at is not None
    assert Burst(motion_at).event_id.startswith("20261122_233000_")
    assert Burst(motion_at + timedelta(hours=2)).event_id.startswith("20261123_013000_")

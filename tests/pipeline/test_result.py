"""What the pictures say of an event becomes its verdict."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from veroallarme_core.contract import CameraSettings, FrameCounts, Mode, OnUnknown
from veroallarme_core.judgement import GENERAL_THRESHOLD
from veroallarme_core.pipeline import MODEL, not_judged, threshold_in_force

FILTER = CameraSettings(mode=Mode.FILTER)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_threshold_of_the_user_is_in_force() -> None:
    assert threshold_in_force(FILTER) == GENERAL_THRESHOLD
    mine = dataclasses.replace(FILTER, threshold=0.0)
    assert threshold_in_force(mine) == 0.0
    assert not_judged("test", "A test.", mine).threshold == 0.0


@pytest.mark.parametrize(
    ("on_unknown", "relevant"), [(OnUnknown.ALERT, True), (OnUnknown.SUPPRESS, False)]
)
def test_verdict_adds_the_circumstances(on_unknown: OnUnknown, relevant: bool) -> None:
    chosen = dataclasses.replace(FILTER, on_unknown=on_unknown)
    verdict = not_judged("no_snapshot", "None came.", chosen, code="timeout").to_verdict(
        event_id="20261123_120000_abcdef",
        camera="front",
        settings=chosen,
        learning=False,
        motion_at=NOW,
        decided_at=NOW + timedelta(seconds=2),
        merged=4,
        frames=FrameCounts(requested=3),
        fetch_ms=1500.0,
    )
    assert verdict.relevant is relevant
    assert verdict.hold_until is None, "how long an alarm lasts is for who raises it to say"
    assert verdict.model == MODEL
    assert verdict.merged == 4
    assert verdict.cues == {"code": "timeout"}
    assert (verdict.timing_ms.fetch, verdict.timing_ms.total) == (1500.0, 2000.0)

"""What other zones would have done: as judging anew says, or in doubt an alarm."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.worker.history.test_past_events import stored_verdict
from veroallarme_core.contract import RelevanceRegion, State, Zone, ZoneKind
from veroallarme_core.judgement import Premises
from veroallarme_core.motion_detection import MotionRegion
from veroallarme_core.motion_detection.result import MotionDetectionResult
from veroallarme_core.worker.history import PastRegions, RememberedEvent
from veroallarme_core.worker.storage import JudgedEvent

SIZE = (240, 320)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def region(x: int, y: int, width: int = 30, height: int = 50, **changes: Any) -> RelevanceRegion:
    return RelevanceRegion(
        **{
            "x": x, "y": y, "width": width, "height": height, "area": width * height,
            "centroid": (x + width // 2, y + height // 2), "confidence": 0.9,
            "relevance_score": 0.7, "is_relevant": True, "reason": "moved", **changes,
        }
    )  # fmt: skip


def event(*regions: RelevanceRegion, thumb: bool | None = None, **changes: Any) -> RememberedEvent:
    is_alarm = any(one.is_relevant for one in regions)
    state = State.RELEVANT if is_alarm else State.IRRELEVANT
    verdict = stored_verdict(1, state, regions=regions, frame_dimensions=SIZE, **changes)
    read = RememberedEvent.read(
        JudgedEvent(
            motion_at="", event_id=verdict.event_id, verdict=json.dumps(verdict.to_dict()),
            outcomes=None, feedback=thumb,
        )
    )  # fmt: skip
    assert read is not None
    return read


def zone(kind: ZoneKind, points: tuple[tuple[float, float], ...] = LEFT) -> Zone:
    return Zone(name="left", kind=kind, points=points)


IN, OUT = region(40, 60), region(240, 60)


@pytest.mark.parametrize(
    ("regions", "kind", "suppressed"),
    [
        ((IN,), ZoneKind.IGNORE, 1),
        ((OUT,), ZoneKind.IGNORE, 0),
        ((IN, OUT), ZoneKind.IGNORE, 0),
        ((IN,), ZoneKind.ONLY, 0),
        ((OUT,), ZoneKind.ONLY, 1),
        ((OUT,), ZoneKind.ALWAYS, 0),
    ],
)
def test_an_alarm_is_gone_where_all_that_was_relevant_is(
    regions: tuple[RelevanceRegion, ...], kind: ZoneKind, suppressed: int
) -> None:
    found = PastRegions([event(*regions)]).answer([zone(kind)])
    assert (found.alarms, found.suppressed) == (1, suppressed)


def test_thumbs_are_counted_among_the_alarms() -> None:
    events = [event(IN, thumb=True), event(OUT, thumb=True), event(IN, thumb=False), event(IN)]
    found = PastRegions(events).answer([zone(ZoneKind.IGNORE)])
    assert (found.alarms, found.suppressed) == (4, 3)
    assert (found.confirmed, found.missed) == (2, 1)
    assert (found.rejected, found.rejected_suppressed) == (1, 1)


def test_what_is_not_wholly_known_goes_on_alerting() -> None:
    damaged = event(IN, cues={"comparable_share": 0.5})
    many = event(*[region(40, 60)] * 20)
    found = PastRegions([damaged, many]).answer([zone(ZoneKind.IGNORE)])
    assert (found.alarms, found.suppressed) == (2, 0)


def test_what_was_outside_counts_again_where_no_zone_says_otherwise() -> None:
    outside = event(region(40, 60, is_relevant=False, reason="outside_zones"))
    learned = event(region(40, 60, is_relevant=False, reason="seen_before"))
    text = event(region(40, 60, is_relevant=False, reason="burnt_in_text"))
    events = PastRegions([outside, learned, text])
    assert events.answer([]).more == 1
    assert events.answer([zone(ZoneKind.IGNORE)]).more == 0
    assert events.answer([zone(ZoneKind.ALWAYS)]).more == 2, "text moves nowhere"


def test_nothing_and_nobody_is_no_fault() -> None:
    assert PastRegions([]).answer([zone(ZoneKind.ONLY)]).events == 0
    assert PastRegions([event()]).answer([zone(ZoneKind.ONLY)]).alarms == 0


def test_regions_count_as_the_zones_of_judging_have_it() -> None:
    """Of boxes that moved all over, the raster says what the pixels say, but for its own width."""
    draw = np.random.default_rng(5)
    height, width = SIZE
    agreed = 0
    for _ in range(200):
        corners = draw.uniform(0, 1, (4, 2))
        middle = corners.mean(axis=0)
        turn = np.arctan2(*(corners - middle).T)
        points = tuple((float(x), float(y)) for x, y in corners[np.argsort(turn)])
        w, h = int(draw.integers(8, 80)), int(draw.integers(8, 80))
        x, y = int(draw.integers(0, width - w)), int(draw.integers(0, height - h))
        one = zone(ZoneKind(draw.choice(["only", "ignore"])), points)
        moved = np.zeros(SIZE, np.uint8)
        moved[y : y + h, x : x + w] = 255
        found = MotionRegion(x, y, w, h, w * h, (x + w // 2, y + h // 2))
        motion = MotionDetectionResult(
            motion_detected=True,
            motion_regions=(found,),
            motion_mask=moved,
            confidence=1.0,
            total_motion_area=w * h,
            frame_dimensions=SIZE,
            frames=(),
            damage=(),
            global_changes=(),
        )
        counted = bool(Premises.of([one], SIZE).split(motion).counted)
        told = PastRegions([event(region(x, y, w, h))]).answer([one]).suppressed
        agreed += counted == (told == 0)
    assert agreed >= 194, "a border falls between two points of the raster now and then"

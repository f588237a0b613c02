"""What a zone would have done to a stored event is what it does to its pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.zone_suggestions.past import HEIGHT, WIDTH, event
from veroallarme_core.contract import Zone, ZoneKind
from veroallarme_core.judgement import Premises
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion
from veroallarme_core.zone_suggestions.canvas import Canvas
from veroallarme_core.zone_suggestions.ignored_area import IgnoredArea

BAND = Zone(
    name="street", kind=ZoneKind.IGNORE, points=((0.0, 0.2), (1.0, 0.2), (1.0, 0.5), (0.0, 0.5))
)


def counts_by_pixels(box: tuple[int, int, int, int]) -> bool:
    """Ask the zones themselves, with all pixels of the box moving."""
    x, y, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + height, x : x + width] = 255
    region = MotionRegion(
        x=x, y=y, width=width, height=height, area=width * height,
        centroid=(x + width // 2, y + height // 2),
    )  # fmt: skip
    motion = MotionDetectionResult(
        motion_mask=mask,
        motion_regions=(region,),
        frame_dimensions=(HEIGHT, WIDTH),
        total_motion_area=width * height,
        motion_detected=True,
        confidence=1.0,
        global_changes=(),
        frames=(),
        damage=(),
        pairs=(),
    )
    return bool(Premises.of([BAND], (HEIGHT, WIDTH)).split(motion).counted)


@given(
    y=st.integers(10, 250),
    x=st.integers(0, WIDTH - 60),
    width=st.integers(12, 60),
    height=st.integers(12, 90),
)
def test_agrees_with_the_zones_but_for_a_point_of_the_raster(
    x: int, y: int, width: int, height: int
) -> None:
    canvas = Canvas((HEIGHT, WIDTH))
    area = IgnoredArea(canvas, canvas.drawn(BAND))
    told = area.suppresses(event(0, (x, y, width, height)))
    # What a raster of three pixels cannot tell: a box moved by one point decides otherwise.
    near = {counts_by_pixels((x, y + step, width, height)) for step in (-4, 0, 4)}
    assert told in {not counts for counts in near}


def test_what_is_relevant_elsewhere_still_alerts() -> None:
    canvas = Canvas((HEIGHT, WIDTH))
    area = IgnoredArea(canvas, canvas.drawn(BAND))
    inside, outside = (100, 100, 40, 40), (100, 250, 40, 80)
    assert area.suppresses(event(0, inside))
    assert not area.suppresses(event(0, inside, outside))
    assert not area.suppresses(event(0)), "it raised no alarm"
    assert area.moves_in(event(0, inside, outside))
    assert not area.moves_in(event(0, outside))

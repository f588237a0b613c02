"""The picture of a suggestion shows the place by day, and where the zone lies."""

import cv2
import numpy as np

from tests.zone_suggestions.past import HEIGHT, STREET, WIDTH, recurrence, street_and_drive
from veroallarme_core.drawing import draw_event
from veroallarme_core.zone_suggestions import (
    History,
    clearest_frame,
    draw_suggestions,
    suggest_zones,
)


def encoded(frame: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", frame)[1].tobytes()


def test_a_picture_by_day_is_chosen_and_a_broken_one_is_not() -> None:
    day = draw_event("person_in_the_drive", size=(144, 176)).frames[0]
    night = (day * 0.15).astype(np.uint8)
    chosen = clearest_frame(
        [[encoded(night)], [b"no picture", encoded(day)[:2000]], [encoded(day)]]
    )
    assert chosen is not None
    assert abs(float(chosen.mean()) - float(day.mean())) < 5
    assert clearest_frame([[b""], []]) is None


def test_zone_and_heat_are_drawn_where_they_are() -> None:
    busy = recurrence(STREET)
    suggested = suggest_zones(History(events=street_and_drive(), recurrence=busy))
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    before = frame.copy()
    picture = draw_suggestions(frame, busy, suggested)
    assert (frame == before).all()
    assert picture.shape == frame.shape
    changed = np.abs(picture.astype(int) - frame).max(axis=2)
    assert np.median(changed[70:110]) > 30, "the street is hot"
    assert changed[200:].max() < 15
    x, y = suggested[0].zone.points[0]
    corner = picture[
        max(0, round(y * HEIGHT) - 4) : round(y * HEIGHT) + 5,
        max(0, round(x * WIDTH) - 4) : round(x * WIDTH) + 5,
    ]
    assert corner.max() > 240, "an outline in white"

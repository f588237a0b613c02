"""A camera's past as tests write it: a street above, a drive below, and who moved where."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.zone_suggestions import PastEvent

HEIGHT, WIDTH = 360, 480
BEGIN = datetime(2026, 11, 23, 6, tzinfo=UTC)

STREET = (0, 60, WIDTH, 60)
"""x, y, width, height in pixels: where cars pass behind."""
CAR_IN_THE_STREET = (200, 70, 60, 30)
PERSON_IN_THE_DRIVE = (220, 180, 40, 110)
CAR_IN_THE_DRIVE = (150, 190, 160, 100)

Box = tuple[int, int, int, int]


def region(box: Box, *, is_relevant: bool = True, reason: str = "moved") -> dict[str, Any]:
    x, y, width, height = box
    return {
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "area": width * height,
        "is_relevant": is_relevant,
        "relevance_score": 0.8 if is_relevant else 0.1,
        "reason": reason,
    }


def seen(box: Box, kind: str = "person", score: float = 0.8) -> dict[str, Any]:
    x, y, width, height = box
    return {"kind": kind, "class": kind, "score": score} | {
        "x": x, "y": y, "width": width, "height": height,
    }  # fmt: skip


def verdict(
    number: int, *boxes: Box, objects: tuple[dict[str, Any], ...] = (), score: float = 0.8
) -> dict[str, Any]:
    """Write the verdict of an event in which these boxes moved and alerted."""
    at = BEGIN + timedelta(minutes=20 * number)
    return {
        "event_id": f"{at:%Y%m%d_%H%M%S}_{number:06x}",
        "motion_at": at.isoformat(timespec="milliseconds"),
        "state": "relevant" if boxes else "irrelevant",
        "score": score if boxes else 0.1,
        "cues": {"comparable_share": 1.0},
        "frame_dimensions": [HEIGHT, WIDTH],
        "regions": [region(box) for box in boxes],
        "num_relevant": len(boxes),
        "objects": list(objects),
    }


def event(
    number: int,
    *boxes: Box,
    objects: tuple[dict[str, Any], ...] = (),
    thumb: bool | None = None,
    score: float = 0.8,
) -> PastEvent:
    """Return the same as the suggestions read it."""
    read = PastEvent.from_verdict(verdict(number, *boxes, objects=objects, score=score), thumb)
    assert read is not None
    return read


def car_at(number: int) -> Box:
    """Return a car in the street, at every event a little further."""
    return (20 + (number * 53) % (WIDTH - 100), 70, 60, 30)


def street_and_drive(cars: int = 60, people: int = 20) -> list[PastEvent]:
    """Return events of cars that pass behind, and of people who come up the drive."""
    events = [event(number, car_at(number)) for number in range(cars)]
    events += [
        event(
            cars + number, PERSON_IN_THE_DRIVE, car_at(number), objects=(seen(PERSON_IN_THE_DRIVE),)
        )
        for number in range(people)
    ]
    return events


def recurrence(*busy: Box, share: float = 0.6) -> NDArray[np.float32]:
    """Return a map of cells in which these boxes move often, and all else now and then."""
    rows, columns = 30, 40
    cells = np.full((rows, columns), 0.02, np.float32)
    for x, y, width, height in busy:
        cells[
            y * rows // HEIGHT : (y + height) * rows // HEIGHT,
            x * columns // WIDTH : (x + width) * columns // WIDTH,
        ] = share
    return cells

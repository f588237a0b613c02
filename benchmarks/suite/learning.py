"""What a night's learning costs, on a small history that is drawn for it."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import cv2

from benchmarks.suite.figures import figure_of_rounds
from benchmarks.suite.peers import decode
from benchmarks.suite.plan import Part, Plan, milliseconds
from veroallarme_core.adaptation import AdaptationOptions, adapt_folder
from veroallarme_core.demo.events import encode
from veroallarme_core.drawing import DrawnEvent, draw_events

SIZE = (288, 352)
BEGUN = datetime(2026, 6, 1, 8, tzinfo=UTC)
EVENTS, INTRUDERS = 48, 48
QUICK_EVENTS, QUICK_INTRUDERS = 6, 4


def measure(plan: Plan) -> Part:
    """Adapt a camera once; the figure is for one burst of its own or with an intruder."""
    cv2.setNumThreads(1)
    count, intruders = (QUICK_EVENTS, QUICK_INTRUDERS) if plan.quick else (EVENTS, INTRUDERS)
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as name:
        folder = Path(name)
        bursts = _draw_history(folder / "data", count)
        decoding = [milliseconds(partial(decode, burst), plan.now) for burst in bursts * 3]
        options = AdaptationOptions(intruders=intruders)

        def adapt() -> None:
            # Its lines of progress are for who waits for it.
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                adapt_folder(folder / "data", folder / "state", None, options)

        spent_ms = milliseconds(adapt, plan.now)
    height, width = SIZE
    title = f"adaptation, for each of {count} events and {intruders} intruders, {width}x{height}"
    figure = figure_of_rounds(title, "ms", [[spent_ms / (count + intruders)]], [decoding])
    return Part((figure,))


def _draw_history(folder: Path, count: int) -> list[tuple[bytes, ...]]:
    """Draw events of one camera, three in each hour, into the layout of a camera's folder."""
    events = itertools.islice(_street_events(), count)
    bursts = []
    for index, event in enumerate(events):
        burst = tuple(encode(frame) for frame in event.frames)
        at = BEGUN + timedelta(minutes=20 * index)
        place = folder / f"{at:%Y%m%d_%H%M%S}_{index:06x}"
        place.mkdir(parents=True)
        for number, frame in enumerate(burst):
            (place / f"{number}.jpg").write_bytes(frame)
        bursts.append(burst)
    return bursts


def _street_events() -> Iterator[DrawnEvent]:
    """Draw the programme again and again, each time with other leaves and noise."""
    for seed in itertools.count(7):
        for event in draw_events(seed, SIZE):
            if event.camera == "street":
                yield event

"""Synthetic intruders over a camera's own bursts, judged by the product once it has learned it.

They are drawn like those that the product calibrates on, and judged like any event: decoded, found
by Stage 1, judged by what the camera has learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from veroallarme_core.adaptation import (
    EventFolder,
    IntruderOptions,
    SyntheticEvent,
    list_events,
    paste_intruder,
    picture_files,
)
from veroallarme_core.camera_memory import MEMORY_FILE, CameraState, SceneMemory
from veroallarme_core.contract import CameraSettings, Mode, State, Zone
from veroallarme_core.description import ENCODER_NAME, Frame
from veroallarme_core.judgement import Premises
from veroallarme_core.motion_detection import find_damage
from veroallarme_core.pictures import FrameError, read_frame
from veroallarme_core.pipeline import EventPipeline, PipelineResult
from veroallarme_training.evaluation.cameras import Camera
from veroallarme_training.evaluation.measures import Figure, overlap, share_figure
from veroallarme_training.evaluation.scores import EventScore

THREADS = 2
HEIGHT_CLASSES = ((0, 16), (16, 32), (32, 64), (64, 10_000))
"""Heights of intruders in pixels, from and to, that are counted apart."""

_QUIETEST = 0.25  # share of the bursts, by score: over a loud one every intruder raises the alarm
_ON_INTRUDER = 0.5  # share of the smaller area that a region has in common with an intruder


@dataclass(frozen=True)
class Trial:
    """What became of one intruder."""

    height_px: int
    is_recurring: bool
    """Whether it stood where motion recurs most."""
    is_seen: bool
    """Whether Stage 1 found a region on it."""
    is_caught: bool
    """Whether a region on it is relevant."""
    alerts: bool
    """Whether its event raises the alarm."""
    score: float
    """Of the event; 1 where nothing could be judged."""


@dataclass(frozen=True, eq=False)
class _Source:
    event: EventFolder
    frames: tuple[Frame, ...]
    options: IntruderOptions


def try_intruders(
    camera: Camera,
    state_dir: Path,
    scores: Sequence[EventScore],
    count: int,
    seed: int,
    zones: tuple[Zone, ...] = (),
) -> list[Trial]:
    """Paste intruders over the quietest bursts of a camera and let the product judge them.

    Quiet are those that the product suppressed, or the quarter that it scored lowest where these
    are more; only undamaged bursts are taken.

    Args:
        camera: whose bursts they are.
        state_dir: what the product has learned of it; it is left as it is.
        scores: of its events, as the product judged them.
        count: how many intruders to paste; where nobody could be seen there are fewer trials.
        seed: the same seed gives the same intruders, which adaptation never sees.
        zones: where motion counts, and intruders appear.
    """
    sources = _sources(camera, scores)
    memory = SceneMemory.load(state_dir / MEMORY_FILE, ENCODER_NAME)
    state = CameraState.read(state_dir)
    pipeline = EventPipeline.with_shipped_networks()
    if not sources or memory.grid is None:
        return []
    places = memory.recurrence()

    def attempt(number: int) -> Trial | None:
        rng = np.random.default_rng([seed, number, *camera.name.encode()])
        source = sources[int(rng.integers(len(sources)))]
        within = Premises.of(zones, source.frames[0].shape[:2]).judged
        intruder = paste_intruder(source.frames, rng, places, options=source.options, within=within)
        if intruder is None:
            return None
        result = pipeline.judge(
            [_png(frame) for frame in intruder.frames],
            CameraSettings(mode=Mode.FILTER, zones=zones),
            state=state,
            event_id=source.event.event_id,
            motion_at=datetime.fromtimestamp(source.event.at, UTC),
        )
        return _trial(intruder, result)

    with ThreadPoolExecutor(THREADS) as pool:
        attempts = pool.map(attempt, range(count))
        shown = tqdm(attempts, "intruders", count, disable=None, leave=False)
        return [trial for trial in shown if trial is not None]


def _sources(camera: Camera, scores: Sequence[EventScore]) -> list[_Source]:
    known = {event.event_id: event for event in list_events(camera.folder)}
    quietest = sorted(scores, key=lambda scored: scored.score)
    suppressed = sum(scored.state is State.IRRELEVANT for scored in scores)
    quietest = quietest[: max(suppressed, round(_QUIETEST * len(scores)))]
    sources = [
        _read_source(known[scored.event_id]) for scored in quietest if scored.event_id in known
    ]
    return [source for source in sources if source is not None]


def _read_source(event: EventFolder) -> _Source | None:
    """Read a burst; None of one that is damaged or too short for an intruder."""
    paths = picture_files(event.folder)
    try:
        frames = [read_frame(path) for path in paths]
    except FrameError:
        return None
    is_whole = len(frames) >= 2 and len({frame.image.shape for frame in frames}) == 1
    if not is_whole or any(damage.kinds for damage in find_damage(frames)):
        return None
    options = IntruderOptions.for_pictures_like(paths[0].read_bytes())
    return _Source(event, tuple(frame.image for frame in frames), options)


def _png(frame: Frame) -> bytes:
    return cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _trial(intruder: SyntheticEvent, result: PipelineResult) -> Trial:
    boxes = [box for box in intruder.boxes if box is not None]
    on_it = [
        region
        for region in result.regions
        if any(
            overlap(box, (region.x, region.y, region.width, region.height)) >= _ON_INTRUDER
            for box in boxes
        )
    ]
    return Trial(
        height_px=intruder.height_px,
        is_recurring=intruder.is_recurring,
        is_seen=bool(on_it),
        is_caught=any(region.is_relevant for region in on_it),
        alerts=result.state is not State.IRRELEVANT,
        score=1.0 if result.score is None else result.score,
    )


def intruder_figures(
    trials: Sequence[Trial], rng: np.random.Generator, resamples: int
) -> dict[str, Figure]:
    """Measure the recall of intruders.

    Names of figures: `intruder_recall` of those that stood where motion recurs most,
    `intruder_recall_elsewhere` of the others; of all of them `intruder_seen` by Stage 1,
    `intruder_caught` by a region on it, and `intruder_recall_16_32` by height in pixels.
    """
    figures = {
        "intruder_recall": [trial.alerts for trial in trials if trial.is_recurring],
        "intruder_recall_elsewhere": [trial.alerts for trial in trials if not trial.is_recurring],
        "intruder_seen": [trial.is_seen for trial in trials],
        "intruder_caught": [trial.is_caught for trial in trials],
    }
    for low, high in HEIGHT_CLASSES:
        own = [trial.alerts for trial in trials if low <= trial.height_px < high]
        figures[f"intruder_recall_{low}_{high}"] = own
    shares = {name: share_figure(hits, rng, resamples) for name, hits in figures.items()}
    return {name: share for name, share in shares.items() if share is not None}

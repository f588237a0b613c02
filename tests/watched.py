"""A drawn garden under a camera, as the scene encoder that ships describes it.

Drawing and describing an event takes a tenth of a second: what several tests need is kept.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.drawn import encode
from veroallarme_core.camera_memory.camera_model import (
    FOLDS,
    QUANTILES,
    CameraModel,
    cue_values,
    quantiles_of,
    teacher_ranks,
)
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.contract import Promise
from veroallarme_core.description.burst_evidence import (
    SKETCH_DIM,
    BurstEvidence,
    RegionEvidence,
    gather_evidence,
)
from veroallarme_core.description.scene_encoder import SceneEncoder
from veroallarme_core.drawing.drawing import Stage
from veroallarme_core.drawing.perspective import STRAIGHT, Turn
from veroallarme_core.drawing.script import STRONG_WIND, Script, walk
from veroallarme_core.judgement import BurstJudgement, candidates, judge_motion
from veroallarme_core.motion_detection import MotionDetector, min_area_for

Picture = NDArray[np.uint8]

SIZE = (144, 192)
START = datetime(2026, 5, 4, 10, tzinfo=UTC)
HISTORY = 24
"""Windy events, an hour apart, of which `learned_memory` has learned."""
TURNED = Turn(yaw_deg=-9.0, pitch_deg=2.0, zoom=1.12)
OVER_THE_TREE = walk((-4.1, 8.2), 0)
"""A person who crosses the crown of the swaying tree."""

PROMISE = Promise(
    recall=0.99,
    confidence=0.95,
    synthetic=600,
    synthetic_recall=0.995,
    confirmed=0,
    confirmed_recall=None,
    since="2026-05-05T03:00:41+00:00",
)


@dataclass(frozen=True)
class Watched:
    """One event: what was drawn, and what was made of it."""

    event_id: str
    moment: datetime
    frames: tuple[Picture, ...]
    masks: tuple[NDArray[np.bool_], ...]
    evidence: BurstEvidence
    judgement: BurstJudgement

    @property
    def at(self) -> float:
        """Seconds since 1970."""
        return self.moment.timestamp()

    @property
    def on_mover(self) -> RegionEvidence:
        """The region that shows most of the one who was drawn into the scene."""
        mover = np.logical_or.reduce(self.masks)

        def shown(region: RegionEvidence) -> int:
            x1, y1, x2, y2 = region.bbox
            return int(mover[y1:y2, x1:x2].sum())

        return max(self.evidence.regions, key=shown)

    @property
    def encoded(self) -> list[bytes]:
        """The frames as files."""
        return [encode(frame, quality=95) for frame in self.frames]

    def write(self, camera: Path) -> None:
        """Write it as a folder of the camera's."""
        folder = camera / self.event_id
        folder.mkdir(parents=True)
        for number, data in enumerate(self.encoded):
            (folder / f"{number}.jpg").write_bytes(data)


@cache
def scene_encoder() -> SceneEncoder:
    return SceneEncoder(threads=1)


@cache
def _stage(turn: Turn, size: tuple[int, int]) -> Stage:
    return Stage("garden", 3, size, turn)


def watch(
    number: int,
    *,
    hours: float | None = None,
    turn: Turn = STRAIGHT,
    size: tuple[int, int] = SIZE,
    **script: Any,
) -> Watched:
    """Draw a windy event and describe it.

    Args:
        number: gives its noise, the phase of the wind, the exposure and the clock.
        hours: after `START`; None: one per number.
        turn: how the camera was aimed anew.
        size: (H, W) of the picture.
        script: overrides what `Script` holds.
    """
    moment = START + timedelta(hours=number if hours is None else hours)
    draw = np.random.default_rng(number)
    event_id = f"{moment:%Y%m%d_%H%M%S}_{number:06x}"
    settings: dict[str, Any] = {
        "cause": "tree",
        "wind": STRONG_WIND,
        "gust": draw.uniform(0, 6.28),
        "exposure": (draw.uniform(0.93, 1.07),) * 3,
        "gap_s": 2.0,
    }
    drawn = _stage(turn, size).play(
        Script(
            name=event_id,
            camera="garden",
            clock=f"{moment:%H:%M:%S}",
            day=f"{moment:%Y-%m-%d}",
            **{**settings, **script},
        ),
        number,
    )
    return described(event_id, moment, drawn.frames, drawn.masks)


def described(
    event_id: str,
    moment: datetime,
    frames: tuple[Picture, ...],
    masks: tuple[NDArray[np.bool_], ...] = (),
) -> Watched:
    """Describe the frames of an event."""
    cv2.setNumThreads(1)
    height, width = frames[0].shape[:2]
    motion = MotionDetector(min_area=min_area_for((height, width))).detect_motion(list(frames))
    judgement = judge_motion(motion)
    evidence = gather_evidence(scene_encoder(), motion, candidates(judgement))
    assert evidence is not None
    return Watched(event_id, moment, frames, masks, evidence, judgement)


@cache
def history() -> tuple[Watched, ...]:
    return tuple(watch(number) for number in range(HISTORY))


@cache
def other_tree() -> Watched:
    """A windy event that is not in the history."""
    return watch(HISTORY + 1)


@cache
def person_over_the_tree() -> Watched:
    return watch(HISTORY + 2, pose=OVER_THE_TREE)


def write_history(camera: Path) -> dict[str, bool]:
    """Write a camera's folder of 48 events, 12 with a person; return which ones show one."""
    draw = np.random.default_rng(8)
    events = [
        watch(
            HISTORY + 10 + number,
            pose=walk(
                (draw.uniform(-2, 3), draw.uniform(6, 11)),
                draw.uniform(0, 360),
                coat=str(draw.choice(["#c7a23c", "#2d3440", "#7b3d36", "#bdb6a4"])),
            )
            if number % 2
            else None,
        )
        for number in range(24)
    ]
    for event in (*history(), *events):
        event.write(camera)
    return {one.event_id: any(mask.any() for mask in one.masks) for one in (*history(), *events)}


def learned_memory() -> SceneMemory:
    """A memory that has seen the history, for the caller to change."""
    return deepcopy(_learned_memory())


@cache
def _learned_memory() -> SceneMemory:
    memory = SceneMemory(scene_encoder().name)
    for event in history():
        assert not memory.observe(event.evidence, event.event_id, event.at)
    return memory


def garden_model(memory: SceneMemory, threshold: float = 0.72) -> CameraModel:
    """A model by the teacher's cues over the history; its heads say nothing.

    Ranks are then between 0.25 and 0.75; the person over the tree alone is above the threshold.
    """
    values = np.concatenate(
        [
            cue_values(memory.assess(regions, one.evidence.light, one.at))
            for one in history()
            for regions in [one.evidence.regions]
        ]
    )
    cue_quantiles = np.stack([quantiles_of(values[:, k]) for k in range(values.shape[1])])
    return CameraModel(
        encoder=memory.encoder,
        events=HISTORY,
        cue_quantiles=cue_quantiles,
        teacher_quantiles=quantiles_of(teacher_ranks(values, cue_quantiles)),
        heads=np.zeros((FOLDS, SKETCH_DIM + 1)),
        head_quantiles=np.zeros((FOLDS, QUANTILES)),
        threshold=threshold,
        promise=PROMISE,
        view=memory.reaimed,
    )

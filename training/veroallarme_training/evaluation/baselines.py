"""The rows that need no learning: what a user would pick instead, and the first judgement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import CameraSettings, State
from veroallarme_core.pictures import read_frame_or_none, shrink
from veroallarme_core.pipeline import EventPipeline
from veroallarme_training.evaluation.cameras import Camera
from veroallarme_training.evaluation.scores import EventScore, ScoredRegion
from veroallarme_training.events import Event
from veroallarme_training.motion_cache import BrokenEventError

_SUBTRACTION_WIDTH = 352  # pixels: background subtraction gains nothing from more
_SURE_FOREGROUND = 200  # OpenCV marks shadows by 127


def read_pictures(event: Event) -> list[NDArray[np.uint8]]:
    """Decode the frames of an event that can be decoded, uint8 (H, W, 3) BGR each."""
    frames = [read_frame_or_none(path) for path in event.frames]
    return [frame.image for frame in frames if frame is not None]


class AlertAll:
    """Every motion is an alarm: a camera without VeroAllarme."""

    name = "alert-all"

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Score every event 1."""
        for event in camera.asked_events():
            yield EventScore(event.event_id, 1.0, State.RELEVANT)


class MotionArea:
    """The area of the largest moving region over that of the frame."""

    name = "area"

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Score by Stage 1 alone."""
        for event in camera.asked_events():
            try:
                motion = camera.motion.motion(event)
            except BrokenEventError:
                yield EventScore(event.event_id, 1.0, reason="broken")
                continue
            height, width = motion.frame_dimensions
            regions = tuple(
                ScoredRegion(r.x, r.y, r.width, r.height, r.area / (height * width))
                for r in motion.regions
            )
            score = max((region.score for region in regions), default=0.0)
            yield EventScore(event.event_id, score, regions=regions)


class BackgroundSubtraction:
    """OpenCV's MOG2 or KNN over all frames of a camera; score = its largest foreground blob.

    Args:
        method: `MOG2` (Zivkovic 2004) or `KNN` (Zivkovic and van der Heijden 2006), both with
            OpenCV's defaults.
    """

    def __init__(self, method: str) -> None:
        self.name = method
        self._create = {
            "MOG2": cv2.createBackgroundSubtractorMOG2,
            "KNN": cv2.createBackgroundSubtractorKNN,
        }[method]

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Follow the camera's frames from the first event on."""
        subtractor: Any = self._create()
        size = None
        for event in camera.events:
            pictures = [shrink(picture, _SUBTRACTION_WIDTH) for picture in read_pictures(event)]
            shares = []
            for picture in pictures:
                if picture.shape != size:
                    subtractor, size = self._create(), picture.shape
                shares.append(_largest_blob(subtractor.apply(picture)))
            if event.event_id in camera.asked:
                yield EventScore(event.event_id, max(shares, default=1.0))


def _largest_blob(foreground: NDArray[np.uint8]) -> float:
    """Return the area of the largest blob without shadows and specks, over that of the frame."""
    mask = cv2.medianBlur(np.where(foreground > _SURE_FOREGROUND, 255, 0).astype(np.uint8), 5)
    stats = cv2.connectedComponentsWithStats(mask)[2]
    return float(stats[1:, cv2.CC_STAT_AREA].max(initial=0) / mask.size)


class FirstJudgement:
    """What the package decides without any learning, from the pictures of one event alone."""

    name = "first judgement"

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Judge each event by itself."""
        pipeline, settings = EventPipeline(), CameraSettings()
        for event in camera.asked_events():
            result = pipeline.judge([path.read_bytes() for path in event.frames], settings)
            regions = tuple(
                ScoredRegion(r.x, r.y, r.width, r.height, r.relevance_score) for r in result.regions
            )
            score = 1.0 if result.score is None else result.score
            yield EventScore(event.event_id, score, result.state, result.reason, regions)

"""Scores moving regions with what ships: the rules and the encoder of a fresh installation.

Who has no network of his own judges by the same function as the worker in mode `filter`, and, with
a camera's state, by what that camera has learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from veroallarme_core.camera_memory import MEMORY_FILE, MODEL_FILE, CameraState, StateFileError
from veroallarme_core.contract import CameraSettings, Mode, RelevanceRegion, State
from veroallarme_core.description import Frame, ObjectDetector, SceneEncoder
from veroallarme_core.inference import ModelError
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion, common_area
from veroallarme_core.pipeline import EventPipeline, PipelineResult

UNPROVEN = 1.0
"""The score of a region that nobody looked at: alert when in doubt."""
JUDGED_SHARE = 0.5
"""Of the pixels of a region that moved, as many have to lie in judged regions."""

_UNDECODABLE = b""
# The burst is handed over as pictures, without loss; compressing them well would only take longer.
_PNG_SETTINGS = (cv2.IMWRITE_PNG_COMPRESSION, 1)


class ShippedJudge:
    """Judges bursts as the worker does; may be shared between threads.

    Args:
        state_dir: what a camera has learned; it is read, not changed. None judges as a fresh
            installation does.
        threshold: score in [0, 1] from which a region is relevant.
        backend: `openvino` or `onnxruntime`; None chooses.
        threads: most threads of one inference; None leaves it to the runtime.

    Raises:
        ModelError: the folder is no camera's state, or the encoder cannot be loaded.
    """

    def __init__(
        self,
        state_dir: Path | None,
        threshold: float,
        backend: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._settings = CameraSettings(mode=Mode.FILTER, threshold=threshold)
        self._state = None if state_dir is None else _read_state(state_dir)
        self._pipeline = EventPipeline(
            encoder=SceneEncoder(backend, threads), detector=ObjectDetector(backend, threads)
        )

    def score(self, frame: Frame, motion: MotionDetectionResult) -> list[float]:
        """Return the score of every region that moved, in [0, 1].

        Args:
            frame: uint8 (H, W, 3) BGR; looked at where `motion` holds no frames.
            motion: what moved in the burst.
        """
        if not motion.motion_regions:
            return []
        has_frames = any(picture is not None for picture in motion.frames)
        frames = motion.frames if has_frames else (frame,)
        pictures = [_UNDECODABLE if picture is None else _encode(picture) for picture in frames]
        result = self._pipeline.judge(pictures, self._settings, state=self._state)
        return [_score(region, motion, result) for region in motion.motion_regions]


def _score(region: MotionRegion, motion: MotionDetectionResult, result: PipelineResult) -> float:
    """Return the score of a region, or of what was judged at its place.

    The detector that found the region may be another one than the judge's.
    """
    if result.state is State.UNKNOWN:
        return UNPROVEN
    for judged in result.regions:
        if judged.to_bbox() == region.to_bbox():
            return judged.relevance_score
    at_place = [
        judged for judged in result.regions if common_area(region.to_bbox(), judged.to_bbox())
    ]
    if not at_place or _judged_share(region, motion, at_place) < JUDGED_SHARE:
        return UNPROVEN
    return max(judged.relevance_score for judged in at_place)


def _judged_share(
    region: MotionRegion, motion: MotionDetectionResult, at_place: Sequence[RelevanceRegion]
) -> float:
    """Return the share of the moved pixels of a region, of its whole box where there are none."""
    x1, y1, x2, y2 = region.to_bbox()
    moved = motion.motion_mask[y1:y2, x1:x2] > 0
    if not moved.any():
        moved = np.ones((y2 - y1, x2 - x1), bool)
    judged = np.zeros(moved.shape, bool)
    for other in at_place:
        left, top, right, bottom = other.to_bbox()
        inside = slice(max(0, top - y1), max(0, bottom - y1))
        judged[inside, max(0, left - x1) : max(0, right - x1)] = True
    return float(judged[moved].mean())


def _encode(frame: Frame) -> bytes:
    done, data = cv2.imencode(".png", frame, _PNG_SETTINGS)
    return data.tobytes() if done else _UNDECODABLE


def _read_state(folder: Path) -> CameraState:
    if not any((folder / name).is_file() for name in (MEMORY_FILE, MODEL_FILE)):
        raise ModelError(
            f"{folder} holds neither {MEMORY_FILE} nor {MODEL_FILE}: give the state folder of a "
            "camera that has learned, a model file, or None for what ships."
        )
    try:
        return CameraState.read(folder)
    except (StateFileError, OSError) as error:
        raise ModelError(f"What the camera has learned cannot be used: {error}") from error

"""The row of a COCO object detector: is there something of interest where something moved?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import State
from veroallarme_core.inference import load_onnxruntime
from veroallarme_training.evaluation.baselines import read_pictures
from veroallarme_training.evaluation.cameras import Camera, EvaluationError
from veroallarme_training.evaluation.scores import EventScore, ScoredRegion
from veroallarme_training.events import Event
from veroallarme_training.motion_cache import BrokenEventError

INTERESTING = (0, 1, 2, 3, 5, 6, 7, 14, 15, 16, 17, 18, 19, 21)
"""COCO classes: person, bicycle, car, motorcycle, bus, train, truck, bird, cat, dog, horse, sheep,
cow, bear."""

ALARM_CONFIDENCE = 0.3
"""A box of this confidence raises the alarm."""

_STRIDES = (8, 16, 32)
_LETTERBOX = 114
_WORST_CONFIDENCE = 0.01  # boxes below it are not looked at


class CocoDetector:
    """YOLOX (Ge et al. 2021, arXiv:2107.08430); score = best box that touches motion.

    Args:
        path: ONNX file of the published export: input (1, 3, H, W) BGR from 0 to 255, output
            (1, cells, 85) that is not yet decoded.

    Raises:
        EvaluationError: the file is no such network.
    """

    name = "COCO detector"

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise EvaluationError(f"There is no detector {path}; correct --peer-detector.")
        try:
            self._session: Any = load_onnxruntime().InferenceSession(
                str(path), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base of their own
            raise EvaluationError(f"{path} cannot be loaded as an ONNX network: {error}") from None
        entry = self._session.get_inputs()[0]
        self._input = entry.name
        if list(entry.shape[:2]) != [1, 3] or not all(isinstance(n, int) for n in entry.shape):
            raise EvaluationError(f"{path} takes {entry.shape}; expected [1, 3, height, width].")
        self._size = (int(entry.shape[2]), int(entry.shape[3]))

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Look at every frame of each event."""
        for event in camera.asked_events():
            try:
                moved = camera.motion.motion(event).motion_mask
            except BrokenEventError:
                yield EventScore(event.event_id, 1.0, State.UNKNOWN, "broken")
                continue
            regions = tuple(self._moving_boxes(event, moved))
            score = max((region.score for region in regions), default=0.0)
            state = State.RELEVANT if score >= ALARM_CONFIDENCE else State.IRRELEVANT
            yield EventScore(event.event_id, score, state, "detected", regions)

    def _moving_boxes(self, event: Event, moved: NDArray[np.uint8]) -> Iterator[ScoredRegion]:
        for picture in read_pictures(event):
            if picture.shape[:2] != moved.shape:
                continue
            for region in self.detect(picture):
                rows = slice(max(region.y, 0), max(region.y + region.height, 0))
                columns = slice(max(region.x, 0), max(region.x + region.width, 0))
                if moved[rows, columns].any():
                    yield region

    def detect(self, picture: NDArray[np.uint8]) -> list[ScoredRegion]:
        """Return the boxes of interesting classes in a BGR picture (H, W, 3), overlapping ones too.

        Boxes that lie over each other are left: only the best one counts.
        """
        height, width = self._size
        scale = min(height / picture.shape[0], width / picture.shape[1])
        smaller = cv2.resize(
            picture, (int(picture.shape[1] * scale), int(picture.shape[0] * scale))
        )
        padded = np.full((height, width, 3), _LETTERBOX, np.uint8)
        padded[: smaller.shape[0], : smaller.shape[1]] = smaller
        entry = padded.transpose(2, 0, 1)[None].astype(np.float32)
        output = self._session.run(None, {self._input: entry})[0][0]  # (cells, 85)
        return decode_boxes(output, self._size, scale)


def decode_boxes(
    output: NDArray[np.float32], size: tuple[int, int], scale: float
) -> list[ScoredRegion]:
    """Decode YOLOX's raw output (cells, 5 + classes) into boxes of the picture.

    Args:
        output: per cell the offset of the centre, the logarithm of the size, both in strides, the
            confidence that there is an object, and that of each class.
        size: height and width of the network's input.
        scale: of the picture when it was made to fit that input.
    """
    cells, strides = [], []
    for stride in _STRIDES:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        cells.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        strides.append(np.full(rows.size, stride))
    stride_of = np.concatenate(strides)[:, None]
    confidence = output[:, 4] * output[:, [5 + number for number in INTERESTING]].max(axis=1)
    extent = np.exp(output[:, 2:4]) * stride_of / scale
    corner = (output[:, :2] + np.concatenate(cells)) * stride_of / scale - extent / 2
    boxes = np.hstack([corner, extent]).round().astype(int)
    return [
        ScoredRegion(int(x), int(y), int(width), int(height), float(score))
        for (x, y, width, height), score in zip(boxes, confidence, strict=True)
        if score >= _WORST_CONFIDENCE
    ]

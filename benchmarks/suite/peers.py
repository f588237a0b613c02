"""What others do with a burst, each from its JPEGs on: the peers in the same run."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description import ObjectDetector

Picture = NDArray[np.uint8]
Frames = tuple[bytes, ...]

MOTION_HEIGHT = 100
"""Of the grey picture in which Frigate looks for motion, in pixels."""
MOTION_LEVELS, MOTION_AREA = 30, 10
"""By how many levels a pixel must change there, and how many pixels must."""
REGION_PX = 320
"""Edge of what its detector sees, and the least edge of a region around motion."""
MAX_REGIONS = 8


def decode(frames: Frames) -> list[Picture]:
    """Decode a burst at its full size: what all ratios are ratios to."""
    pictures = (cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in frames)
    return [np.asarray(picture, np.uint8) for picture in pictures]


class Subtraction:
    """A background model of OpenCV at full size, and the boxes of what is left."""

    def __init__(self, name: str) -> None:
        makers = {
            "MOG2": cv2.createBackgroundSubtractorMOG2,
            "KNN": cv2.createBackgroundSubtractorKNN,
        }
        self._model = makers[name](detectShadows=True)

    def judge(self, frames: Frames) -> int:
        """Return how many blobs move in the last frame."""
        count = 0
        for picture in decode(frames):
            mask = self._model.apply(picture)
            clear = cv2.threshold(mask, 200, 255, cv2.THRESH_BINARY)[1]
            count = len(cv2.findContours(clear, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0])
        return count


class DetectorOnMotion:
    """A detector as Frigate runs it: 320x320 around whatever changed since the frames before.

    The detector is ours, so that the way of using it is compared and not the network.
    """

    def __init__(self, detector: ObjectDetector) -> None:
        self._detector = detector

    def judge(self, frames: Frames) -> int:
        """Return how many objects were found in all frames."""
        average: NDArray[np.float32] | None = None
        found = 0
        for picture in decode(frames):
            height, width = picture.shape[:2]
            small_size = (round(width * MOTION_HEIGHT / height), MOTION_HEIGHT)
            small = cv2.resize(picture, small_size, interpolation=cv2.INTER_LINEAR)
            grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (3, 3), 0)
            if average is None:
                average = np.asarray(grey, np.float32)
                continue
            crops = _crops(picture, grey, average)
            cv2.accumulateWeighted(grey, average, 0.2)
            for objects in self._detector.detect(crops, size=REGION_PX) if crops else ():
                found += len(objects)
        return found


def _crops(picture: Picture, grey: Picture, average: NDArray[np.float32]) -> list[Picture]:
    """Cut a square around each blob that changed, largest first, each place once."""
    changed = cv2.absdiff(grey, cv2.convertScaleAbs(average))
    mask = cv2.dilate(cv2.threshold(changed, MOTION_LEVELS, 255, cv2.THRESH_BINARY)[1], None)
    contours = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    blobs = sorted(contours, key=cv2.contourArea, reverse=True)
    boxes = [cv2.boundingRect(blob) for blob in blobs if cv2.contourArea(blob) >= MOTION_AREA]
    height, width = picture.shape[:2]
    scale = height / MOTION_HEIGHT
    crops: list[Picture] = []
    seen: list[tuple[int, int, int]] = []
    for x, y, w, h in boxes:
        centre_x, centre_y = (x + w / 2) * scale, (y + h / 2) * scale
        if any(
            left <= centre_x < left + edge and top <= centre_y < top + edge
            for left, top, edge in seen
        ):
            continue
        edge = min(height, width, max(REGION_PX, round(1.35 * max(w, h) * scale)))
        left = int(np.clip(centre_x - edge / 2, 0, width - edge))
        top = int(np.clip(centre_y - edge / 2, 0, height - edge))
        seen.append((left, top, edge))
        crop = picture[top : top + edge, left : left + edge]
        size = (REGION_PX, REGION_PX)
        crops.append(np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR), np.uint8))
        if len(crops) == MAX_REGIONS:
            break
    return crops

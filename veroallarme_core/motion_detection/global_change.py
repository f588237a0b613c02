"""Changes of the whole picture: infrared switch, exposure jump, camera shake."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.whole_picture import (
    PLACES,
    WORK_WIDTH,
    Valid,
    WholePicture,
)
from veroallarme_core.pictures import shrink

_GREY_CHROMA = 1.5  # mean distance from grey, in levels, of an infrared picture at most
_COLOUR_CHROMA = 4.0  # ... and of a colour picture at least
_EXPOSURE_STEP = 5.0  # median change of brightness that counts, in grey levels
_EXPOSURE_AGREEMENT = 0.8  # share of places that changed in the same direction
_MIN_TRACKED = 24
_SHAKE_STEP = 0.4  # smallest displacement that counts, in pixels at working width
_GLANCE_SHARE = 0.5  # of the smallest displacement: what stays below at a glance stands still
_SHAKE_LIMIT = 0.08  # largest displacement, as a share of the width
_SHAKE_AGREEMENT = 0.55  # share of corners that moved with the picture


class GlobalChangeKind(StrEnum):
    """What changed the whole picture between two frames."""

    INFRARED_SWITCH = "infrared_switch"
    EXPOSURE = "exposure"
    CAMERA_SHAKE = "camera_shake"


@dataclass(frozen=True)
class GlobalChange:
    """A change of the whole picture between two frames.

    `magnitude` is the median change in grey levels (exposure, infrared switch) or in pixels
    (shake). Where a previous pixel has the brightness v, `gain * v + offset` is what it has now;
    `warp` is the 2x3 matrix, row by row, that maps previous to current pixel coordinates.
    """

    kind: GlobalChangeKind
    magnitude: float
    explanation: str
    shift_px: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    offset: float = 0.0
    warp: tuple[float, float, float, float, float, float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the change as JSON-serialisable values."""
        return {
            "kind": self.kind.value,
            "magnitude": round(self.magnitude, 3),
            "explanation": self.explanation,
            "shift_px": [round(value, 3) for value in self.shift_px],
        }


def find_global_change(
    previous: NDArray[np.uint8],
    current: NDArray[np.uint8],
    valid_mask: NDArray[np.uint8] | None = None,
) -> GlobalChange | None:
    """Recognise what changed the whole picture between two frames.

    Args:
        previous: uint8 (H, W, 3) BGR.
        current: uint8 (H, W, 3) BGR, of the same size.
        valid_mask: uint8 (H, W), non-zero where both frames are undamaged; None for everywhere.

    Returns:
        The change, or None where the picture as a whole stayed.

    Raises:
        ValueError: the frames differ in size.
    """
    if previous.shape != current.shape:
        raise ValueError(
            f"Frames of different sizes cannot be compared: {previous.shape}, {current.shape}."
        )
    return find_change_between(WholePicture(previous), WholePicture(current), valid_mask)


def find_change_between(
    previous: WholePicture, current: WholePicture, valid_mask: NDArray[np.uint8] | None = None
) -> GlobalChange | None:
    """Recognise what changed between two frames, of each of which it is computed once.

    Arguments as for `find_global_change`; the frames are of the same size.
    """
    valid: Valid = None
    if valid_mask is not None:
        small = shrink(valid_mask, WORK_WIDTH)
        valid = np.asarray(cv2.threshold(small, 254, 255, cv2.THRESH_BINARY)[1], np.uint8)
        if np.count_nonzero(valid) < 0.1 * valid.size:
            return None
    return (
        _infrared_switch(previous, current, valid)
        or _exposure(previous, current, valid)
        or _shake(previous, current, valid)
    )


def _infrared_switch(
    before: WholePicture, after: WholePicture, valid: Valid
) -> GlobalChange | None:
    chroma = (before.chroma_within(valid), after.chroma_within(valid))
    if min(chroma) > _GREY_CHROMA or max(chroma) < _COLOUR_CHROMA:
        return None
    difference = cv2.absdiff(before.grey, after.grey)
    change = float(np.median(difference if valid is None else difference[valid > 0]))
    to = "infrared" if chroma[1] < chroma[0] else "colour"
    return GlobalChange(GlobalChangeKind.INFRARED_SWITCH, change, f"The camera switched to {to}.")


def _exposure(before: WholePicture, after: WholePicture, valid: Valid) -> GlobalChange | None:
    old, new = before.places_within(valid), after.places_within(valid)
    seen = np.isfinite(old) & (np.minimum(old, new) < 250) & (np.maximum(old, new) > 4)
    old, new = old[seen], new[seen]
    if len(old) < PLACES:
        return None
    change = new - old
    median = float(np.median(change))
    if abs(median) < _EXPOSURE_STEP:
        return None
    if np.mean(np.sign(change) == np.sign(median)) < _EXPOSURE_AGREEMENT:
        return None
    gain, offset = _fit_brightness(old, new)
    residual = float(np.median(np.abs(new - gain * old - offset)))
    if not 0.2 <= gain <= 5.0 or residual > 0.5 * abs(median):
        return None
    became = "brighter" if median > 0 else "darker"
    return GlobalChange(
        GlobalChangeKind.EXPOSURE,
        abs(median),
        f"The picture became {became} everywhere at once.",
        gain=gain,
        offset=offset,
    )


def _fit_brightness(old: NDArray[np.float64], new: NDArray[np.float64]) -> tuple[float, float]:
    """Fit new = gain * old + offset, robustly (iteratively reweighted least squares)."""
    weight = np.ones_like(old)
    gain, offset = 1.0, float(np.median(new - old))
    for _ in range(10):
        mean_old, mean_new = np.average(old, weights=weight), np.average(new, weights=weight)
        spread = float(np.average((old - mean_old) ** 2, weights=weight))
        if spread < 1.0:
            break  # one brightness everywhere: only the offset can be told
        gain = float(np.average((old - mean_old) * (new - mean_new), weights=weight)) / spread
        offset = float(mean_new - gain * mean_old)
        weight = 1.0 / np.maximum(np.abs(new - gain * old - offset), 1.0)
    return gain, offset


def _shake(before: WholePicture, after: WholePicture, valid: Valid) -> GlobalChange | None:
    """Recognise a displacement that most corners of the picture share."""
    scale = float(before.factor)
    if _stands_still(before, after, valid):
        return None
    corners = before.corners_within(valid)
    if len(corners) < _MIN_TRACKED:
        return None
    old, new, share_found = _track(before.grey, after.grey, corners)
    if len(old) < _MIN_TRACKED:
        return None
    if float(np.median(np.abs(new - old).max(axis=1))) < _SHAKE_STEP:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        old, new, method=cv2.RANSAC, ransacReprojThreshold=1.0
    )
    if matrix is None or inliers.mean() * share_found < _SHAKE_AGREEMENT:
        return None
    moved = np.abs(new - old)[inliers.ravel() == 1].max(axis=1)
    if not _spans_picture(old[inliers.ravel() == 1], before.grey.shape):
        return None
    magnitude = float(np.median(moved))
    if not _SHAKE_STEP <= magnitude <= _SHAKE_LIMIT * before.grey.shape[1]:
        return None
    centre = np.array([before.grey.shape[1] / 2, before.grey.shape[0] / 2])
    shift = matrix[:, :2] @ centre + matrix[:, 2] - centre
    matrix = matrix.copy()
    matrix[:, 2] = matrix[:, 2] * scale
    a, b, tx, c, d, ty = (float(value) for value in matrix.ravel())
    return GlobalChange(
        GlobalChangeKind.CAMERA_SHAKE,
        magnitude * scale,
        f"The camera moved by {magnitude * scale:.1f} pixels.",
        shift_px=(float(shift[0]) * scale, float(shift[1]) * scale),
        warp=(a, b, tx, c, d, ty),
    )


def _stands_still(before: WholePicture, after: WholePicture, valid: Valid) -> bool:
    """Tell at a glance that a picture did not move: most do not, and corners are dear to find.

    A few coarse corners that stay well within the smallest displacement are enough for that.
    """
    corners = before.coarse_corners_within(valid)
    if len(corners) < _MIN_TRACKED:
        return False
    old, new, _ = _track(before.grey, after.grey, corners)
    if len(old) < _MIN_TRACKED:
        return False
    return float(np.median(np.abs(new - old).max(axis=1))) < _GLANCE_SHARE * _SHAKE_STEP


def _track(
    before: NDArray[np.uint8], after: NDArray[np.uint8], corners: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Follow corners, float32 (N, 2), to another picture: from, to, and the share that was found.

    The first two are float32 (M, 2), in pixels.
    """
    tracked, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, corners, np.zeros_like(corners), winSize=(15, 15), maxLevel=3
    )
    found = status.ravel() == 1
    return corners[found], np.asarray(tracked[found], np.float32), float(found.mean())


def _spans_picture(points: NDArray[np.float32], shape: tuple[int, ...]) -> bool:
    """Tell whether points lie in at least three quarters of a 3 x 3 grid's border cells."""
    cells = {
        (min(2, int(3 * x / shape[1])), min(2, int(3 * y / shape[0]))) for x, y in points.tolist()
    }
    return len(cells) >= 6

"""How blurred a picture is, whatever it shows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.pictures.annotate import Frame

BLURRED = 0.62
"""`blur` from which a picture counts as out of focus. Of 250 pictures of the test footage, chosen
by chance among all its cameras, 1 % have 0.59 or more, and the median is 0.27. Out of focus by
0.4 % of the width, 3 pixels of 704, half of the same pictures have 0.68 or more; by twice that,
0.77."""
_WIDTH = 640
"""Larger pictures are shrunk to it: a camera of many megapixels may be soft in each pixel."""
_REACH = 9


def blur(frame_bgr: Frame) -> float:
    """Return how blurred a picture is: from 0, sharp to the pixel, to 1, without any edge.

    What is blurred already hardly changes when it is blurred again (Crete et al., "The blur
    effect: perception and estimation with a new no-reference perceptual blur metric", 2007):
    compared is how much neighbouring pixels differ before and after, across and along, and the
    worse one counts.

    Args:
        frame_bgr: uint8 (H, W, 3).
    """
    grey = cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2GRAY)
    if grey.shape[1] > _WIDTH:
        height = max(1, round(grey.shape[0] * _WIDTH / grey.shape[1]))
        grey = cv2.resize(grey, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    levels = np.asarray(grey, np.float32)  # (h, w)
    return max(_blur_along(levels), _blur_along(levels.T.copy()))


def _blur_along(levels: NDArray[np.float32]) -> float:
    """Return the blur along the rows.

    Args:
        levels: float32 (h, w).
    """
    again = np.asarray(cv2.blur(levels, (_REACH, 1)), np.float32)
    before, after = (np.abs(np.diff(part, axis=1)) for part in (levels, again))
    total = float(before.sum())
    if total == 0.0:
        return 1.0
    return 1.0 - float(np.maximum(0.0, before - after).sum()) / total

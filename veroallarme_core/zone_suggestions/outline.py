"""From a mask to polygons with few corners."""

from __future__ import annotations

import cv2
import numpy as np

from veroallarme_core.zone_suggestions.canvas import Mask

MAX_CORNERS = 12
"""A zone should look as if somebody had drawn it."""
_LEAST_AREA = 12  # raster points of a polygon that is worth proposing
_TOLERANCES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)  # raster points that an outline may be off

Points = tuple[tuple[float, float], ...]
"""Corners in shares of the picture's width and height."""


def outlines(mask: Mask) -> list[Points]:
    """Return a polygon for every connected part of a mask, the largest first."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contours = sorted(found, key=cv2.contourArea, reverse=True)
    rows, columns = mask.shape
    polygons = []
    for contour in contours:
        if cv2.contourArea(contour) < _LEAST_AREA:
            break
        corners = _with_few_corners(contour)
        if len(corners) >= 3:
            polygons.append(
                tuple(
                    (round(float(x) / (columns - 1), 4), round(float(y) / (rows - 1), 4))
                    for x, y in corners
                )
            )
    return polygons


def _with_few_corners(contour: cv2.typing.MatLike) -> np.ndarray:
    corners = contour
    for tolerance in _TOLERANCES:
        corners = cv2.approxPolyDP(contour, tolerance, closed=True)
        if len(corners) <= MAX_CORNERS:
            break
    return np.asarray(corners).reshape(-1, 2)

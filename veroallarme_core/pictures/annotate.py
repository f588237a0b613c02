"""The picture of a verdict: the strongest frame with the regions and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import RelevanceRegion, Zone, ZoneKind

Frame = NDArray[np.uint8]

RELEVANT_BGR = (80, 200, 60)
IRRELEVANT_BGR = (60, 60, 230)
OBJECT_BGR = (0, 215, 255)
_NAME_BGR = (0, 120, 150)
_TEXT_BGR = (255, 255, 255)
_ZONE_BGR = {
    ZoneKind.ONLY: (255, 255, 255),
    ZoneKind.IGNORE: (160, 160, 160),
    ZoneKind.ALWAYS: (0, 140, 255),
}
_ZONE_NAME_BGR = (70, 70, 70)
MAX_WIDTH = 1280
"""Published pictures are at most this wide, in pixels: they are looked at on a phone."""
JPEG_QUALITY = 85


class NamedBox(Protocol):
    """An object that was recognised; pixels of the full frame."""

    @property
    def class_name(self) -> str: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    def to_bbox(self) -> tuple[int, int, int, int]: ...  # noqa: D102


def strongest_frame(
    frames: Sequence[Frame | None], box: tuple[int, int, int, int] | None
) -> Frame | None:
    """Choose the frame that differs most from its companions inside a box.

    A mover is often in one frame only; the median over the burst is what stays without it.

    Args:
        frames: uint8 (H, W, 3) BGR or None; those of another size than the first are left out.
        box: where to look, (x1, y1, x2, y2); None looks at the whole frame.
    """
    usable = [frame for frame in frames if frame is not None]
    usable = [frame for frame in usable if frame.shape == usable[0].shape]
    if not usable:
        return None
    if box is None or len(usable) == 1:
        return usable[len(usable) // 2]
    x1, y1, x2, y2 = box
    deviations = _deviations([frame[y1:y2, x1:x2] for frame in usable])
    return usable[deviations.index(max(deviations))]


def _deviations(crops: Sequence[Frame]) -> list[float]:
    """Return how far each crop is from the median of them all, summed over its pixels."""
    if len(crops) == 3:
        # Most bursts: the median of three numbers needs no sorting, which is far slower.
        first, second, third = crops
        low, high = cv2.min(first, second), cv2.max(first, second)
        middle = cv2.max(low, cv2.min(high, third))
        return [cv2.norm(crop, middle, cv2.NORM_L1) for crop in crops]
    median = np.median(crops, axis=0)
    return [float(np.abs(crop - median).sum()) for crop in crops]


def draw_verdict(
    frame: Frame,
    regions: Sequence[RelevanceRegion],
    headline: str = "",
    objects: Sequence[NamedBox] = (),
    zones: Sequence[Zone] = (),
) -> Frame:
    """Draw regions (green relevant, red irrelevant, score labels), objects, zones and a headline.

    Args:
        frame: uint8 (H, W, 3) BGR; it is not changed.
        regions: drawn with the largest score on top.
        headline: at the lower left.
        objects: drawn in yellow with their names, under the regions' labels.
        zones: outlined thinly with their names, under everything else.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    picture = frame.copy()
    scale = max(0.4, min(picture.shape[:2]) / 1000)
    line = max(1, round(2 * scale * 1.5))
    for zone in zones:
        _outline(picture, zone, scale)
    for found in objects:
        x1, y1, x2, y2 = found.to_bbox()
        cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), OBJECT_BGR, line)
        name = f"{found.class_name} {found.score:.2f}"
        _label(picture, name, (x1, y2), _NAME_BGR, scale, is_below=True)
    for region in sorted(regions, key=lambda region: region.relevance_score):
        colour = RELEVANT_BGR if region.is_relevant else IRRELEVANT_BGR
        corner = (region.x, region.y)
        opposite = (region.x + region.width - 1, region.y + region.height - 1)
        cv2.rectangle(picture, corner, opposite, colour, line)
        _label(picture, f"{region.relevance_score:.2f}", corner, colour, scale)
    if headline:
        _label(picture, headline, (0, picture.shape[0]), (40, 40, 40), scale)
    return picture


def _outline(picture: Frame, zone: Zone, scale: float) -> None:
    """Draw where motion counts or does not: a thin line that is seen on light and on dark."""
    height, width = picture.shape[:2]
    corners = [[round(x * (width - 1)), round(y * (height - 1))] for x, y in zone.points]
    outline = np.array(corners, np.int32)
    colour = _ZONE_BGR[zone.kind]
    for ink, wide in (((0, 0, 0), 3), (colour, 1)):
        cv2.polylines(picture, [outline], isClosed=True, color=ink, thickness=wide)
    # The fonts of OpenCV have no other letters.
    name = zone.name.encode("ascii", "replace").decode()
    x, y = min(corners, key=lambda corner: (corner[1], corner[0]))
    _label(picture, name, (x, y), _ZONE_NAME_BGR, 0.8 * scale, is_below=True)


def _label(
    picture: Frame,
    text: str,
    corner: tuple[int, int],
    colour: tuple[int, int, int],
    scale: float,
    *,
    is_below: bool = False,
) -> None:
    """Write text on a filled bar above or below a corner, kept inside the frame."""
    (width, height), baseline = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    pad = max(2, round(4 * scale))
    bar_height = height + baseline + 2 * pad
    x = max(0, min(corner[0], picture.shape[1] - width - 2 * pad))
    bottom = corner[1] + bar_height * is_below
    bottom = min(max(bottom, bar_height), picture.shape[0])
    cv2.rectangle(picture, (x, bottom - bar_height), (x + width + 2 * pad, bottom), colour, -1)
    origin = (x + pad, bottom - pad - baseline)
    cv2.putText(picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, _TEXT_BGR, 1, cv2.LINE_AA)


def encode_jpeg(picture: Frame) -> bytes:
    """Encode a BGR picture, made smaller to `MAX_WIDTH` where it is wider."""
    height, width = picture.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, round(height * MAX_WIDTH / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded as JPEG")
    return data.tobytes()


def write_picture(path: Path, picture: Frame) -> None:
    """Write a BGR picture to a file, whose suffix says how.

    Raises:
        ValueError: no picture format has this suffix.
        OSError: the file cannot be written.
    """
    try:
        done, data = cv2.imencode(path.suffix, picture)
    except cv2.error:
        done = False
    if not done:
        raise ValueError(
            f"output_path {path}: no picture format has this suffix; use .jpg or .png."
        )
    path.write_bytes(data.tobytes())

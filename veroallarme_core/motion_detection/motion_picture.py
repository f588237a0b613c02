"""A frame with what moved drawn on it, for people who look at Stage 1 alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from veroallarme_core.motion_detection.frame_source import frame_of
from veroallarme_core.motion_detection.result import Frame, MotionDetectionResult
from veroallarme_core.pictures import read_frame, write_picture

MOTION_BGR = (0, 0, 255)


def draw_motion(
    frame: str | Path | Frame,
    result: MotionDetectionResult,
    output_path: str | Path | None = None,
    *,
    show_mask: bool = True,
    show_boxes: bool = True,
    show_centroids: bool = True,
) -> Frame:
    """Draw what moved on a frame of the burst, in red.

    Args:
        frame: a path or uint8 (H, W, 3) BGR; it is not changed.
        result: of a burst of frames of the same size.
        output_path: where to write the picture, its suffix says how (.jpg, .png); None writes
            nothing.
        show_mask: tint the pixels that moved.
        show_boxes: draw a box around each region.
        show_centroids: mark the centroid of each region.

    Returns:
        uint8 (H, W, 3) BGR.

    Raises:
        FrameError: the path is no readable picture.
        ValueError: an argument is wrong.
        OSError: the file cannot be written.
    """
    loaded = read_frame(frame) if isinstance(frame, str | Path) else frame_of(0, frame)
    assert loaded is not None
    picture = loaded.image.copy()
    if picture.shape[:2] != result.frame_dimensions:
        raise ValueError(
            f"The frame is {picture.shape[:2]} (H, W), but the motion was found in frames of "
            f"{result.frame_dimensions}; give a frame of the same burst."
        )
    if show_mask:
        moved = result.motion_mask > 0
        picture[moved] = (picture[moved] * 0.6 + np.multiply(MOTION_BGR, 0.4)).astype(np.uint8)
    for region in result.motion_regions:
        x1, y1, x2, y2 = region.to_bbox()
        if show_boxes:
            cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), MOTION_BGR, 2)
        if show_centroids:
            cv2.drawMarker(picture, region.centroid, MOTION_BGR, markerSize=9)
    if output_path is not None:
        write_picture(Path(output_path), picture)
    return picture

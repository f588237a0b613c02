"""Where the frames of a burst come from: files, pictures, decoded pictures, or nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np

from veroallarme_core.motion_detection.result import Frame
from veroallarme_core.pictures import DecodedFrame, read_frame_or_none

FrameSource: TypeAlias = str | Path | Frame | DecodedFrame | None
"""A frame as it may be given: a path, a picture, a decoded picture, or None where it was lost."""


def frame_of(index: int, source: FrameSource) -> DecodedFrame | None:
    """Return a frame wherever it comes from; None where it was lost or cannot be decoded.

    Raises:
        ValueError: an array is no BGR picture; the sentence names the frame by its index.
    """
    if source is None or isinstance(source, DecodedFrame):
        return source
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise ValueError(
                f"Frame {index} must be a uint8 array of shape (H, W, 3), "
                f"not {source.dtype} {source.shape}."
            )
        return DecodedFrame(source)
    return read_frame_or_none(source)

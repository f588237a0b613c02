"""From encoded pictures to frames, and from frames to what moved."""

from __future__ import annotations

from collections.abc import Sequence

from veroallarme_core.motion_detection import MotionDetectionResult, MotionDetector, min_area_for
from veroallarme_core.pictures import DecodedFrame, Frame, FrameError, decode_frame


def decode_burst(frames: Sequence[bytes]) -> tuple[list[DecodedFrame | None], list[FrameError]]:
    """Return a frame for each encoded picture, None where it is none, and what is wrong there."""
    decoded: list[DecodedFrame | None] = []
    faults = []
    for data in frames:
        try:
            decoded.append(decode_frame(data))
        except FrameError as error:
            decoded.append(None)
            faults.append(error)
    return decoded, faults


def decode_reference(data: bytes | None) -> Frame | None:
    """Return a picture to compare with, uint8 (H, W, 3) BGR; None where it is not whole."""
    if data is None:
        return None
    try:
        frame = decode_frame(data)
    except FrameError:
        return None
    return None if frame.truncated else frame.image


def find_motion(frames: Sequence[DecodedFrame | None]) -> MotionDetectionResult:
    """Run Stage 1 over a burst of which at least one frame could be decoded."""
    first = next(frame for frame in frames if frame is not None)
    height, width = first.image.shape[:2]
    detector = MotionDetector(min_area=min_area_for((height, width)))
    # Motion needs two frames; one that never came is like one that cannot be decoded.
    return detector.detect_motion(frames if len(frames) > 1 else [*frames, None])

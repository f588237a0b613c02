"""Pictures: from bytes to checked frames, and from frames to the picture of a verdict.

What a camera sends is hostile until it is decoded here: size and format are checked first, and a
frame knows whether its file was cut off.
"""

from veroallarme_core.pictures.annotate import (
    IRRELEVANT_BGR,
    OBJECT_BGR,
    RELEVANT_BGR,
    Frame,
    draw_verdict,
    encode_jpeg,
    strongest_frame,
    write_picture,
)
from veroallarme_core.pictures.encoded_picture import (
    JPEG_START,
    LONGEST_START,
    is_picture_start,
    picture_end,
)
from veroallarme_core.pictures.frames import (
    MAX_PIXELS,
    DecodedFrame,
    FrameError,
    decode_frame,
    read_frame,
    read_frame_or_none,
    shrink,
    shrink_factor,
)
from veroallarme_core.pictures.sharpness import BLURRED, blur

__all__ = [
    "BLURRED",
    "IRRELEVANT_BGR",
    "JPEG_START",
    "LONGEST_START",
    "MAX_PIXELS",
    "OBJECT_BGR",
    "RELEVANT_BGR",
    "DecodedFrame",
    "Frame",
    "FrameError",
    "blur",
    "decode_frame",
    "draw_verdict",
    "encode_jpeg",
    "is_picture_start",
    "picture_end",
    "read_frame",
    "read_frame_or_none",
    "shrink",
    "shrink_factor",
    "strongest_frame",
    "write_picture",
]

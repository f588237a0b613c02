"""Where an encoded picture ends, told by its own structure without decoding a pixel.

Cameras pad files, forget end markers and send wrong lengths; what a picture's own markers say
holds whatever it came in. Only the structure is read here: whether the blocks between the markers
decode is for `frames.decode_frame` to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

JPEG_START = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
LONGEST_START = 12
"""Bytes after which `is_picture_start` is sure."""

_PNG_START = b"\x89PNG\r\n\x1a\n"

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # starts of a frame, all codings
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x00, 0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a segment
# In the entropy-coded data of a scan 0xFF is followed by 0x00 or a restart, else it is a marker.
_AFTER_SCAN = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])", re.DOTALL)
_COEFFICIENTS = 64  # of a block

Encoded = bytes | bytearray


def is_picture_start(data: Encoded) -> bool:
    """Tell whether data begins like a JPEG, PNG or WebP picture."""
    return data.startswith((b"\xff\xd8\xff", _PNG_START)) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    )


def picture_end(data: Encoded) -> int | None:
    """Return the length of the JPEG, PNG or WebP picture with which data begins.

    Returns:
        The offset behind its last byte; None where its end has not come, or it is no picture.
    """
    if data.startswith(JPEG_START):
        return next((end for marker, _, end in _segments(data) if marker == _END), None)
    if data.startswith(_PNG_START):
        return _png_end(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        end = 8 + int.from_bytes(data[4:8], "little")
        return end if end <= len(data) else None
    return None


def is_progressive(jpeg: Encoded) -> bool:
    """Tell whether a JPEG brings its picture in several scans of growing detail."""
    return any(marker in _PROGRESSIVE for marker, _, _ in _segments(jpeg))


def has_all_scans(jpeg: Encoded) -> bool:
    """Tell whether the scans of a JPEG that have begun bring every coefficient in full.

    A progressive JPEG that is cut between two scans decodes without complaint, but blurred.
    """
    precision: dict[int, list[int]] = {}  # component -> bits still to come, by coefficient
    for marker, start, end in _segments(jpeg):
        body = jpeg[start:end]
        if marker in _SOF and len(body) >= 6:
            precision = {number: [99] * _COEFFICIENTS for number in body[6::3]}
        elif marker == _SCAN and body and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[-3], body[-2], body[-1] & 0x0F
            for number in body[1 : 1 + 2 * body[0] : 2]:
                for index in range(first, min(last, _COEFFICIENTS - 1) + 1):
                    precision.setdefault(number, [99] * _COEFFICIENTS)[index] = bits
    return bool(precision) and not any(any(bits) for bits in precision.values())


def _segments(jpeg: Encoded) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment's body; a scan's ends before its coded data.

    Stops behind the end marker, or where a segment is cut off.
    """
    at = 2
    while (at := jpeg.find(b"\xff", at)) >= 0:
        while at < len(jpeg) and jpeg[at] == 0xFF:
            at += 1
        if at >= len(jpeg):
            return
        marker, at = jpeg[at], at + 1
        if marker == _END:
            yield marker, at, at
            return
        if marker in _ALONE:
            continue
        end = at + int.from_bytes(jpeg[at : at + 2], "big")
        if end < at + 2 or end > len(jpeg):
            return
        yield marker, at + 2, end
        at = end
        if marker == _SCAN:
            coded = _AFTER_SCAN.search(jpeg, at)
            if coded is None:
                return
            at = coded.start()


def _png_end(data: Encoded) -> int | None:
    at = len(_PNG_START)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return None
        if data[at + 4 : at + 8] == b"IEND":
            return end
        at = end
    return None

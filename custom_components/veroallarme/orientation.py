"""How a picture stands, kept where Home Assistant makes it smaller.

A camera that hangs on its side writes beside the pixels how they are to be turned. Home Assistant
scales the pixels and leaves that out, and the same camera would show an upright picture today and
a lying one tomorrow, with all zones beside what they were drawn around.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

UPRIGHT = 1
_ORIENTATION = 0x0112
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_TAGS = 0xE1
_EXIF = b"Exif\0\0"


def orientation(jpeg: bytes) -> int:
    """Return how a JPEG is to be turned, 1 to 8 as EXIF counts; 1 where it does not say."""
    for marker, body in _segments(jpeg):
        if marker == _TAGS and body.startswith(_EXIF):
            return _orientation(body[len(_EXIF) :])
    return UPRIGHT


@dataclass(frozen=True)
class Stance:
    """How the pictures of a camera stand: their orientation, and whether they are stored wide."""

    turn: int = UPRIGHT
    is_wide: bool = True


def stance(jpeg: bytes) -> Stance:
    """Return how a JPEG stands that comes from the camera as it is."""
    return Stance(orientation(jpeg), _is_wide(jpeg))


def standing(jpeg: bytes, known: Stance) -> bytes:
    """Write into a JPEG that was made smaller how the pictures of its camera stand.

    What says itself how it stands, or was turned already, is returned as it is.
    """
    turn = known.turn
    if turn == UPRIGHT or not jpeg.startswith(b"\xff\xd8"):
        return jpeg
    if any(marker == _TAGS and body.startswith(_EXIF) for marker, body in _segments(jpeg)):
        return jpeg
    if turn >= 5 and _is_wide(jpeg) != known.is_wide:
        return jpeg
    entry = _ORIENTATION.to_bytes(2, "big") + b"\0\3\0\0\0\1" + turn.to_bytes(2, "big") + b"\0\0"
    tags = _EXIF + b"MM\0*\0\0\0\x08\0\1" + entry + b"\0\0\0\0"
    return jpeg[:2] + b"\xff\xe1" + (len(tags) + 2).to_bytes(2, "big") + tags + jpeg[2:]


def _orientation(tiff: bytes) -> int:
    if tiff[:2] not in {b"II", b"MM"}:
        return UPRIGHT
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    start = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[start : start + 2], order)
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        if int.from_bytes(tiff[at : at + 2], order) == _ORIENTATION:
            turn = int.from_bytes(tiff[at + 8 : at + 10], order)
            return turn if 1 <= turn <= 8 else UPRIGHT
    return UPRIGHT


def _is_wide(jpeg: bytes) -> bool:
    """Tell whether the pixels of a JPEG, as they are stored, are wider than high."""
    for marker, body in _segments(jpeg):
        if marker in _FRAMES:
            return int.from_bytes(body[3:5], "big") > int.from_bytes(body[1:3], "big")
    return True


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment in front of a JPEG's pixels."""
    at = 2
    while jpeg.startswith(b"\xff\xd8") and jpeg[at : at + 1] == b"\xff" and at + 4 <= len(jpeg):
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == _SCAN or size < 2:
            return
        yield marker, jpeg[at + 4 : at + 2 + size]
        at += 2 + size

"""The picture of a suggestion: a recent frame, what moves where, and the proposed zones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import ZoneSuggestion
from veroallarme_core.motion_detection import find_damage
from veroallarme_core.pictures import Frame, FrameError, decode_frame

_GOOD_LIGHT = 110.0  # mean grey level of a picture by day
_FULL_HEAT = 0.5  # share of the events from which a place is drawn as hot as can be
_MOST_HEAT = 0.55  # opacity of the hottest place
_OUTLINE_BGR, _TEXT_BGR = (255, 255, 255), (0, 0, 0)


def clearest_frame(bursts: Iterable[Sequence[bytes]]) -> Frame | None:
    """Choose the frame on which a person recognises the place best: whole, and by day.

    Args:
        bursts: encoded pictures of some events.

    Returns:
        uint8 (H, W, 3) BGR; None where no picture can be used.
    """
    best, least = None, np.inf
    for burst in bursts:
        for frame in _whole_frames(burst):
            distance = abs(float(frame.mean()) - _GOOD_LIGHT)
            if distance < least:
                best, least = frame, distance
    return best


def _whole_frames(burst: Sequence[bytes]) -> list[Frame]:
    decoded = []
    for data in burst:
        try:
            decoded.append(decode_frame(data))
        except FrameError:
            continue
    damages = find_damage(decoded)
    return [
        frame.image
        for frame, damage in zip(decoded, damages, strict=True)
        if not damage.kinds and not frame.truncated
    ]


def draw_suggestions(
    frame: Frame, recurrence: NDArray[np.float32], suggestions: Sequence[ZoneSuggestion]
) -> Frame:
    """Draw the heat of what moves again and again, and the zones that are proposed.

    Args:
        frame: uint8 (H, W, 3) BGR; it is not changed.
        recurrence: (rows, columns) of cells, share of the events in which each moves.
        suggestions: numbered on the picture from 1, in their order.

    Returns:
        uint8 (H, W, 3) BGR.
    """
    height, width = frame.shape[:2]
    heat = cv2.resize(recurrence, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = np.clip(heat / _FULL_HEAT, 0.0, 1.0)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (_MOST_HEAT * heat)[..., None]
    picture = np.asarray(frame * (1 - opacity) + colours * opacity, np.uint8)
    scale = max(0.5, min(height, width) / 800)
    line = max(1, round(3 * scale))
    for number, suggestion in enumerate(suggestions, 1):
        corners = [
            [round(x * (width - 1)), round(y * (height - 1))] for x, y in suggestion.zone.points
        ]
        outline = np.array(corners, np.int32)
        for colour, wide in ((_TEXT_BGR, line + 2), (_OUTLINE_BGR, line)):
            cv2.polylines(picture, [outline], isClosed=True, color=colour, thickness=wide)
        middle = outline.mean(axis=0).astype(int)
        _write_number(picture, str(number), (int(middle[0]), int(middle[1])), scale)
    return picture


def _write_number(picture: Frame, text: str, middle: tuple[int, int], scale: float) -> None:
    """Write a number on a dark disc: it has to be read on a phone, and on any ground."""
    size, thickness = 1.6 * scale, max(2, round(3 * scale))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
    radius = round(max(width, height) * 0.9)
    cv2.circle(picture, middle, radius, _TEXT_BGR, -1, cv2.LINE_AA)
    origin = (middle[0] - width // 2, middle[1] + height // 2)
    cv2.putText(
        picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, _OUTLINE_BGR, thickness, cv2.LINE_AA
    )

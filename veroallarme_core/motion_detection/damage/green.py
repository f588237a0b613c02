"""Green bands and green decoder noise: chroma planes of zeros."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection.damage.examined_frame import (
    ExaminedFrame,
    cell_means,
    connected_to,
    dilate,
    no_cells,
)
from veroallarme_core.motion_detection.damage.frame_damage import DamageKind

# Measured on real footage: 519 frames of 173 clean bursts (three surveillance cameras, 24 scenes),
# and 50 frames of a camera whose stream breaks, in all of which green is found.
_NEON_EXCESS = 60
"""Green above red and blue, in grey levels. The greenest pixel of a clean frame reaches 52 in 95 %
of the frames and 93 at most (foliage); of a corrupt frame 209 at least (zero chroma)."""
_NEON_SHARE = 0.3
"""Share of such pixels in a neon cell: above .06 in 1 % of the clean frames, and above .3 in one of
them; every corrupt frame has a cell that is neon in full."""
_FAINT_NEON_SHARE = 0.08
"""Enough beside a neon cell: half of the noise in a row of macroblocks is not green."""
_BAND_SHARE = 0.7
"""Share of a row's cells that are neon in a green band: .86 to 1 in the corrupt frames, at most .01
in a clean one."""
_NEON_ROUGHNESS = 25.0
"""Mean step between neighbouring pixels' excess, in grey levels: decoder noise, no green object. At
most 15 anywhere in a clean frame; 20 to 48 where a corrupt one is roughest."""


def mark_green(frames: Sequence[ExaminedFrame]) -> None:
    """Mark the bands and the noise of zero chroma, each frame by itself."""
    for frame in frames:
        band, patches = _green_cells(frame.sharp)
        frame.mark(DamageKind.GREEN_BAND, band)
        frame.mark(DamageKind.MACROBLOCKS, patches)


def _green_cells(picture: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the cells of green bands (across the frame) and of green decoder noise."""
    blue, green, red = cv2.split(picture)
    excess = np.asarray(cv2.subtract(green, cv2.max(blue, red)), np.uint8)  # saturates at 0
    pixels = np.asarray(cv2.threshold(excess, _NEON_EXCESS, 255, cv2.THRESH_BINARY)[1], np.uint8)
    if not cv2.countNonZero(pixels):  # as in most frames
        nothing = no_cells(pixels.shape)
        return nothing, nothing
    share = cell_means(pixels) / 255
    neon = share > _NEON_SHARE
    if not neon.any():
        return neon, neon
    band = np.zeros_like(neon)
    band[_band_rows(neon)] = True
    faint = share > _FAINT_NEON_SHARE
    if band.any():
        band |= connected_to(band, faint)
    patches = neon & ~band
    if not band.any():
        # Alone, only what is as rough as noise counts: no green coat or lamp is.
        step = np.zeros_like(excess)
        step[:, 1:] = cv2.absdiff(excess[:, 1:], excess[:, :-1])
        patches &= cell_means(step) > _NEON_ROUGHNESS
    if patches.any():
        # Half of the noise in a row of macroblocks is not green: its neighbours go with it.
        noise = connected_to(patches, faint) | patches
        patches = dilate(noise, (3, 7)) & ~band
    return band, patches


def _band_rows(neon: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which rows of cells belong to a band; its noise leaves some rows half green."""
    rows = np.asarray(neon.mean(axis=1) >= _BAND_SHARE, np.bool_)
    if not rows.any():
        return rows
    top = int(np.argmax(rows))
    # Everything below a green band is lost as well: the decoder never found its way back.
    rows[max(top - 1, 0) :] = True
    return rows

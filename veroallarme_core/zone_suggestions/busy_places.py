"""Places where something moves again and again, apart from those where people and cars come."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from veroallarme_core.contract import ObjectKind
from veroallarme_core.zone_suggestions.canvas import Canvas, Mask, closed, grown, opened
from veroallarme_core.zone_suggestions.past_event import Box, PastEvent, SeenObject

NEAR = 0.1
"""Height of a vehicle, as a share of the picture's, from which it is near: where it stands is where
cars come that matter. What passes on a street behind is smaller."""
STANDING = 0.5
"""Lower part of somebody's box that counts as the place where he stands: the upper part covers
what lies behind, which is the street."""
MISTAKEN = 0.005
"""Share of the events in which somebody may be recognised where nobody is: a bush, a reflection."""

# Raster points: between those who stand there, around them, of noise, and most of a cell, to whose
# edge a mover seldom reaches.
_GAP, _RIM, _SMOOTH, _CELL = 6, 2, 2, 2


def peoples_places(canvas: Canvas, events: Sequence[PastEvent]) -> Mask:
    """Return where people or near vehicles stood, and what lies between.

    Args:
        canvas: of the camera's picture.
        events: of the view that it shows now.
    """
    standing = np.zeros(canvas.shape, np.int32)
    for event in events:
        standing += canvas.covered(_stands(found) for found in event.objects if _is_near(found))
    # Somebody who walks by is recognised now and then: the places between count as well.
    return grown(closed(standing >= 1 + MISTAKEN * len(events), _GAP), _RIM)


def busy_places(often: Mask, kept: Mask) -> Mask:
    """Return the places that move often, without noise, and without what must not be proposed."""
    places = opened(closed(often & ~kept, _SMOOTH), _SMOOTH)
    return grown(places, _CELL) & ~kept


def with_far_edge(places: Mask, sometimes: Mask, kept: Mask) -> Mask:
    """Add to busy places what lies behind them and moves now and then, as far as it is one area.

    The tops of vans, the cars of the far lane and the shop windows in which they shine move less
    often than the street's middle, and belong to nobody's premises either. What lies before a
    street may be a drive: to this side it does not grow.

    Args:
        places: that move often.
        sometimes: where something moves at least now and then.
        kept: what must not be proposed.
    """
    behind = np.flip(np.maximum.accumulate(np.flip(places, axis=0), axis=0), axis=0)
    joined = places | (closed(sometimes, _SMOOTH) & behind & ~kept)
    _, parts = cv2.connectedComponents(joined.astype(np.uint8))
    return np.isin(parts, np.unique(parts[places]))


def _is_near(found: SeenObject) -> bool:
    """Tell whether somebody is there who may matter; people do however small they are."""
    return found.is_certain and (found.kind is ObjectKind.PERSON or found.box.height >= NEAR)


def _stands(found: SeenObject) -> Box:
    box = found.box
    height = STANDING * box.height
    return Box(x=box.x, y=box.bottom - height, width=box.width, height=height)

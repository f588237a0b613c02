"""Zones around what moved in one event, for a user who says that it does not count there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from veroallarme_core.contract import Zone, ZoneKind, new_names
from veroallarme_core.zone_suggestions.canvas import COLUMNS, Canvas
from veroallarme_core.zone_suggestions.past_event import Box, PastEvent

MARGIN_SHARE = 0.25
"""Of a box that is added on each side: the same branch swings a little further next time."""
MIN_MARGIN_SHARE = 0.01
"""Of the picture."""
COVERED_SHARE = 0.9
"""Of a region's box that lies in a zone where another zone around it would add nothing."""
MOST_ZONES = 3
MOST_AREA_SHARE = 0.4
"""Of the picture. Whoever wants to ignore more is better served by a zone of kind `only`."""

_TOO_LARGE = (
    "it moved in too large a part of the picture: draw a zone of kind only around what matters "
    "instead"
)


class NothingToIgnoreError(ValueError):
    """No zone can be drawn around an event; the message says why, and what to do."""


@dataclass(frozen=True)
class _Span:
    """A box in shares of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    def touches(self, other: _Span) -> bool:
        return (
            self.left <= other.right
            and other.left <= self.right
            and self.top <= other.bottom
            and other.top <= self.bottom
        )

    def joined(self, other: _Span) -> _Span:
        return _Span(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


def zones_around(event: PastEvent, taken_names: Collection[str]) -> tuple[Zone, ...]:
    """Return `ignore` zones around what raised the alarm of an event.

    Args:
        event: whose relevant regions are meant.
        taken_names: of the camera's zones, which the new ones do not repeat.

    Raises:
        NothingToIgnoreError: nothing relevant moved, or it moved nearly everywhere.
    """
    spans = _joined([*_grown_boxes(event)])
    if not spans:
        raise NothingToIgnoreError(
            "nothing that moved in this event counted as relevant: there is nothing to ignore"
        )
    if len(spans) > MOST_ZONES or sum(span.area for span in spans) > MOST_AREA_SHARE:
        raise NothingToIgnoreError(_TOO_LARGE)
    names = new_names("Ignored", taken_names)
    return tuple(
        Zone(name=next(names), kind=ZoneKind.IGNORE, points=_corners(span)) for span in spans
    )


def zone_that_covers(box: Box, kind: ZoneKind, zones: Iterable[Zone]) -> Zone | None:
    """Return the zone of a kind that a region lies in already; None where none does.

    Args:
        box: of the region.
        kind: of the zone.
        zones: of the camera.
    """
    canvas = Canvas((COLUMNS, COLUMNS))
    window = canvas.window(box)
    return next(
        (
            zone
            for zone in zones
            if zone.kind is kind and canvas.drawn(zone)[window].mean() >= COVERED_SHARE
        ),
        None,
    )


def zone_around(
    box: Box, kind: ZoneKind, taken_names: Collection[str], word: str | None = None
) -> Zone:
    """Return a zone around one region that moved.

    Args:
        box: of the region.
        kind: of the zone; `only` is none that is drawn around a single region.
        taken_names: of the camera's zones, which the new one does not repeat.
        word: that its name begins with, in the user's language; None is English.

    Raises:
        NothingToIgnoreError: it would ignore too large a part of the picture.
    """
    span = _grown(box)
    if kind is ZoneKind.IGNORE and span.area > MOST_AREA_SHARE:
        raise NothingToIgnoreError(_TOO_LARGE)
    word = word or ("Ignored" if kind is ZoneKind.IGNORE else "Always")
    name = next(new_names(word, taken_names))
    return Zone(name=name, kind=kind, points=_corners(span))


def _grown_boxes(event: PastEvent) -> Iterator[_Span]:
    for region in event.relevant:
        yield _grown(region.box)


def _grown(box: Box) -> _Span:
    beside = max(MIN_MARGIN_SHARE, MARGIN_SHARE * box.width)
    above = max(MIN_MARGIN_SHARE, MARGIN_SHARE * box.height)
    return _Span(
        max(0.0, box.x - beside),
        max(0.0, box.y - above),
        min(1.0, box.x + box.width + beside),
        min(1.0, box.bottom + above),
    )


def _joined(spans: Sequence[_Span]) -> list[_Span]:
    """Join spans until none touches another."""
    apart: list[_Span] = []
    for span in spans:
        grown = span
        while touching := [other for other in apart if other.touches(grown)]:
            for other in touching:
                grown = grown.joined(other)
                apart.remove(other)
        apart.append(grown)
    return sorted(apart, key=lambda span: span.area, reverse=True)


def _corners(span: _Span) -> tuple[tuple[float, float], ...]:
    left, top, right, bottom = (
        round(share, 4) for share in (span.left, span.top, span.right, span.bottom)
    )
    return ((left, top), (right, top), (right, bottom), (left, bottom))

"""What another zone would have done to a camera's past events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veroallarme_core.contract import Zone, ZoneKind
from veroallarme_core.zone_suggestions.canvas import Canvas
from veroallarme_core.zone_suggestions.inside import moved_inside
from veroallarme_core.zone_suggestions.past_event import PastEvent
from veroallarme_core.zone_suggestions.scene import Scene


@dataclass(frozen=True, kw_only=True)
class ZoneEffect:
    """What one more zone would have changed."""

    looked_at: int
    """Alarms for a zone to ignore, events without one for a zone that always alerts."""
    changed: int
    """Those of them that would have been otherwise."""
    confirmed: int
    """Those of the changed that the user has called relevant."""
    rejected: int
    """Those of the changed that the user has called false alarms."""


def effect_of(zone: Zone, events: Sequence[PastEvent], zones: Sequence[Zone]) -> ZoneEffect:
    """Tell what a zone would have changed.

    Args:
        zone: of kind `ignore` or `always`.
        events: in order of time, with pictures of one size.
        zones: that are in force.
    """
    if zone.kind is ZoneKind.ALWAYS:
        looked_at = [event for event in events if not event.is_alarm]
        changed = [event for event in looked_at if moved_inside(zone, event)]
    elif events:
        scene = Scene.of(Canvas(events[0].frame_dimensions), events, zones)
        looked_at, changed = list(scene.alarms), scene.spared([zone])
    else:
        looked_at, changed = [], []
    return ZoneEffect(
        looked_at=len(looked_at),
        changed=len(changed),
        confirmed=sum(event.thumb is True for event in changed),
        rejected=sum(event.thumb is False for event in changed),
    )

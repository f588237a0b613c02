"""Propose zones to ignore from a camera's own history; only the user's word puts one in force."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import (
    MAX_SUGGESTIONS,
    MAX_TO_LOOK_AT,
    SuggestionEvidence,
    Zone,
    ZoneKind,
    ZoneSuggestion,
    new_names,
)
from veroallarme_core.zone_suggestions.busy_places import busy_places, with_far_edge
from veroallarme_core.zone_suggestions.canvas import Canvas, Mask, closed, grown
from veroallarme_core.zone_suggestions.ignored_area import IgnoredArea, suppressed_by
from veroallarme_core.zone_suggestions.outline import Points, outlines
from veroallarme_core.zone_suggestions.past_event import PastEvent
from veroallarme_core.zone_suggestions.scene import Scene

Proposal = tuple[Zone, SuggestionEvidence]

OFTEN = (0.2, 0.15, 0.1)
"""Shares of the events in which a place has to move; a lower one is taken only where a higher one
leads to nothing. A fifth leaves the band of traffic of a busy street; lower limits come near the
drive before it."""
FEWEST_EVENTS = 50
"""Before so many events nothing is proposed."""
FEWEST_SUPPRESSED = 5
"""Alarms that a zone has to spare its user, or it is not worth the question."""
LEAST_SHARE = 0.01
"""Of all alarms; the same for a camera with many."""
MOST_WITH_SOMEBODY = 0.05
"""Share of the alarms that a zone would spare in which a person or an animal may be recognised."""
MOST_OF_PICTURE = 0.5
"""Share of the picture that all proposals together may cover."""
HIGH_RANK = 0.98
"""Quantile of the alarms' scores from which a suppressed one is worth a look."""

_NOW_AND_THEN = 0.05  # share of the events in which the far edge of a place has to move
_COMMON = 0.2  # of the alarms at the most frequent place: a place with fewer is left out
_FEWEST_AT_PLACE = 3
_CANDIDATES = 8  # polygons that are weighed, the largest ones
_BRIDGE = 8  # raster points: half of the gap, a tenth of the width, over which places are one
_ATTEMPTS = 5  # at areas without what the user has called relevant


@dataclass(frozen=True, kw_only=True)
class History:
    """What a camera has seen of the view that it shows now."""

    events: Sequence[PastEvent]
    """In order of time."""
    recurrence: NDArray[np.float32]
    """(rows, columns) of cells, share of the events in which each moves."""


def suggest_zones(history: History, zones: Sequence[Zone] = ()) -> list[ZoneSuggestion]:
    """Propose what to ignore: where something moves often, and ignoring it spares alarms.

    The areas are those of alarms in which nothing else moved that was relevant. Left out are places
    where people and near vehicles were recognised, what the user has called relevant, what does not
    count already, and zones in which motion always alerts.

    Args:
        history: of the camera.
        zones: that are in force.

    Returns:
        At most `MAX_SUGGESTIONS`, of kind `ignore`, the one that spares most alarms first.
    """
    events = history.events
    if len(events) < FEWEST_EVENTS:
        return []
    canvas = Canvas(events[-1].frame_dimensions)
    scene = Scene.of(canvas, events, zones)
    moving = canvas.resized(history.recurrence)
    for limit in OFTEN:
        if chosen := _suggest_where(scene, moving, limit):
            names = new_names("Suggested", {zone.name for zone in zones})
            return [_named(zone, next(names), evidence) for zone, evidence in chosen]
    return []


def _suggest_where(scene: Scene, moving: NDArray[np.float32], limit: float) -> list[Proposal]:
    """Propose zones where something moves often that hide nothing the user called relevant."""
    kept = scene.kept
    for _ in range(_ATTEMPTS):
        worth = _worth_ignoring(scene, busy_places(moving >= limit, kept))
        # A pole or a dark patch of asphalt must not divide a street, along which cars move.
        places = closed(worth, _BRIDGE) & ~kept
        chosen = _choose(scene, outlines(with_far_edge(places, moving >= _NOW_AND_THEN, kept)))
        harmed = [event for event in scene.spared([zone for zone, _ in chosen]) if event.thumb]
        if not harmed:
            return chosen
        for event in harmed:
            kept = kept | scene.canvas.covered(region.box for region in event.relevant)
    return []


def _worth_ignoring(scene: Scene, places: Mask) -> Mask:
    """Return of busy places those to which the alarms belong that ignoring them would spare.

    A place that moves in many events together with others, such as a drive up which cars come,
    spares nothing.
    """
    alarms = np.zeros(scene.canvas.shape, np.int32)
    for event in suppressed_by(IgnoredArea(scene.canvas, places | scene.ignored), scene.alarms):
        alarms += scene.canvas.covered(region.box for region in event.relevant)
    common = alarms >= max(_FEWEST_AT_PLACE, _COMMON * alarms.max())
    return grown(common, 1) & places


def _choose(scene: Scene, polygons: Sequence[Points]) -> list[Proposal]:
    """Drop the polygon that is worth least, until the rest are few, and each worth the question.

    They are weighed together: where cars pass on both sides of a house, ignoring one side alone
    spares nothing.
    """
    zones = [
        Zone(name="", kind=ZoneKind.IGNORE, points=points) for points in polygons[:_CANDIDATES]
    ]
    fewest = max(FEWEST_SUPPRESSED, LEAST_SHARE * len(scene.alarms))
    while zones:
        spared = scene.spared(zones)
        known = [
            (
                gather_evidence(
                    scene, zone, [other for other in zones if other is not zone], spared
                ),
                zone,
            )
            for zone in zones
        ]
        # Where people are recognised there goes first, then what spares least.
        known.sort(key=lambda pair: (not _holds_people(scene, pair[1], spared), pair[0].suppressed))
        evidence, weakest = known[0]
        covered = np.logical_or.reduce([scene.canvas.drawn(zone) for zone in zones])
        if (
            len(zones) > MAX_SUGGESTIONS
            or covered.mean() > MOST_OF_PICTURE
            or evidence.suppressed < fewest
            or _holds_people(scene, weakest, spared)
        ):
            zones.remove(weakest)
            continue
        return [(zone, evidence) for evidence, zone in reversed(known)]
    return []


def _holds_people(scene: Scene, zone: Zone, spared: Sequence[PastEvent]) -> bool:
    """Tell whether people are recognised in a zone more than now and then in alarms it would spare.

    Its outline has few corners, and so reaches a little over the places that it is made of.
    """
    area = IgnoredArea(scene.canvas, scene.canvas.drawn(zone))
    held = sum(area.holds_somebody(event) for event in spared)
    return held > MOST_WITH_SOMEBODY * len(spared)


def gather_evidence(
    scene: Scene, zone: Zone, others: Sequence[Zone], spared: Sequence[PastEvent]
) -> SuggestionEvidence:
    """Say what ignoring a zone would have done to the events of the past, `IgnoredArea` says how.

    Args:
        scene: that the camera sees.
        zone: to ignore.
        others: that are suggested as well, and counted as if they were taken.
        spared: the alarms that all of them together would spare.
    """
    area = IgnoredArea(scene.canvas, scene.canvas.drawn(zone))
    without = {event.event_id for event in scene.spared(others, spared)}
    suppressed = [event for event in spared if event.event_id not in without]
    events, alarms = scene.events, scene.alarms
    high = float(np.quantile([event.score for event in alarms], HIGH_RANK)) if alarms else 1.0
    look_at = [
        event
        for event in sorted(suppressed, key=lambda event: (-event.score, event.event_id))
        if event.thumb is None and (area.holds_somebody(event) or event.score > high)
    ]
    return SuggestionEvidence(
        events=len(events),
        since=events[0].motion_at,
        moving_share=sum(area.moves_in(event) for event in events) / len(events),
        alarms=len(alarms),
        suppressed=len(suppressed),
        confirmed=sum(event.thumb is True for event in suppressed),
        rejected=sum(event.thumb is False for event in suppressed),
        to_look_at=len(look_at),
        look_at=[event.event_id for event in look_at[:MAX_TO_LOOK_AT]],
    )


def _named(zone: Zone, name: str, evidence: SuggestionEvidence) -> ZoneSuggestion:
    digest = hashlib.sha256(repr(zone.points).encode()).hexdigest()[:8]
    named = Zone(name=name, kind=zone.kind, points=zone.points)
    return ZoneSuggestion(id=f"zone_{digest}", zone=named, evidence=evidence)

"""A zone around one region of a past event, and what it would have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from veroallarme_core.contract import MAX_ZONES, CommandError, RelevanceRegion, Zone, ZoneKind
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.history.evidence import Evidence
from veroallarme_core.worker.history.turns import Turns
from veroallarme_core.worker.storage import EventFilter, EventStore, Storage
from veroallarme_core.zone_suggestions import (
    Box,
    NothingToIgnoreError,
    PastEvent,
    ZoneEffect,
    effect_of,
    zone_around,
    zone_that_covers,
)

LOOKED_AT = 300
"""Past events of the camera that a zone is tried on."""
MOST_WAITING = 32


@dataclass(frozen=True, kw_only=True)
class RegionZone:
    """A zone that could be drawn."""

    zone: Zone
    region: RelevanceRegion
    effect: ZoneEffect
    is_there: bool
    """Whether it is a zone of the camera already, in which the region lies."""


class RegionZones:
    """Draws zones around regions of past events.

    Args:
        storage: holds verdicts and thumbs.
        evidence: finds events.
    """

    def __init__(self, storage: Storage, evidence: Evidence) -> None:
        self._storage = storage
        self._evidence = evidence
        self._turns = Turns(MOST_WAITING)

    async def propose(
        self, camera: CameraWorker, event_id: str, number: int, kind: ZoneKind, word: str
    ) -> RegionZone:
        """Return the zone around a region, and what it would have changed.

        Args:
            camera: of the event.
            event_id: of the event.
            number: of the region in the verdict, from 0.
            kind: `ignore` or `always`.
            word: that the name of a new zone begins with.

        Raises:
            CommandError: there is no such event or region, or no room for another zone.
        """
        zones = camera.context.settings.zones
        found = await self._evidence.gather(camera, event_id)
        size = found.verdict["frame_dimensions"]
        if number >= len(found.regions) or size is None:
            raise CommandError(f"the event has {len(found.regions)} regions: give one of them")
        region = found.regions[number].region
        height, width = size
        box = Box(
            x=region.x / width,
            y=region.y / height,
            width=region.width / width,
            height=region.height / height,
        )
        there = zone_that_covers(box, kind, zones)
        zone = there or _new_zone(box, kind, zones, word)
        async with self._turns.wait():
            events = await self._storage.database(lambda store: _latest(store, camera.id))
            same = [event for event in events if event.frame_dimensions == (height, width)]
            effect = await asyncio.to_thread(effect_of, zone, same, zones)
        return RegionZone(zone=zone, region=region, effect=effect, is_there=there is not None)

    async def add(self, camera: CameraWorker, proposed: RegionZone) -> None:
        """Let a zone act from now on; one that is there already is left as it is."""
        if proposed.is_there:
            return
        zones = (*camera.context.settings.zones, proposed.zone)
        await camera.change_settings({"zones": zones})


def _new_zone(box: Box, kind: ZoneKind, zones: Sequence[Zone], word: str) -> Zone:
    if len(zones) >= MAX_ZONES:
        raise CommandError(
            f"the camera has {len(zones)} zones, the most there may be: remove one first"
        )
    try:
        return zone_around(box, kind, {zone.name for zone in zones}, word)
    except NothingToIgnoreError as error:
        raise CommandError(str(error)) from None


def _latest(store: EventStore, camera: str) -> list[PastEvent]:
    listed = store.listing.page(EventFilter(cameras=(camera,)), LOOKED_AT)
    verdicts = store.listing.verdicts([event.event_id for event in listed])
    read = (
        PastEvent.from_verdict(verdicts[event.event_id], event.feedback)
        for event in reversed(listed)
    )
    return [event for event in read if event is not None]

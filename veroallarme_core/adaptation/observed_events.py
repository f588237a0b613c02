"""The history as a camera's memory sees it: looked at once, kept without its frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from veroallarme_core import __version__
from veroallarme_core.adaptation.history import EventFolder, read_frames
from veroallarme_core.adaptation.observed_event import ObservedEvent, forget_old_sprites
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.adaptation.perspective import Sighting
from veroallarme_core.adaptation.progress import ReportProgress
from veroallarme_core.adaptation.seen_history import SeenHistory, read_seen, write_seen
from veroallarme_core.adaptation.sprites import Sprite, cut_sprite
from veroallarme_core.adaptation.threads import map_in_order
from veroallarme_core.camera_memory import SceneMemory
from veroallarme_core.description import (
    CERTAIN_SCORE,
    TAUGHT_REGIONS,
    DetectedObject,
    RegionEvidence,
)
from veroallarme_core.judgement import (
    ALWAYS,
    GENERAL_THRESHOLD,
    OUTSIDE,
    UNWANTED,
    rank_regions,
)
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion, min_area_for
from veroallarme_core.pictures import Frame
from veroallarme_core.pipeline import EventPipeline, find_motion

_LOGGER = logging.getLogger(__name__)


def observe_history(
    events: Sequence[EventFolder],
    pipeline: EventPipeline,
    options: AdaptationOptions,
    progress: ReportProgress,
    seen_file: Path | None = None,
) -> tuple[SceneMemory, list[ObservedEvent], int]:
    """Let a memory see all events; keep of them what is needed later, without the frames.

    Args:
        events: in order of time.
        pipeline: describes and recognises.
        options: how to learn.
        progress: told how many were looked at.
        seen_file: holds what was seen of them before, and is written anew; None looks at all.

    Returns:
        The memory, the events of the latest view, and how many events cannot be read.
    """
    conditions = conditions_of(pipeline, options)
    seen = None
    if seen_file is not None:
        seen = read_seen(seen_file, conditions, pipeline.encoder_name, events)
    seen = seen or SeenHistory(SceneMemory(pipeline.encoder_name))
    new = seen.missing(events)
    unreadable = 0
    looked = map_in_order(lambda event: _observe(event, pipeline, options), new, options.threads)
    for count, event in enumerate(looked, len(events) - len(new) + 1):
        if event is None:
            unreadable += 1
        else:
            seen.add(event)
        progress("events", count, len(events))
    known = sorted(seen.known, key=lambda event: event.source.at)
    if not known:
        raise AdaptationInputError("not a single picture of these events can be used")
    forget_old_sprites(known)
    if seen_file is not None:
        try:
            write_seen(seen_file, conditions, seen)
        except OSError as error:  # the next adaptation takes longer, and that is all
            _LOGGER.warning("%s cannot be written: %s", seen_file, error.strerror)
    return seen.memory, known, unreadable


def conditions_of(pipeline: EventPipeline, options: AdaptationOptions) -> dict[str, Any]:
    """Return all on which it depends what is seen of an event, JSON-serialisable."""
    return {
        "version": __version__,
        "detector": pipeline.detector_name,
        "zones": [zone.to_dict() for zone in options.zones],
        "objects": [kind.value for kind in options.objects],
    }


def _observe(
    source: EventFolder, pipeline: EventPipeline, options: AdaptationOptions
) -> ObservedEvent | None:
    frames = read_frames(source)
    usable = [frame for frame in frames if frame is not None]
    if not usable:
        return None
    motion = find_motion(frames)
    described = pipeline.describe_motion(motion, options.zones, options.objects)
    if described.evidence is None:
        return None
    judgement, evidence = described.judgement, described.evidence
    outside = {region.region for region in judgement.regions if region.reason == OUTSIDE}
    unwanted = {region.region for region in judgement.regions if region.reason == UNWANTED}
    left_out = outside | unwanted
    regions = _with_unexplained(evidence.regions[:TAUGHT_REGIONS], motion, outside)
    evidence = replace(evidence, regions=regions)
    is_whole = len(usable) == len(frames) >= 2 and not any(damage.kinds for damage in motion.damage)
    is_whole = is_whole and len({frame.image.shape for frame in usable}) == 1
    objects = () if described.objects is None else described.objects.certain(CERTAIN_SCORE)
    return ObservedEvent(
        source,
        evidence,
        is_whole,
        np.array([region.region not in left_out for region in evidence.regions], np.bool_),
        judgement.reason == ALWAYS,
        tuple(_sightings(objects, motion.frame_dimensions[0])),
        _cut_movers([frame.image for frame in usable], objects) if is_whole else (),
    )


def _sightings(objects: Sequence[DetectedObject], height: int) -> Iterator[Sighting]:
    """Yield the people who stand in a picture, so many pixels high, as a whole."""
    for found in objects:
        bottom = found.y + found.height
        is_whole = found.y > 1 and bottom < height - 1
        if found.group == "person" and is_whole and found.height > 1.2 * found.width:
            yield Sighting(bottom / height, found.height / height)


def _cut_movers(frames: Sequence[Frame], objects: Sequence[DetectedObject]) -> tuple[Sprite, ...]:
    """Cut out the most certain object of each kind, where it stands out cleanly."""
    if len(frames) < 3:
        return ()
    best = {found.group: found for found in sorted(objects, key=lambda found: found.score)}
    cut = (
        cut_sprite(frames, (found.x, found.y, found.width, found.height), kind=group)
        for group, found in best.items()
    )
    return tuple(sprite.rounded() for sprite in cut if sprite is not None)


def _with_unexplained(
    regions: Sequence[RegionEvidence],
    motion: MotionDetectionResult,
    outside: Set[MotionRegion],
) -> tuple[RegionEvidence, ...]:
    """Say of what lies outside the zones as well how much of it nothing explains.

    Operation need not know, but the teacher compares all that moves.
    """
    lying_outside = [region.region for region in regions if region.region in outside]
    smallest = min_area_for(motion.frame_dimensions)
    unexplained = {
        ranked.region: ranked.cues["largest_unexplained_px"] / smallest
        for ranked in rank_regions(motion, lying_outside, GENERAL_THRESHOLD)
    }
    return tuple(
        replace(region, unexplained=unexplained.get(region.region, region.unexplained))
        for region in regions
    )


def assess_events(memory: SceneMemory, known: Sequence[ObservedEvent]) -> None:
    """Weigh the regions of every event against all that the memory has seen."""
    for event in known:
        if event.regions and memory.grid == event.evidence.grid:
            event.assessed = memory.assess(event.regions, event.evidence.light, event.source.at)

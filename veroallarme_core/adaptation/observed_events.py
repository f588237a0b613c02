"""The history as a camera's memory sees it: looked at once, kept without its frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder, read_frames
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.adaptation.perspective import Sighting
from veroallarme_core.adaptation.progress import ReportProgress
from veroallarme_core.adaptation.sprites import Sprite, cut_sprite
from veroallarme_core.adaptation.threads import map_in_order
from veroallarme_core.camera_memory import AssessedRegion, SceneMemory
from veroallarme_core.description import (
    CERTAIN_SCORE,
    TAUGHT_REGIONS,
    BurstEvidence,
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

_NO_FEATURES = np.zeros((0, 0, 0, 0), np.float32)


@dataclass(eq=False)
class ObservedEvent:
    """What is kept of an event while its camera is learned."""

    source: EventFolder
    evidence: BurstEvidence
    is_whole: bool
    """Whether no frame is damaged: intruders are pasted over these."""
    counts: NDArray[np.bool_]
    """(n,): which regions lie where motion counts, and are no object that does not."""
    is_alerting: bool = False
    """Whether it alerts by where something moved, whatever the model says."""
    objects: tuple[DetectedObject, ...] = ()
    """Those that were recognised for certain, of all frames."""
    sprites: tuple[Sprite, ...] = ()
    """Movers that could be cut out cleanly."""
    frame_dimensions: tuple[int, int] = (0, 0)
    """Height and width in pixels."""
    assessed: tuple[AssessedRegion, ...] = ()
    """The regions, and how unusual they are; none where the memory cannot tell."""

    @property
    def sightings(self) -> Iterator[Sighting]:
        """People who stand in the picture as a whole."""
        height, _ = self.frame_dimensions
        for found in self.objects:
            bottom = found.y + found.height
            is_whole = found.y > 1 and bottom < height - 1
            if found.group == "person" and is_whole and found.height > 1.2 * found.width:
                yield Sighting(bottom / height, found.height / height)

    @property
    def regions(self) -> tuple[RegionEvidence, ...]:
        """What is known of the regions that moved, the most important first."""
        return self.evidence.regions


def observe_history(
    events: Sequence[EventFolder],
    pipeline: EventPipeline,
    options: AdaptationOptions,
    progress: ReportProgress,
) -> tuple[SceneMemory, list[ObservedEvent], int]:
    """Let a new memory see all events; keep of them what is needed later, without the frames.

    Returns:
        The memory, the events of the latest view, and how many events cannot be read.
    """
    memory = SceneMemory(pipeline.encoder_name)
    known: list[ObservedEvent] = []
    unreadable = 0
    looked = map_in_order(lambda event: _observe(event, pipeline, options), events, options.threads)
    for count, event in enumerate(looked, 1):
        if event is None:
            unreadable += 1
        else:
            if memory.observe(event.evidence, event.source.event_id, event.source.at):
                known.clear()  # the camera was turned: what it showed before says nothing
            # The regions keep what they need of the features, which are large.
            event.evidence = replace(event.evidence, features=_NO_FEATURES)
            known.append(event)
        progress("events", count, len(events))
    if not known:
        raise AdaptationInputError("not a single picture of these events can be used")
    return memory, known, unreadable


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
        objects,
        _cut_movers([frame.image for frame in usable], objects) if is_whole else (),
        motion.frame_dimensions,
    )


def _cut_movers(frames: Sequence[Frame], objects: Sequence[DetectedObject]) -> tuple[Sprite, ...]:
    """Cut out the most certain object of each kind, where it stands out cleanly."""
    if len(frames) < 3:
        return ()
    best = {found.group: found for found in sorted(objects, key=lambda found: found.score)}
    cut = (
        cut_sprite(frames, (found.x, found.y, found.width, found.height), kind=group)
        for group, found in best.items()
    )
    return tuple(sprite for sprite in cut if sprite is not None)


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

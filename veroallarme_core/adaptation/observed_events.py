"""The history as a camera's memory sees it: looked at once, kept without its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder, read_frames
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.adaptation.progress import ReportProgress
from veroallarme_core.adaptation.threads import map_in_order
from veroallarme_core.camera_memory import RegionCues, SceneMemory
from veroallarme_core.contract import Zone
from veroallarme_core.description import (
    TAUGHT_REGIONS,
    BurstEvidence,
    RegionEvidence,
    SceneEncoder,
    gather_evidence,
)
from veroallarme_core.judgement import ALWAYS, OUTSIDE, Premises, candidates, judge_motion
from veroallarme_core.pipeline import find_motion

_NO_FEATURES = np.zeros((0, 0, 0, 0), np.float32)


@dataclass(eq=False)
class ObservedEvent:
    """What is kept of an event while its camera is learned."""

    source: EventFolder
    evidence: BurstEvidence
    is_whole: bool
    """Whether no frame is damaged: intruders are pasted over these."""
    counts: NDArray[np.bool_]
    """(n,): which regions lie where motion counts."""
    is_alerting: bool = False
    """Whether it alerts by where something moved, whatever the model says."""
    cues: tuple[RegionCues, ...] = ()

    @property
    def regions(self) -> tuple[RegionEvidence, ...]:
        """What is known of the regions that moved, the most important first."""
        return self.evidence.regions


def observe_history(
    events: Sequence[EventFolder],
    encoder: SceneEncoder,
    options: AdaptationOptions,
    progress: ReportProgress,
) -> tuple[SceneMemory, list[ObservedEvent], int]:
    """Let a new memory see all events; keep of them what is needed later, without the frames.

    Returns:
        The memory, the events of the latest view, and how many events cannot be read.
    """
    memory = SceneMemory(encoder.name)
    known: list[ObservedEvent] = []
    unreadable = 0
    looked = map_in_order(
        lambda event: _observe(event, encoder, options.zones), events, options.threads
    )
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
    source: EventFolder, encoder: SceneEncoder, zones: Sequence[Zone]
) -> ObservedEvent | None:
    frames = read_frames(source)
    usable = [frame for frame in frames if frame is not None]
    if not usable:
        return None
    motion = find_motion(frames)
    judgement = judge_motion(motion, premises=Premises.of(zones, motion.frame_dimensions))
    evidence = gather_evidence(encoder, motion, candidates(judgement))
    if evidence is None:
        return None
    evidence = replace(evidence, regions=evidence.regions[:TAUGHT_REGIONS])
    is_whole = len(usable) == len(frames) >= 2 and bool(evidence.intact.all())
    outside = {one.region for one in judgement.regions if one.reason == OUTSIDE}
    return ObservedEvent(
        source,
        evidence,
        is_whole and len({f.image.shape for f in usable}) == 1,
        np.array([one.region not in outside for one in evidence.regions], np.bool_),
        judgement.reason == ALWAYS,
    )


def assess_events(memory: SceneMemory, known: Sequence[ObservedEvent]) -> None:
    """Weigh the regions of every event against all that the memory has seen."""
    for event in known:
        if event.regions and memory.grid == event.evidence.grid:
            event.cues = memory.assess(event.regions, event.evidence.light, event.source.at)

"""The teacher that needs no labels: all regions of a history in rows, and how it ranks them.

It ranks by how much of a region nothing explains, how far it is from the usual look of its place,
how seldom its kind moved there, and how seldom anything does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.camera_memory import CUES, CameraModel, SceneMemory, cue_values, fold_of
from veroallarme_core.description import SKETCH_DIM

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TaughtRegions:
    """All regions of a camera's history in rows."""

    events: Sequence[ObservedEvent]
    owner: NDArray[np.intp]
    """(n,): index of the event."""
    counts: NDArray[np.bool_]
    """(n,): whether it lies where motion counts, and is no object that does not."""
    fold: NDArray[np.intp]
    values: Floats
    """(n, 4): what the teacher weighs."""
    sketches: Floats
    """(n, SKETCH_DIM)."""
    thumbs: Mapping[int, bool]
    """By index of the event."""

    @classmethod
    def of(cls, events: Sequence[ObservedEvent], labels: Mapping[str, bool]) -> TaughtRegions:
        """Put the regions of assessed events in rows; labels of other events are ignored."""
        moving = [(index, event) for index, event in enumerate(events) if event.assessed]
        owner = np.array([index for index, event in moving for _ in event.regions], np.intp)
        counts = [event.counts for _, event in moving]
        fold = [fold_of(event.source.event_id) for _, event in moving for _ in event.regions]
        values = [cue_values(event.assessed) for _, event in moving]
        sketches = [region.sketch for _, event in moving for region in event.regions]
        return cls(
            events=events,
            owner=owner,
            counts=np.concatenate(counts) if counts else np.zeros(0, np.bool_),
            fold=np.array(fold, np.intp),
            values=np.concatenate(values) if values else np.zeros((0, len(CUES))),
            sketches=np.array(sketches, np.float64).reshape(-1, SKETCH_DIM),
            thumbs={
                index: labels[event.source.event_id]
                for index, event in enumerate(events)
                if event.source.event_id in labels
            },
        )

    def event_ranks(self, model: CameraModel) -> Floats:
        """Return the rank of the best region of every event; 0 where nothing moved that counts."""
        best = np.zeros(len(self.events))
        for index, event in enumerate(self.events):
            if event.is_alerting:
                best[index] = 1.0
            elif event.assessed:
                best[index] = _ranks(event, model).max()
        return best


def pass_on_thumbs(memory: SceneMemory, taught: TaughtRegions, model: CameraModel) -> None:
    """Tell the memory the thumbs: they act on similar regions at once, whatever the head finds."""
    for index, is_up in taught.thumbs.items():
        event = taught.events[index]
        places = [region.place for region in event.regions]
        best = None
        if event.assessed:
            best = places[int(_ranks(event, model).argmax())]
        elif places:
            best = places[0]
        memory.bank.judge(event.source.event_id, is_up, best)


def _ranks(event: ObservedEvent, model: CameraModel) -> Floats:
    """Return the ranks of an event's regions, (n,), 0 for those that do not count.

    Where the rules have decided nobody looks for objects: there the history alone ranks.
    """
    was_looked_at = event.evidence.detector == model.detector
    rank = model.rank if was_looked_at else model.rank_here
    return np.where(event.counts, rank(event.assessed, event.source.event_id), 0.0)

"""What was seen of a camera's events, kept on disk from one adaptation to the next.

To look at an event takes a third of a second, and what it shows does not change any more. So each
is looked at once: the file holds what an adaptation needs of it, some 50 kB, and the memory as it
was after the latest one, exactly. To go on from there gives what to look at all events anew would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.kept_file import read_kept
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.packed_evidence import (
    joined,
    pack_regions,
    pack_sprites,
    parts,
    sprite_facts,
    unpack_regions,
    unpack_sprites,
)
from veroallarme_core.adaptation.perspective import Sighting
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory import (
    Arrays,
    SceneMemory,
    pack_memory,
    unpack_memory,
    write_state,
)
from veroallarme_core.description import CELL_CHANNELS, BurstEvidence, Light

SEEN_FILE = "seen_events.npz"
KIND, FORMAT_VERSION = "seen events", 1

_MEMORY = "memory_"
_NO_FEATURES = np.zeros((0, 0, 0, CELL_CHANNELS), np.float32)


@dataclass(eq=False)
class SeenHistory:
    """The events that were looked at, in the order in which the memory saw them."""

    memory: SceneMemory
    known: list[ObservedEvent] = field(default_factory=list)
    of_other_views: dict[str, float] = field(default_factory=dict)
    """When those moved that the camera saw before it was turned, by event id."""

    def add(self, event: ObservedEvent) -> None:
        """Let the memory see one more event."""
        if self.memory.observe(event.evidence, event.source.event_id, event.source.at):
            # The camera was turned: what it showed before says nothing.
            self.of_other_views |= {seen.source.event_id: seen.source.at for seen in self.known}
            self.known.clear()
        event.forget_frames()
        self.known.append(event)

    def missing(self, events: Sequence[EventFolder]) -> list[EventFolder]:
        """Return those of some events that are yet to be looked at."""
        seen = {event.source.event_id for event in self.known} | self.of_other_views.keys()
        return [event for event in events if event.event_id not in seen]


def read_seen(
    path: Path, conditions: Mapping[str, Any], encoder: str, events: Sequence[EventFolder]
) -> SeenHistory | None:
    """Read what was seen of those events that are still there.

    Args:
        path: of the file.
        conditions: under which the events are looked at now, JSON-serialisable.
        encoder: name of the encoder.
        events: that are there now.

    Returns:
        None where there is no such file, it is damaged, it was written under other conditions, or
        its events are not these.
    """

    there = {event.event_id: event for event in events}
    return read_kept(
        path,
        KIND,
        FORMAT_VERSION,
        encoder,
        conditions,
        lambda facts, arrays: _unpack(facts, arrays, there),
        "all events are looked at anew",
    )


def write_seen(path: Path, conditions: Mapping[str, Any], seen: SeenHistory) -> None:
    """Write what was seen in one step; arguments as for `read_seen`.

    Raises:
        OSError: the file cannot be written.
    """
    facts, arrays = _pack(seen)
    facts |= {"encoder": seen.memory.encoder, "conditions": dict(conditions)}
    write_state(path, KIND, FORMAT_VERSION, facts, arrays)


# --- the file -----------------------------------------------------------------------------------


def _pack(seen: SeenHistory) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    memory_facts, memory_arrays = pack_memory(seen.memory.content(), is_exact=True)
    events = seen.known
    sprites = [(index, sprite) for index, event in enumerate(events) for sprite in event.sprites]
    facts = {
        "memory": memory_facts,
        "of_other_views": seen.of_other_views,
        "events": [_event_facts(event) for event in events],
        "sprites": [{"event": index, **sprite_facts(sprite)} for index, sprite in sprites],
    }
    arrays = {_MEMORY + name: array for name, array in memory_arrays.items()}
    arrays |= {
        "counts": joined([event.counts for event in events], np.bool_),
        "moved": joined([np.packbits(event.evidence.moved) for event in events], np.uint8),
        **pack_regions([region for event in events for region in event.regions]),
        **pack_sprites([sprite for _, sprite in sprites]),
    }
    return facts, arrays


def _event_facts(event: ObservedEvent) -> dict[str, Any]:
    evidence = event.evidence
    return {
        "id": event.source.event_id,
        "at": event.source.at,
        "light": evidence.light.name,
        "grid": evidence.grid,
        "detector": evidence.detector,
        "regions": len(event.regions),
        "is_whole": event.is_whole,
        "is_alerting": event.is_alerting,
        "sightings": [(person.foot, person.height) for person in event.sightings],
    }


def _unpack(
    facts: Mapping[str, Any], arrays: Arrays, there: Mapping[str, EventFolder]
) -> SeenHistory | None:
    written = facts["events"]
    times = {event["id"]: float(event["at"]) for event in written} | dict(facts["of_other_views"])
    same = [event_id for event_id in times if event_id in there]
    # Folders that are not named by their time are told their time by their place among the others.
    if not same or any(there[event_id].at != times[event_id] for event_id in same):
        return None
    memory = SceneMemory.of(
        unpack_memory(
            facts["memory"],
            {
                name.removeprefix(_MEMORY): array
                for name, array in arrays.items()
                if name.startswith(_MEMORY)
            },
        )
    )
    counts = parts(arrays["counts"], [event["regions"] for event in written], np.bool_)
    lights = [Light[event["light"]] for event in written]
    grids = [(int(rows), int(columns)) for rows, columns in (event["grid"] for event in written)]
    sizes = [math.ceil(rows * columns / 8) for rows, columns in grids]
    moved = parts(arrays["moved"], sizes, np.uint8)
    sprites: list[list[Sprite]] = [[] for _ in written]
    for sprite, of in zip(unpack_sprites(facts["sprites"], arrays), facts["sprites"], strict=True):
        sprites[of["event"]].append(sprite)
    regions = iter(
        unpack_regions(
            arrays, [light for light, own in zip(lights, counts, strict=True) for _ in own]
        )
    )
    known = []
    for event, light, grid, own, bits, movers in zip(
        written, lights, grids, counts, moved, sprites, strict=True
    ):
        evidence = BurstEvidence(
            light=light,
            features=_NO_FEATURES,
            intact=np.zeros((0, *grid), np.bool_),
            moved=np.unpackbits(bits, count=grid[0] * grid[1]).reshape(grid).astype(np.bool_),
            regions=tuple(islice(regions, len(own))),
            detector=str(event["detector"]),
        )
        source = there.get(event["id"])
        if source is None:  # its pictures were removed meanwhile
            continue
        known.append(
            ObservedEvent(
                source=source,
                evidence=evidence,
                is_whole=bool(event["is_whole"]),
                counts=own,
                is_alerting=bool(event["is_alerting"]),
                sightings=tuple(
                    Sighting(float(foot), float(tall)) for foot, tall in event["sightings"]
                ),
                sprites=tuple(movers),
            )
        )
    others = {event_id: at for event_id, at in facts["of_other_views"].items() if event_id in there}
    return SeenHistory(memory, known, others)

"""What was seen of a camera's events, kept on disk from one adaptation to the next.

To look at an event takes a third of a second, and what it shows does not change any more. So each
is looked at once: the file holds what an adaptation needs of it, some 50 kB, and the memory as it
was after the latest one, exactly. To go on from there gives what to look at all events anew would.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.perspective import Sighting
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory import (
    Arrays,
    SceneMemory,
    StateFileError,
    pack_memory,
    read_learned,
    unpack_memory,
    write_state,
)
from veroallarme_core.contract import MotionRegion
from veroallarme_core.description import (
    CELL_CHANNELS,
    SKETCH_DIM,
    BurstEvidence,
    Light,
    RegionEvidence,
)

_LOGGER = logging.getLogger(__name__)

SEEN_FILE = "seen_events.npz"
KIND, FORMAT_VERSION = "seen events", 1

_MEMORY = "memory_"
_NO_FEATURES = np.zeros((0, 0, 0, CELL_CHANNELS), np.float32)
_NOBODY_LOOKED = -1.0
"""In the place of NaN: a file that holds any is taken for damaged."""


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

    def restore(facts: Mapping[str, Any], arrays: Arrays) -> SeenHistory | None:
        if facts["conditions"] != dict(conditions):
            return None
        return _unpack(facts, arrays, {event.event_id: event for event in events})

    try:
        return read_learned(path, KIND, FORMAT_VERSION, encoder, restore)
    except FileNotFoundError:
        return None
    except (StateFileError, OSError) as error:
        _LOGGER.warning("all events are looked at anew: %s", error)
        return None


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
    regions = [region for event in events for region in event.regions]
    sprites = [(index, sprite) for index, event in enumerate(events) for sprite in event.sprites]
    facts = {
        "memory": memory_facts,
        "of_other_views": seen.of_other_views,
        "events": [_event_facts(event) for event in events],
        "sprites": [
            {"event": index, "kind": sprite.kind, "is_grey": sprite.is_grey, "foot": sprite.foot}
            for index, sprite in sprites
        ],
    }
    arrays = {_MEMORY + name: array for name, array in memory_arrays.items()}
    arrays |= {
        "counts": _joined([event.counts for event in events], np.bool_),
        "moved": _joined([np.packbits(event.evidence.moved) for event in events], np.uint8),
        "region_box": np.array(
            [(*_box(region.region), *region.region.centroid) for region in regions], np.int32
        ).reshape(-1, 7),
        "region_frames": np.array([len(region.features) for region in regions], np.int32),
        "region_cells": np.array([len(region.cells) for region in regions], np.int32),
        "region_place": _joined([region.place for region in regions], np.float32),
        "region_sketch": _joined([region.sketch for region in regions], np.float32),
        "region_figures": np.array(
            [
                (_written(region.change), region.unexplained, _written(region.object_score))
                for region in regions
            ],
            np.float64,
        ).reshape(-1, 3),
        "cells": _joined([region.cells for region in regions], np.int32),
        "features": _joined([region.features for region in regions], np.float16),
        "intact": _joined([region.intact for region in regions], np.bool_),
        "sprite_size": np.array([s.alpha.shape for _, s in sprites], np.int32).reshape(-1, 2),
        "sprite_light": _joined([sprite.light for _, sprite in sprites], np.float16),
        "sprite_alpha": _joined([sprite.alpha for _, sprite in sprites], np.float16),
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
    counts = _parts(arrays["counts"], [event["regions"] for event in written], np.bool_)
    lights = [Light[event["light"]] for event in written]
    grids = [(int(rows), int(columns)) for rows, columns in (event["grid"] for event in written)]
    sizes = [math.ceil(rows * columns / 8) for rows, columns in grids]
    moved = _parts(arrays["moved"], sizes, np.uint8)
    sprites: list[list[Sprite]] = [[] for _ in written]
    for sprite, of in zip(_sprites(facts, arrays), facts["sprites"], strict=True):
        sprites[of["event"]].append(sprite)
    regions = iter(
        _regions(arrays, [light for light, own in zip(lights, counts, strict=True) for _ in own])
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


def _regions(arrays: Arrays, lights: Sequence[Light]) -> list[RegionEvidence]:
    frames = arrays["region_frames"].tolist()
    cells = arrays["region_cells"].tolist()
    shown = [count * of for count, of in zip(frames, cells, strict=True)]
    columns = zip(
        lights,
        arrays["region_box"].tolist(),
        arrays["region_place"].reshape(-1, 2),
        arrays["region_sketch"].reshape(-1, SKETCH_DIM),
        arrays["region_figures"].tolist(),
        _parts(arrays["cells"], cells, np.int32),
        _parts(arrays["features"], [count * CELL_CHANNELS for count in shown], np.float16),
        _parts(arrays["intact"], shown, np.bool_),
        frames,
        strict=True,
    )
    return [
        RegionEvidence(
            region=MotionRegion(x, y, width, height, area, (across, down)),
            place=place,
            cells=of_cells.astype(np.intp),
            features=features.reshape(count, -1, CELL_CHANNELS),
            intact=intact.reshape(count, -1),
            sketch=sketch,
            change=_read(change),
            unexplained=unexplained,
            object_score=_read(object_score),
            light=light,
        )
        for (
            light,
            (x, y, width, height, area, across, down),
            place,
            sketch,
            (change, unexplained, object_score),
            of_cells,
            features,
            intact,
            count,
        ) in columns
    ]


def _sprites(facts: Mapping[str, Any], arrays: Arrays) -> list[Sprite]:
    sizes = arrays["sprite_size"].tolist()
    areas = [height * width for height, width in sizes]
    return [
        Sprite(
            light.reshape(height, width, 3).astype(np.float32),
            alpha.reshape(height, width).astype(np.float32),
            str(of["kind"]),
            bool(of["is_grey"]),
            float(of["foot"]),
        )
        for of, (height, width), light, alpha in zip(
            facts["sprites"],
            sizes,
            _parts(arrays["sprite_light"], [3 * area for area in areas], np.float16),
            _parts(arrays["sprite_alpha"], areas, np.float16),
            strict=True,
        )
    ]


def _box(region: MotionRegion) -> tuple[int, int, int, int, int]:
    return region.x, region.y, region.width, region.height, region.area


def _written(value: float) -> float:
    return _NOBODY_LOOKED if math.isnan(value) else value


def _read(value: float) -> float:
    return math.nan if value == _NOBODY_LOOKED else value


def _joined(arrays: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """Return all numbers of some arrays in one row."""
    rows = [array.ravel() for array in arrays]
    return np.concatenate(rows).astype(dtype) if rows else np.zeros(0, dtype)


def _parts(
    joined: NDArray[Any], lengths: Sequence[int], dtype: type[np.generic]
) -> list[NDArray[Any]]:
    """Take apart what `_joined` put together.

    Raises:
        ValueError: the lengths or the type are not those of the array.
    """
    if joined.dtype != dtype or joined.shape != (sum(lengths),) or min(lengths, default=0) < 0:
        raise ValueError(f"{joined.dtype} {joined.shape} are not {sum(lengths)} of {dtype}")
    return np.split(joined, np.cumsum(lengths)[:-1]) if lengths else []

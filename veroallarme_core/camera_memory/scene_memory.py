"""What a camera's history teaches: how its scene usually looks, and what usually moves where.

Nothing here knows a label. The memory learns from every event after that was judged, in
milliseconds, and fits into a megabyte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.state_file import (
    StateFileError,
    read_state,
    require_encoder,
    write_state,
)
from veroallarme_core.description import (
    CELL_CHANNELS,
    TAUGHT_REGIONS,
    BurstEvidence,
    Light,
    RegionEvidence,
)

Floats = NDArray[np.float32]

FORMAT_VERSION = 1
SESSION_S = 900
"""Seconds of a session: what moves twice within one is seen once."""
HALF_LIFE_DAYS = 14.0
"""After so many days a sighting counts half."""

BANK_SIZE = 3600
"""Regions that are remembered; of a longer history a random part."""
BANK_SKETCH = 64
"""Numbers of a region's sketch that are remembered: as good as all of them for likeness."""
SAME_PLACE = 0.06
"""Standard deviation of what counts as the same place, in edges of the frame."""
ALIKE = 0.6
"""Likeness in [0, 1] from which two regions are called the same thing at the same place."""
USUAL_SHARE = 0.05
"""Share of the sessions in which a sight must recur to count as usual."""

_MEMORY_EVENTS = 64  # events over which a cell's usual look is averaged
_LARGEST_DEVIATION = 20.0
_CLIP = 2.5  # spreads beyond which a sight no longer moves the mean (Huber 1964)
_STEP = 1.5
_WORST_CELLS = 6  # cells of a region that show the mover at its clearest
_SKETCH_SCALE = 0.125
_VIEW_SHARE = 0.5  # of its usual likeness to the plate below which a view is strange
_STRANGE_EVENTS = 4  # strange views in a row that mean the camera was turned
_VIEW_EVENTS = 5  # events before a view can be told to be strange


@dataclass(frozen=True)
class RegionCues:
    """What the memory says of one region."""

    deviation: float
    """How far it is from the usual look of its place, in spreads."""
    novelty: float
    """In [0, 1]: 1 minus its likeness to what was seen here in the most alike sessions."""
    sessions: int
    """Other sessions in which something like it moved here."""
    recurrence: float
    """Share of the events in which its place moves."""


class Plate:
    """The usual look of every cell under one light: robust location and spread of its features.

    A recursive Huber estimate (Huber 1964, https://doi.org/10.1214/aoms/1177703732) in the place
    of the mean and covariance of PaDiM (https://arxiv.org/abs/2011.08785), so that a mover which
    stays for some events does not become background.
    """

    def __init__(self, location: Floats, spread: Floats, events: int) -> None:
        self.location = location
        self.spread = spread
        self.events = events

    @classmethod
    def of(cls, evidence: BurstEvidence) -> Plate:
        """Begin with one burst."""
        location = _median(evidence)
        # How much cells differ from one another is the only scale that is known yet.
        typical = np.median(np.abs(location - location.mean(axis=(0, 1))), axis=(0, 1))
        spread = np.broadcast_to(0.5 * typical + 1e-3, location.shape)
        return cls(location, spread.astype(np.float32), 1)

    def deviation(self, regions: Sequence[RegionEvidence]) -> list[Floats]:
        """Return how far each cell of some regions is from usual, (n,), in its clearest frame."""
        floor = 0.5 * np.median(self.spread, axis=(0, 1)) + 1e-3
        channels = self.location.shape[2]
        location = self.location.reshape(-1, channels)
        spread = np.maximum(self.spread, floor).reshape(-1, channels)
        deviations = []
        for one in regions:
            distance = np.abs(one.features - location[one.cells]) / spread[one.cells]
            each = np.minimum(distance, _LARGEST_DEVIATION).mean(axis=2)
            deviations.append(np.where(one.intact, each, 0.0).max(axis=0).astype(np.float32))
        return deviations

    def likeness(self, evidence: BurstEvidence) -> float:
        """Return the correlation of a burst with this view, over its intact cells."""
        seen = evidence.intact.any(axis=0)
        if not seen.any():
            return 1.0
        here, usual = _median(evidence)[seen], self.location[seen]
        here, usual = here - here.mean(axis=0), usual - usual.mean(axis=0)
        norm = np.linalg.norm(here, axis=0) * np.linalg.norm(usual, axis=0) + 1e-6
        return float(np.mean((here * usual).sum(axis=0) / norm))

    def learn(self, evidence: BurstEvidence) -> None:
        """Take a burst into account."""
        self.events += 1
        frames = len(evidence.features)
        step = _STEP * max(1 / self.events, 1 / _MEMORY_EVENTS) / frames
        for features, intact in zip(evidence.features, evidence.intact, strict=True):
            rate = step * intact[..., None].astype(np.float32)
            distance = features - self.location
            limit = _CLIP * self.spread
            clipped = np.clip(distance, -limit, limit)
            self.location += rate * clipped
            excess = np.clip(np.abs(clipped) / self.spread - 1.0, -1.0, 1.0)
            self.spread *= np.exp(rate * excess)


class RegionBank:
    """Regions of the past: where and in which session they moved, and what they looked like."""

    def __init__(self) -> None:
        self.session = np.zeros(0, np.int32)
        self.event = np.zeros(0, np.uint64)
        self.label = np.zeros(0, np.int8)
        """1 in events that the user called relevant, -1 in those called nuisance, else 0."""
        self.place = np.zeros((0, 2), np.float32)
        self.sketch = np.zeros((0, BANK_SKETCH), np.int8)
        self._centre: Floats | None = None

    def __len__(self) -> int:
        return len(self.session)

    def add(
        self, regions: Sequence[RegionEvidence], session: int, event: int, draw: np.random.Generator
    ) -> None:
        """Remember the regions of an event; where there is no room, forget random ones."""
        if not regions:
            return
        sketches = np.stack([_quantised(one.sketch) for one in regions])
        places = np.stack([one.place for one in regions]).astype(np.float32)
        count = len(regions)
        self.session = np.append(self.session, np.full(count, session, np.int32))
        self.event = np.append(self.event, np.full(count, event, np.uint64))
        self.label = np.append(self.label, np.zeros(count, np.int8))
        self.place = np.concatenate([self.place, places])
        self.sketch = np.concatenate([self.sketch, sketches])
        excess = len(self) - BANK_SIZE
        if excess > 0:
            # What the user has judged is never forgotten, as long as there is anything else.
            free = np.flatnonzero(self.label == 0)
            free = free if len(free) >= excess else np.arange(len(self))
            self._keep(~np.isin(np.arange(len(self)), draw.choice(free, excess, replace=False)))
        self._centre = None

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        for name in ("session", "event", "label", "place", "sketch"):
            setattr(self, name, getattr(self, name)[kept])

    def judge(
        self, event_id: str, relevant: bool | None, place: NDArray[np.float32] | None = None
    ) -> None:
        """Take the user's word on an event, or take it back (None).

        A thumb down is about all its regions. A thumb up is about the one at `place`, or about
        the one that was added first.
        """
        rows = np.flatnonzero(self.event == np.uint64(event_key(event_id)))
        label = self.label.copy()
        label[rows] = 0
        if relevant and len(rows):
            distance = 0 if place is None else np.abs(self.place[rows] - place).sum(axis=1)
            label[rows[np.argmin(np.broadcast_to(distance, len(rows)))]] = 1
        elif relevant is not None:
            label[rows] = -1
        self.label = label

    def likeness(self, regions: Sequence[RegionEvidence]) -> Floats:
        """Return how much regions are like those of the bank, in place and look: (n, len(bank)).

        1 is the same look at the same place; it falls with the distance of the places.
        """
        if self._centre is None:
            self._centre = self.sketch.mean(axis=0, dtype=np.float32)
        past = _unit(self.sketch - self._centre)
        here = _unit(np.stack([_quantised(one.sketch) for one in regions]) - self._centre)
        distance = np.stack([one.place for one in regions])[:, None] - self.place[None]
        near = np.exp(-(distance**2).sum(axis=2) / (2 * SAME_PLACE**2))
        return np.asarray((here @ past.T + 1) / 2 * near, np.float32)


class SceneMemory:
    """One camera's memory.

    Args:
        encoder: name of the encoder whose features it holds; others must not be mixed in.
    """

    def __init__(self, encoder: str) -> None:
        self.encoder = encoder
        self.events = 0
        """That it has seen of the view that the camera shows now."""
        self.reaimed = 0
        """How often the camera was found to show another view, and the memory began again."""
        self._begin()

    def _begin(self) -> None:
        self.grid: tuple[int, int] | None = None
        self.plates: dict[Light, Plate] = {}
        self.bank = RegionBank()
        self.sessions: set[int] = set()
        # Under all kinds of light together: what moves at a place at night does so by day.
        self._moved: Floats | None = None
        self._seen = 0.0
        self._usual_view: dict[Light, float] = {}
        self._strange = 0
        self._last: float | None = None

    # --- learning ------------------------------------------------------------------------

    def observe(self, evidence: BurstEvidence, event_id: str, at: float) -> bool:
        """Learn from an event that was judged.

        Args:
            evidence: of the burst.
            event_id: of the event.
            at: when it moved, seconds since 1970.

        Returns:
            Whether the camera turned out to show another view, so that learning began again.
        """
        self.events += 1
        self._strange = self._strange + 1 if self._is_strange(evidence) else 0
        if 0 < self._strange < _STRANGE_EVENTS:
            return False
        is_turned = self._strange > 0
        if is_turned:
            self._begin()
            self.reaimed += 1
            self.events = 1
        self.grid = evidence.grid
        self._learn(evidence, event_id, at)
        return is_turned

    def _is_strange(self, evidence: BurstEvidence) -> bool:
        if self.grid not in (None, evidence.grid):
            return True  # pictures of another shape
        plate = self.plates.get(evidence.light)
        if plate is None:
            return False
        view = plate.likeness(evidence)
        usual = self._usual_view.get(evidence.light, view)
        if plate.events >= _VIEW_EVENTS and view < _VIEW_SHARE * usual:
            return True
        self._usual_view[evidence.light] = usual + (view - usual) / min(plate.events, 32)
        return False

    def _learn(self, evidence: BurstEvidence, event_id: str, at: float) -> None:
        light, session = evidence.light, session_of(at)
        plate = self.plates.get(light)
        if plate is None:
            self.plates[light] = Plate.of(evidence)
        else:
            plate.learn(evidence)
        self._forget(at)
        moved = evidence.moved.astype(np.float32)
        self._moved = moved if self._moved is None else self._moved + moved
        self._seen += 1.0
        draw = np.random.default_rng(self.events)
        taught = evidence.regions[:TAUGHT_REGIONS]
        self.bank.add(taught, session, event_key(event_id), draw)
        self.sessions.add(session)

    def _forget(self, at: float) -> None:
        passed_days = max(0.0, at - (self._last if self._last is not None else at)) / 86400
        self._last = max(at, self._last or at)
        kept = 0.5 ** (passed_days / HALF_LIFE_DAYS)
        if self._moved is not None:
            self._moved = self._moved * np.float32(kept)
            self._seen *= kept

    # --- judging -------------------------------------------------------------------------

    def recurrence(self) -> Floats:
        """Return in which share of the events every cell moves, (rows, columns), smoothed."""
        if self._moved is None:
            raise ValueError("the memory has not seen an event yet")
        return _smooth(self._moved / np.float32(max(self._seen, 1.0)))

    def knows(self, evidence: BurstEvidence) -> bool:
        """Whether it can say anything about a burst: the view and the light were seen before."""
        plate = self.plates.get(evidence.light)
        return (
            self.grid == evidence.grid
            and plate is not None
            and plate.events >= _VIEW_EVENTS
            and not self._strange
            and len(self.bank) > 0
        )

    def assess(
        self, regions: Sequence[RegionEvidence], light: Light, at: float
    ) -> tuple[RegionCues, ...]:
        """Say how unusual the regions of a burst are; `knows` must hold.

        What was seen in the same session does not count: who lingers does not become usual.
        """
        if not regions:
            return ()
        recurrence = self.recurrence().ravel()
        deviations = self.plates[light].deviation(regions)
        alike = self._alike_by_session(regions, session_of(at))
        most = max(2, math.ceil(USUAL_SHARE * len(self.sessions)))
        usual = np.sort(alike, axis=1)[:, -most:].sum(axis=1) / most
        cues = []
        for index, (one, deviation) in enumerate(zip(regions, deviations, strict=True)):
            cues.append(
                RegionCues(
                    deviation=float(np.sort(deviation)[-_WORST_CELLS:].mean()),
                    novelty=float(1.0 - usual[index]),
                    sessions=int((alike[index] >= ALIKE).sum()),
                    recurrence=float(recurrence[one.cells].mean()),
                )
            )
        return tuple(cues)

    def _alike_by_session(self, regions: Sequence[RegionEvidence], session: int) -> Floats:
        """Return the largest likeness in every other session, (n, sessions)."""
        others = self.bank.session != session
        likeness = self.bank.likeness(regions)[:, others]
        if not likeness.shape[1]:
            return np.zeros((len(regions), 1), np.float32)
        of = self.bank.session[others]
        order = np.argsort(of, kind="stable")
        first = np.flatnonzero(np.diff(of[order], prepend=of[order[0]] - 1))
        return np.asarray(np.maximum.reduceat(likeness[:, order], first, axis=1), np.float32)

    # --- on disk -------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the memory, at most a megabyte, in one step.

        Raises:
            OSError: the file cannot be written.
        """
        facts: dict[str, Any] = {
            "encoder": self.encoder,
            "events": self.events,
            "reaimed": self.reaimed,
            "grid": self.grid,
            "sessions": sorted(self.sessions)[-BANK_SIZE:],
            "plates": {light.name: plate.events for light, plate in self.plates.items()},
            "seen": self._seen,
            "usual_view": {light.name: view for light, view in self._usual_view.items()},
            "strange": self._strange,
            "last": self._last,
        }
        arrays: dict[str, NDArray[Any]] = {
            f"bank_{name}": getattr(self.bank, name)
            for name in ("session", "event", "label", "place", "sketch")
        }
        for light, plate in self.plates.items():
            arrays |= _pack(light.name, plate)
        if self._moved is not None:
            arrays["moved"] = self._moved
        write_state(path, "scene memory", FORMAT_VERSION, facts, arrays)

    @classmethod
    def load(cls, path: Path, encoder: str) -> SceneMemory:
        """Read a memory.

        Raises:
            FileNotFoundError: there is none.
            StateFileError: it is broken, of another version or of another encoder.
        """
        facts, arrays = read_state(path, "scene memory", FORMAT_VERSION)
        try:
            require_encoder(path, facts, encoder)
            return cls._restored(facts, arrays)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            if isinstance(error, StateFileError):
                raise
            raise StateFileError(f"{path} lacks a part of a scene memory ({error!r}).") from None

    @classmethod
    def _restored(cls, facts: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SceneMemory:
        memory = cls(facts["encoder"])
        memory.events, memory.reaimed = int(facts["events"]), int(facts["reaimed"])
        if facts["grid"] is not None:
            rows, columns = facts["grid"]
            memory.grid = (int(rows), int(columns))
        memory.sessions = {int(one) for one in facts["sessions"]}
        memory._strange = int(facts["strange"])
        memory._last = None if facts["last"] is None else float(facts["last"])
        memory._seen = float(facts["seen"])
        memory._usual_view = {Light[n]: float(view) for n, view in facts["usual_view"].items()}
        for name, events in facts["plates"].items():
            memory.plates[Light[name]] = _unpack(name, arrays, int(events), memory.grid)
        if memory.grid is not None:
            memory._moved = arrays["moved"].astype(np.float32)
            if memory._moved.shape != memory.grid:
                raise ValueError(f"the map of what moved has the shape {memory._moved.shape}")
        lengths = set()
        for name in ("session", "event", "label", "place", "sketch"):
            found, empty = arrays[f"bank_{name}"], getattr(memory.bank, name)
            if found.dtype != empty.dtype or found.shape[1:] != empty.shape[1:]:
                raise ValueError(f"{name} of the region bank is {found.dtype} {found.shape}")
            setattr(memory.bank, name, found)
            lengths.add(len(found))
        if len(lengths) != 1:
            raise ValueError("the region bank is ragged")
        if not all(np.isfinite(one).all() for one in arrays.values()):
            raise ValueError("not all numbers are finite")
        return memory


def session_of(at: float) -> int:
    """Return the session that a moment, seconds since 1970, belongs to."""
    return int(at // SESSION_S)


def event_key(event_id: str) -> int:
    """Return a number for an event id, as the bank holds it: FNV-1a of 64 bits."""
    key = 0xCBF29CE484222325
    for byte in event_id.encode():
        key = ((key ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return key


def _median(evidence: BurstEvidence) -> Floats:
    """Return the median of a burst's frames, (rows, columns, C), from intact cells where there are.

    A mover in one frame of three does not show in it.
    """
    intact = evidence.intact[..., None]
    with_any = intact.any(axis=0, keepdims=True)
    features = np.where(intact | ~with_any, evidence.features, np.nan)
    return np.asarray(np.nanmedian(features, axis=0), np.float32)


def _quantised(sketch: Floats) -> NDArray[np.int8]:
    steps = np.clip(np.rint(sketch[:BANK_SKETCH] / _SKETCH_SCALE), -127, 127)
    return np.asarray(steps, np.int8)


def _unit(vectors: Floats) -> Floats:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-6), np.float32)


def _smooth(cells: Floats) -> Floats:
    """Blur over neighbouring cells: a mover does not stop at the edge of one."""
    padded = np.pad(cells, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16, np.float32)


def _pack(name: str, plate: Plate) -> dict[str, NDArray[Any]]:
    """Write a plate with 8 bits per number: location in steps per channel, spread as logarithm."""
    low, high = plate.location.min(axis=(0, 1)), plate.location.max(axis=(0, 1))
    step = np.maximum(high - low, 1e-6) / 255
    logarithm = np.log2(np.maximum(plate.spread, 2.0**-10))
    return {
        f"location_{name}": np.rint((plate.location - low) / step).astype(np.uint8),
        f"low_{name}": low.astype(np.float32),
        f"step_{name}": step.astype(np.float32),
        f"spread_{name}": np.clip(np.rint((logarithm + 10) * 16), 0, 255).astype(np.uint8),
    }


def _unpack(
    name: str, arrays: dict[str, NDArray[Any]], events: int, grid: tuple[int, int] | None
) -> Plate:
    location = arrays[f"location_{name}"] * arrays[f"step_{name}"] + arrays[f"low_{name}"]
    spread = np.exp2(arrays[f"spread_{name}"].astype(np.float32) / 16 - 10)
    if location.shape != spread.shape or location.shape[:2] != grid:
        raise ValueError(f"the plate of {name} has the shape {location.shape}")
    if location.shape[2] != CELL_CHANNELS:
        raise ValueError(f"the plate of {name} has {location.shape[2]} channels")
    return Plate(location.astype(np.float32), spread, events)

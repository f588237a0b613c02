"""What a camera's history teaches: how its scene usually looks, and what usually moves where.

Nothing here knows a label. The memory learns from every event after that was judged, in
milliseconds, and fits into a megabyte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.assessed_region import AssessedRegion
from veroallarme_core.camera_memory.memory_file import MemoryContent, read_memory, write_memory
from veroallarme_core.camera_memory.plate import Plate
from veroallarme_core.camera_memory.region_bank import RegionBank, event_key
from veroallarme_core.camera_memory.scene_view import SceneView
from veroallarme_core.description import TAUGHT_REGIONS, BurstEvidence, Light, RegionEvidence

Floats = NDArray[np.float32]

SESSION_S = 900
"""Seconds of a session: what moves twice within one is seen once."""
HALF_LIFE_DAYS = 14.0
"""After so many days a sighting counts half."""
ALIKE = 0.6
"""Likeness in [0, 1] from which two regions are called the same thing at the same place."""
USUAL_SHARE = 0.05
"""Share of the sessions in which a sight must recur to count as usual."""

_WORST_CELLS = 6  # cells of a region that show the mover at its clearest
_VIEW_SHARE = 0.5  # of its usual likeness to the plate below which a view is strange
_STRANGE_EVENTS = 4  # strange views in a row that mean the camera was turned
_VIEW_EVENTS = 5  # events before a view can be told to be strange


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
        self._view = SceneView()

    @property
    def grid(self) -> tuple[int, int] | None:
        """(rows, columns) of the cells of its view; None before the first event."""
        return self._view.grid

    @property
    def plates(self) -> dict[Light, Plate]:
        """The usual look of the view, by kind of light."""
        return self._view.plates

    @property
    def bank(self) -> RegionBank:
        """The regions that moved in the view."""
        return self._view.bank

    @property
    def sessions(self) -> set[int]:
        """The sessions in which something moved in the view."""
        return self._view.sessions

    # --- learning ------------------------------------------------------------------------

    def observe(self, evidence: BurstEvidence, event_id: str, at: float) -> bool:
        """Learn from an event that was judged.

        Args:
            evidence: of the burst.
            event_id: of the event.
            at: when it moved, seconds since 1970.

        Returns:
            Whether the camera turned out to show another view, so that learning began again.

        Raises:
            ValueError: its regions alone were described, as on trial: a view is learned as a whole.
        """
        if not len(evidence.features):
            raise ValueError("the memory learns from whole frames, and this burst has none")
        self.events += 1
        view = self._view
        view.strange_events = view.strange_events + 1 if self._is_strange(evidence) else 0
        if 0 < view.strange_events < _STRANGE_EVENTS:
            return False
        is_turned = view.strange_events > 0
        if is_turned:
            self._view = SceneView()
            self.reaimed += 1
            self.events = 1
        self._view.grid = evidence.grid
        self._learn(evidence, event_id, at)
        return is_turned

    def _is_strange(self, evidence: BurstEvidence) -> bool:
        if self.grid not in (None, evidence.grid):
            return True  # pictures of another shape
        plate = self.plates.get(evidence.light)
        if plate is None:
            return False
        likeness = plate.likeness(evidence)
        usual = self._view.usual_likeness.get(evidence.light, likeness)
        if plate.events >= _VIEW_EVENTS and likeness < _VIEW_SHARE * usual:
            return True
        usual += (likeness - usual) / min(plate.events, 32)
        self._view.usual_likeness[evidence.light] = usual
        return False

    def _learn(self, evidence: BurstEvidence, event_id: str, at: float) -> None:
        light, session = evidence.light, session_of(at)
        plate = self.plates.get(light)
        if plate is None:
            self.plates[light] = Plate.from_burst(evidence)
        else:
            plate.learn(evidence)
        self._forget(at)
        moved = evidence.moved.astype(np.float32)
        view = self._view
        view.moved = moved if view.moved is None else view.moved + moved
        view.seen += 1.0
        draw = np.random.default_rng(self.events)
        taught = evidence.regions[:TAUGHT_REGIONS]
        self.bank.add(taught, session, event_key(event_id), draw)
        self.sessions.add(session)

    def _forget(self, at: float) -> None:
        view = self._view
        passed_days = max(0.0, at - (at if view.latest_at is None else view.latest_at)) / 86400
        view.latest_at = max(at, view.latest_at or at)
        kept = 0.5 ** (passed_days / HALF_LIFE_DAYS)
        if view.moved is not None:
            view.moved = view.moved * np.float32(kept)
            view.seen *= kept

    # --- judging -------------------------------------------------------------------------

    def recurrence(self) -> Floats:
        """Return in which share of the events every cell moves, (rows, columns), smoothed."""
        if self._view.moved is None:
            raise ValueError("the memory has not seen an event yet")
        return _smooth(self._view.moved / np.float32(max(self._view.seen, 1.0)))

    def knows(self, evidence: BurstEvidence) -> bool:
        """Whether it can say anything about a burst: the view and the light were seen before."""
        plate = self.plates.get(evidence.light)
        return (
            self.grid == evidence.grid
            and plate is not None
            and plate.events >= _VIEW_EVENTS
            and not self._view.strange_events
            and len(self.bank) > 0
        )

    def assess(
        self, regions: Sequence[RegionEvidence], light: Light, at: float
    ) -> tuple[AssessedRegion, ...]:
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
        return tuple(
            AssessedRegion(
                **vars(region),
                deviation=float(np.sort(deviation)[-_WORST_CELLS:].mean()),
                novelty=float(1.0 - usual[index]),
                sessions=int((alike[index] >= ALIKE).sum()),
                recurrence=float(recurrence[region.cells].mean()),
            )
            for index, (region, deviation) in enumerate(zip(regions, deviations, strict=True))
        )

    def _alike_by_session(self, regions: Sequence[RegionEvidence], session: int) -> Floats:
        """Return the largest likeness in every other session, (n, sessions)."""
        others = self.bank.session != session
        likeness = self.bank.likeness(regions)[:, others]
        if not likeness.shape[1]:
            return np.zeros((len(regions), 1), np.float32)
        sessions = self.bank.session[others]
        order = np.argsort(sessions, kind="stable")
        sessions = sessions[order]
        first = np.flatnonzero(np.diff(sessions, prepend=sessions[0] - 1))
        return np.asarray(np.maximum.reduceat(likeness[:, order], first, axis=1), np.float32)

    # --- on disk -------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the memory, at most a megabyte, in one step.

        Raises:
            OSError: the file cannot be written.
        """
        write_memory(path, self.content())

    @classmethod
    def load(cls, path: Path, encoder: str) -> SceneMemory:
        """Read a memory.

        Raises:
            FileNotFoundError: there is none.
            StateFileError: it is broken, of another version or of another encoder.
        """
        return cls.of(read_memory(path, encoder))

    def content(self) -> MemoryContent:
        """Return what a file of it holds; it goes on changing with the memory."""
        return MemoryContent(
            encoder=self.encoder, events=self.events, reaimed=self.reaimed, view=self._view
        )

    @classmethod
    def of(cls, content: MemoryContent) -> SceneMemory:
        """Return the memory that a file holds."""
        memory = cls(content.encoder)
        memory.events, memory.reaimed = content.events, content.reaimed
        memory._view = content.view
        return memory


def session_of(at: float) -> int:
    """Return the session that a moment, seconds since 1970, belongs to."""
    return int(at // SESSION_S)


def _smooth(cells: Floats) -> Floats:
    """Blur over neighbouring cells: a mover does not stop at the edge of one."""
    padded = np.pad(cells, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16, np.float32)

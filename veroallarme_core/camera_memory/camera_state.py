"""One camera's learned state in a folder: its memory, written by the worker, and its model."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.camera_memory.alike_region import AlikeRegion, Place, alike_regions
from veroallarme_core.camera_memory.assessed_region import AssessedRegion, Thumb
from veroallarme_core.camera_memory.camera_model import CameraModel
from veroallarme_core.camera_memory.learning_pace import days_left
from veroallarme_core.camera_memory.region_bank import event_key
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.camera_memory.state_file import StateFileError
from veroallarme_core.contract import LearningProgress, Promise
from veroallarme_core.description import (
    CERTAIN_SCORE,
    ENCODER_NAME,
    BurstEvidence,
    RegionEvidence,
)
from veroallarme_core.files import write_atomically

T = TypeVar("T")

MEMORY_FILE, MODEL_FILE, REPORT_FILE = "memory.npz", "model.npz", "report.json"
REBUILT_FILE = "memory_rebuilt.npz"
"""A memory that an adaptation built anew, for the worker to take over if it knows less."""

FEWEST_EVENTS = 40
"""Before so many events nothing is promised."""
FEWEST_SESSIONS = 24
"""Nor before so many sessions."""
THUMBS_DOWN = 3
"""Thumbs down of different sessions that together suppress what is less like each of them, and
people who are like them all."""
_SAME = 0.85  # likeness of the same thing at the same place: there one thumb is enough
_ALIKE = 0.7  # ... and from which several thumbs down agree


class Judged(Protocol):
    """A judged burst, as far as the memory learns from it."""

    @property
    def evidence(self) -> BurstEvidence | None:
        """The region with the highest score first: a thumb up is about it."""


@dataclass(frozen=True)
class Recollection:
    """What a camera knows of the regions of a burst.

    `model` is None where it cannot promise anything yet, and only thumbs count.
    """

    regions: tuple[AssessedRegion, ...]
    model: CameraModel | None


class CameraState:
    """What one camera has learned; may be read while it learns, from another thread.

    Args:
        folder: of the camera's state.
        memory: of its scene.
        model: None where it was never adapted.
        fault: one sentence where a file could not be used; the camera then learns anew.
    """

    def __init__(
        self,
        folder: Path,
        memory: SceneMemory,
        model: CameraModel | None = None,
        fault: str | None = None,
    ) -> None:
        self.folder = folder
        self.fault = fault
        self._highest_line: float | None = None
        self._memory = memory
        # A model may have been learned while the camera was turned.
        self._model = model if model is not None and model.view == memory.reaimed else None
        self._model_file = _stamp(folder / MODEL_FILE)
        self._notices: list[str] = [] if fault is None else [fault]
        self._detector_noticed: str | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, encoder: str = ENCODER_NAME) -> CameraState:
        """Read a camera's state. What is missing begins empty; a broken file is set aside."""
        faults: list[str] = []
        memory = _load(SceneMemory.load, folder / MEMORY_FILE, encoder, faults)
        model = _load(CameraModel.load, folder / MODEL_FILE, encoder, faults)
        return cls(folder, memory or SceneMemory(encoder), model, " ".join(faults) or None)

    @classmethod
    def read(cls, folder: Path, encoder: str = ENCODER_NAME) -> CameraState:
        """Read a camera's state and leave its files as they are.

        Raises:
            StateFileError: a file cannot be used.
        """
        memory, model = SceneMemory(encoder), None
        with contextlib.suppress(FileNotFoundError):
            memory = SceneMemory.load(folder / MEMORY_FILE, encoder)
        with contextlib.suppress(FileNotFoundError):
            model = CameraModel.load(folder / MODEL_FILE, encoder)
        return cls(folder, memory, model)

    @classmethod
    def on_trial(
        cls, folder: Path, memory: SceneMemory, model: CameraModel, highest_line: float
    ) -> CameraState:
        """Let a model judge that promises nothing yet: its promise is what is being tried.

        `highest_line` is the rank below which its line may come to lie.
        """
        state = cls(folder, memory, model)
        state._highest_line = highest_line
        return state

    @property
    def is_on_trial(self) -> bool:
        """Whether the promise of its model is being tried, and nothing is suppressed yet."""
        return self._highest_line is not None

    def may_suppress(self, rank: float) -> bool:
        """Tell whether what ranks like that may come to be suppressed, while on trial."""
        return self._highest_line is not None and rank < self._highest_line

    # --- what it knows -------------------------------------------------------------------

    @property
    def learned(self) -> bool:
        """Whether the promise of recall can be kept."""
        return self.promise is not None

    @property
    def promise(self) -> Promise | None:
        """The promise and its evidence; None while the camera learns."""
        return None if self._model is None else self._model.promise

    @property
    def model(self) -> CameraModel | None:
        """What the adaptation learned; None where there is none for the present view."""
        return self._model

    @property
    def progress(self) -> LearningProgress:
        """How far it has learned."""
        events, sessions = self._memory.events, len(self._memory.sessions)
        if self.learned:
            return _progress(events, sessions, 1.0, "")
        if events < FEWEST_EVENTS:
            missing = f"{FEWEST_EVENTS - events} more events"
        elif sessions < FEWEST_SESSIONS:
            missing = f"events at {FEWEST_SESSIONS - sessions} more times"
        else:
            missing = "an adaptation that finds the promise can be kept"
        share = min(1.0, events / FEWEST_EVENTS, sessions / FEWEST_SESSIONS)
        # Without the promise it is never done.
        return _progress(events, sessions, 0.95 * share, missing)

    def days_left(self, at: float) -> float | None:
        """Return the days until enough for a promise has moved, as `days_left` of its pace.

        Args:
            at: now, seconds since 1970.
        """
        if self.learned:
            return None
        return days_left(
            self._memory.sessions,
            events=self._memory.events,
            events_needed=FEWEST_EVENTS,
            sessions_needed=FEWEST_SESSIONS,
            at=at,
        )

    def notices(self) -> list[str]:
        """Return what the user should be told, each sentence once."""
        notices, self._notices = self._notices, []
        return notices

    def recurrence(self) -> tuple[int, NDArray[np.float32]] | None:
        """Return the events of the present view, and in which share of them every cell moves.

        None before the first event; cells as `SceneMemory.recurrence` has them.
        """
        with self._lock:
            if self._memory.grid is None:
                return None
            return self._memory.events, self._memory.recurrence()

    def alike(
        self, event_id: str, places: Sequence[Place], most: int
    ) -> list[tuple[AlikeRegion, ...] | None]:
        """Return for each region of a past event what is most like it; see `alike_regions`."""
        with self._lock:
            return alike_regions(self._memory.bank, event_id, places, most)

    # --- judging -------------------------------------------------------------------------

    def recall(self, evidence: BurstEvidence, *, event_id: str, at: float) -> Recollection | None:
        """Say what is known of the regions of a burst.

        Args:
            evidence: of the burst.
            event_id: of the event; what was said of it does not count.
            at: when it moved, seconds since 1970.

        Returns:
            What the memory holds; None where it does not know the view or the light, or where it
            can promise nothing yet and no thumb speaks for or against these regions.
        """
        with self._lock:
            if not self._memory.knows(evidence):
                return None
            model = self._model if self.promise is not None or self.is_on_trial else None
            if model is not None and model.detector != evidence.detector:
                self._notice_detector(model.detector, evidence.detector)
                model = None
            thumbs = self._thumbs(evidence.regions, event_id)
            if model is None and set(thumbs) <= {Thumb.NONE}:
                return None
            assessed = self._memory.assess(evidence.regions, evidence.light, at)
        regions = (
            replace(region, thumb=thumb) for region, thumb in zip(assessed, thumbs, strict=True)
        )
        return Recollection(tuple(regions), model)

    def _notice_detector(self, learned: str, now: str) -> None:
        notice = (
            f"it was learned with the detector {learned or 'none'}, not with {now or 'none'}: "
            "until the next adaptation all motion raises the alarm that is not proven nuisance"
        )
        if self._detector_noticed != now:
            self._detector_noticed = now
            self._notices.append(notice)

    def _thumbs(self, regions: Sequence[RegionEvidence], event_id: str) -> list[Thumb]:
        """Return what the user said of each region.

        One thumb is enough for the same thing at the same place, and the nearest one counts. What
        is less alike needs thumbs down of `THUMBS_DOWN` sessions, and no thumb up against. Who is
        recognised as a person for certain needs as many for the same thing: the neighbour who is
        called a false alarm once looks much like the next one to stand there. So does whatever
        no detector looked at.
        """
        bank = self._memory.bank
        is_judged = (bank.label != 0) & (bank.event != np.uint64(event_key(event_id)))
        if not regions or not is_judged.any():
            return [Thumb.NONE] * len(regions)
        label, session = bank.label[is_judged], bank.session[is_judged]

        def sessions_down(likeness: NDArray[np.float32], least: float) -> int:
            return len(set(session[(likeness >= least) & (label < 0)].tolist()))

        thumbs = []
        for region, likeness in zip(regions, bank.likeness(regions)[:, is_judged], strict=True):
            confirmed = float(likeness[label > 0].max(initial=0.0))
            rejected = float(likeness[label < 0].max(initial=0.0))
            # Whom nobody looked at may be one.
            is_person = not region.person_score < CERTAIN_SCORE
            same_down = sessions_down(likeness, _SAME)
            alike_down = 0 if is_person else sessions_down(likeness, _ALIKE)
            if confirmed >= _SAME and confirmed >= rejected:
                thumbs.append(Thumb.RELEVANT)
            elif same_down >= (THUMBS_DOWN if is_person else 1) or (
                alike_down >= THUMBS_DOWN and confirmed < _ALIKE
            ):
                thumbs.append(Thumb.NUISANCE)
            else:
                thumbs.append(Thumb.NONE)
        return thumbs

    # --- learning ------------------------------------------------------------------------

    def observe(self, event_id: str, motion_at: datetime, judged: Judged) -> None:
        """Let the memory learn from an event that was judged.

        Args:
            event_id: of the event.
            motion_at: when it moved; aware.
            judged: the result; without evidence there is nothing to learn.
        """
        if judged.evidence is None:
            return
        with self._lock:
            turned = self._memory.observe(judged.evidence, event_id, motion_at.timestamp())
            if turned:
                self._model = None
                self._notices.append(
                    "the camera shows another view than before: learning begins again, and until "
                    "it is done all motion raises the alarm"
                )
        if turned:
            with contextlib.suppress(OSError):
                (self.folder / MODEL_FILE).unlink(missing_ok=True)

    def apply_feedback(self, event_id: str, relevant: bool | None) -> None:
        """Take the user's word on an event, or take it back (None); it acts from now on.

        An event that the memory no longer holds is left to the next adaptation.
        """
        with self._lock:
            self._memory.bank.judge(event_id, relevant)

    def reload_model(self) -> bool:
        """Take over what an adaptation wrote; return whether there was something new."""
        path = self.folder / MODEL_FILE
        stamp = _stamp(path)
        if stamp is None or stamp == self._model_file:
            return False
        self._model_file = stamp
        encoder, rebuilt = self._memory.encoder, self.folder / REBUILT_FILE
        model = _load(CameraModel.load, path, encoder, self._notices)
        if model is None:
            return False
        memory = _load(SceneMemory.load, rebuilt, encoder, self._notices)
        with contextlib.suppress(OSError):
            rebuilt.unlink(missing_ok=True)
        if model.view != self._memory.reaimed:
            return False  # the camera was turned while this was being learned
        with self._lock:
            self._model = model
            # After its own file was lost the worker's memory knows less than the events on disk.
            if memory is not None and memory.events > self._memory.events:
                self._memory = memory
        return True

    def save(self) -> None:
        """Write the memory in one step, from the thread that lets it learn.

        Raises:
            OSError: it cannot be written.
        """
        # Without the lock: only this thread changes the memory, and no alarm waits for a slow disk.
        self._memory.save(self.folder / MEMORY_FILE)


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write what came of the latest adaptation, for people and for the worker."""
    write_atomically(folder / REPORT_FILE, json.dumps(report, indent=2) + "\n")


def _stamp(path: Path) -> tuple[int, int] | None:
    """Recognise a file that was replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _load(load: Callable[[Path, str], T], path: Path, encoder: str, faults: list[str]) -> T | None:
    """Read a file; None where there is none, or where it cannot be used and was set aside."""
    try:
        return load(path, encoder)
    except FileNotFoundError:
        return None
    except (StateFileError, OSError) as error:
        faults.append(_set_aside(path, error))
        return None


def _set_aside(path: Path, error: Exception) -> str:
    """Rename a file that cannot be used, and say so in one sentence."""
    aside = path.with_name(f"{path.name}.broken")
    with contextlib.suppress(OSError):
        os.replace(path, aside)
    day = datetime.now(UTC).date().isoformat()
    return (
        f"{path.name} of {path.parent.name} could not be used and was set aside as {aside.name} "
        f"on {day}; the camera learns it anew ({error})"
    )


def _progress(events: int, sessions: int, share: float, missing: str) -> LearningProgress:
    return LearningProgress(
        events_seen=events,
        sessions_seen=sessions,
        share=share,
        missing=missing,
        events_needed=FEWEST_EVENTS,
        sessions_needed=FEWEST_SESSIONS,
    )

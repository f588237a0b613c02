"""What a camera learns, in a thread of its own: no alarm waits for it, none is lost by it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from veroallarme_core import __version__
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import (
    AdaptationStats,
    LearningProgress,
    LearningStats,
    Notice,
    Promise,
    iso,
)
from veroallarme_core.files import write_atomically
from veroallarme_core.pipeline import PipelineResult
from veroallarme_core.worker.clock import now

_LOGGER = logging.getLogger(__name__)

LEARN_LIMIT_S = 5.0
"""How long learning from one event may take before it is given up."""
FIRST_ADAPTATION_EVENTS = 50
"""Events after which a camera is adapted for the first time; then at twice as many, and so on."""
RECORD_FILE = "last_adaptation.json"

Complain = Callable[[str, str], None]
Resolve = Callable[[str], None]


NOTHING_LEARNED = LearningProgress(
    events_seen=0,
    sessions_seen=0,
    share=0.0,
    missing="Learning is switched off, or what was learned cannot be opened.",
)


class Outcome(StrEnum):
    """How an adaptation ended."""

    LEARNED = "learned"
    """The promise of recall can be kept."""
    LEARNING = "learning"
    """It cannot be kept yet."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class AdaptationInput:
    """What an adaptation learns from; while it stays the same, another one finds nothing new."""

    events_seen: int
    digest: str
    """Of what the user has said of the camera, and the version of the software."""


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """One finished adaptation of a camera."""

    at: str
    """When it ended, ISO 8601 in UTC."""
    seconds: float
    events: int
    """Events that it learned from."""
    outcome: Outcome
    basis: AdaptationInput

    def stats(self) -> AdaptationStats:
        """Return what the camera's stats say of it."""
        return AdaptationStats(
            at=self.at, seconds=self.seconds, events=self.events, outcome=self.outcome.value
        )


@dataclass(frozen=True, kw_only=True)
class LearningStatus:
    """How far a camera has been learned, to be read from any thread."""

    learned: bool = False
    progress: LearningProgress = NOTHING_LEARNED
    promise: Promise | None = None

    @classmethod
    def read(cls, state: CameraState) -> LearningStatus:
        """Take it from a camera's state."""
        days_left = state.days_left(now().timestamp())
        progress = replace(state.progress, days_left=days_left)
        return cls(learned=state.learned, progress=progress, promise=state.promise)


class CameraLearning:
    """One camera's state behind the event loop; its faults end in a complaint, never in an alarm.

    Args:
        camera: its id.
        folder: where its state lies.
        thread: runs whatever blocks or changes the state, one call after the other.
        complain: see `WorkerServices`.
        resolve: see `WorkerServices`.
    """

    def __init__(
        self,
        camera: str,
        folder: Path,
        thread: ThreadPoolExecutor,
        complain: Complain,
        resolve: Resolve,
    ) -> None:
        self.camera = camera
        self.folder = folder
        self.last: Adaptation | None = None
        self._state: CameraState | None = None
        self._status = LearningStatus()
        self._notice: Notice | None = None
        self._thread = thread
        self._complain = complain
        self._resolve = resolve

    @property
    def state(self) -> CameraState | None:
        """What judging reads, also while it learns; None where nothing is learned."""
        return self._state

    @property
    def learned(self) -> bool:
        """Whether the promise of recall can be kept."""
        return self._status.learned

    @property
    def is_due(self) -> bool:
        """Whether enough has come in since the last adaptation to try for a promise again."""
        if self._state is None or self.learned:
            return False
        seen = self._status.progress.events_seen
        before = 0 if self.last is None else self.last.basis.events_seen
        # A camera that was re-aimed counts anew.
        return seen >= FIRST_ADAPTATION_EVENTS and not before <= seen < 2 * before

    def basis(self, guidance: str) -> AdaptationInput:
        """Return what an adaptation would learn from at this moment.

        Args:
            guidance: what the user has said of the camera: thumbs, zones, the promised recall.
        """
        content = f"{__version__}\n{guidance}"
        return AdaptationInput(
            events_seen=self._status.progress.events_seen,
            digest=hashlib.sha256(content.encode()).hexdigest()[:16],
        )

    def stats(self) -> LearningStats:
        """Return the part of the camera's stats that is about learning."""
        return LearningStats(
            learned=self.learned,
            progress=self._status.progress,
            promise=self._status.promise,
            adaptation=None if self.last is None else self.last.stats(),
            notice=self._notice,
        )

    async def open(self) -> bool:
        """Read what a former run has learned; return whether anything can be learned now."""
        loop = asyncio.get_running_loop()
        try:
            state = await loop.run_in_executor(self._thread, CameraState.open, self.folder)
            self.last = await loop.run_in_executor(self._thread, _read_record, self.folder)
            self._status, notices = LearningStatus.read(state), state.notices()
        except Exception as error:
            self._failed("what was learned cannot be opened", error)
            return False
        self._state = state
        self._tell(notices)
        return True

    async def observe(self, event_id: str, motion_at: datetime, result: PipelineResult) -> None:
        """Learn from an event that was judged."""

        def learn(state: CameraState) -> None:
            state.observe(event_id, motion_at, result)
            state.save()

        await self._change("an event cannot be learned from", learn)

    async def apply_feedback(self, event_id: str, relevant: bool | None) -> None:
        """Let a thumb act at once, as far as it may."""

        def learn(state: CameraState) -> None:
            state.apply_feedback(event_id, relevant)
            state.save()

        await self._change("a thumb cannot be learned from", learn)

    async def finish_adaptation(self, adaptation: Adaptation) -> None:
        """Take over what an adaptation has written, and remember how it ended."""

        recorded = adaptation

        def take_over(state: CameraState) -> None:
            nonlocal recorded
            if adaptation.outcome is not Outcome.FAILED:
                state.reload_model()
            if adaptation.outcome is Outcome.LEARNED and not state.learned:
                # The camera was turned at the last moment: that model is of the view before.
                recorded = replace(adaptation, outcome=Outcome.LEARNING)
            _write_record(self.folder, recorded)

        done = await self._change("what was learned cannot be taken over", take_over)
        self.last = recorded if done else replace(adaptation, outcome=Outcome.FAILED)

    async def _change(self, trouble: str, call: Callable[[CameraState], object]) -> bool:
        """Change the state in its thread; return whether that went well."""
        if (state := self._state) is None:
            return False

        def change() -> list[str]:
            try:
                call(state)
            finally:
                # What could not be saved counts all the same until the worker ends.
                self._status = LearningStatus.read(state)
            return state.notices()

        try:
            async with asyncio.timeout(LEARN_LIMIT_S):
                notices = await asyncio.get_running_loop().run_in_executor(self._thread, change)
        except Exception as error:  # whatever is wrong with learning, alarms go on
            self._failed(trouble, error)
            return False
        self._resolve(f"{self.camera}/learning")
        self._tell(notices)
        return True

    def _tell(self, notices: list[str]) -> None:
        for notice in notices:
            self._notice = Notice(at=now(), message=notice)
            self._complain(f"{self.camera}/notice", f"{self.camera}: {notice}")

    def _failed(self, trouble: str, error: Exception) -> None:
        if isinstance(error, OSError):  # TimeoutError is one
            remedy = "check that the disk of state_dir is there, writable and not full"
        else:
            _LOGGER.error("%s: %s", self.camera, trouble, exc_info=error)
            remedy = "alarms go on; please report it with the log"
        reason = str(error) or "no answer in time"
        self._complain(f"{self.camera}/learning", f"{self.camera}: {trouble} ({reason}): {remedy}")


def _write_record(folder: Path, adaptation: Adaptation) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / RECORD_FILE, json.dumps(asdict(adaptation)))


def _read_record(folder: Path) -> Adaptation | None:
    """Return the last adaptation; None where there was none, or its record is broken."""
    try:
        content = json.loads((folder / RECORD_FILE).read_bytes())
        basis = content["basis"]
        seconds = float(content["seconds"])
        if not math.isfinite(seconds):
            return None
        return Adaptation(
            at=iso(datetime.fromisoformat(content["at"])),
            seconds=seconds,
            events=int(content["events"]),
            outcome=Outcome(content["outcome"]),
            basis=AdaptationInput(
                events_seen=int(basis["events_seen"]), digest=str(basis["digest"])
            ),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None

"""A camera's state that does as it is told, for tests of what the worker makes of it."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from veroallarme_core.contract import LearningProgress, Promise
from veroallarme_core.pipeline import PipelineResult
from veroallarme_core.worker.camera import learning

PROMISE = Promise(
    recall=0.99,
    confidence=0.95,
    synthetic=600,
    confirmed=12,
    synthetic_recall=0.995,
    confirmed_recall=1.0,
    since="2026-11-23T03:00:41.000+00:00",
)


@dataclass
class FakeState:
    """Stands for `CameraState`; `faults` raises on the calls that it names."""

    learned: bool = False
    events_seen: int = 0
    takes_s: float = 0.0
    faults: dict[str, Exception] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    calls: list[tuple[object, ...]] = field(default_factory=list)
    moving: tuple[int, NDArray[np.float32]] | None = None
    """What `recurrence` returns."""

    @property
    def promise(self) -> Promise | None:
        return PROMISE if self.learned else None

    @property
    def progress(self) -> LearningProgress:
        missing = "" if self.learned else "More events are needed."
        return LearningProgress(
            events_seen=self.events_seen,
            sessions_seen=min(self.events_seen, 1),
            share=1.0 if self.learned else 0.25,
            missing=missing,
        )

    def days_left(self, at: float) -> float | None:
        return None

    def observe(self, event_id: str, motion_at: datetime, result: PipelineResult) -> None:
        self._call("observe", event_id)
        self.events_seen += 1

    def recurrence(self) -> tuple[int, NDArray[np.float32]] | None:
        return self.moving

    def save(self) -> None:
        self._call("save")

    def apply_feedback(self, event_id: str, relevant: bool | None) -> None:
        self._call("apply_feedback", event_id, relevant)

    def reload_model(self) -> bool:
        self._call("reload_model")
        self.learned = True
        return True

    def notices(self) -> list[str]:
        told, self.told = self.told, []
        return told

    def _call(self, name: str, *arguments: object) -> None:
        self.calls.append((name, *arguments))
        time.sleep(self.takes_s)
        if name in self.faults:
            raise self.faults[name]


def install(monkeypatch: pytest.MonkeyPatch, state: FakeState) -> None:
    """Let the worker open this state, whatever the folder."""

    class Opened:
        @staticmethod
        def open(folder: Path) -> FakeState:
            state._call("open", folder)
            return state

    monkeypatch.setattr(learning, "CameraState", Opened)

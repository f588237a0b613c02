"""How much a run measures, and what each part of it gives back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.suite.figures import Figure

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for on the command line."""

    quick: bool = False
    """One short round of everything: it shows that all of it runs, and little more."""
    clock: str = "cpu"
    """`cpu` or `wall`."""
    footage: Path | None = None
    """Folder of real events, `cameras/<camera>/<event>/{0,1,2}.jpg`; None measures drawn ones."""
    rounds: int = 5

    @property
    def now(self) -> Clock:
        """The clock: seconds of this process and of those that it has ended, or of the wall."""
        return time.perf_counter if self.clock == "wall" else cpu_now


@dataclass(frozen=True)
class Part:
    """What a part of the run has measured."""

    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""


def cpu_now() -> float:
    """Return the processor time of this process and of its children that have ended, in seconds."""
    spent = os.times()
    # `os.times` counts hundredths of the process itself, which is too coarse for one event.
    return time.process_time() + spent.children_user + spent.children_system


def milliseconds(work: Callable[[], object], now: Clock) -> float:
    """Return what some work takes."""
    started = now()
    work()
    return (now() - started) * 1e3

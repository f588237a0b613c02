"""How far a long step is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

ReportProgress = Callable[[str, int, int], None]
"""Told the step and how much of it is done, of how much."""

_EVERY_S = 5.0


class ProgressLine:
    """Tells on stderr how far a long step is, at most every few seconds."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Tell that `done` of `total` are done in a step."""
        if done == total or time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            print(f"{step}: {done} of {total}", file=sys.stderr, flush=True)

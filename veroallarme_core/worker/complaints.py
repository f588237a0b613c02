"""What is wrong at the moment: told in the log, and in the worker's health until it is over."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from veroallarme_core.contract import HealthError
from veroallarme_core.worker.clock import now

_LOGGER = logging.getLogger(__name__)

REPEAT_AFTER_S = 60.0
"""How soon the same sentence is logged again."""
MAX_SENTENCES = 10
"""Different sentences about one thing that are logged within that time."""
MAX_KEYS = 256
MAX_SHOWN = 8
"""Complaints that the health holds."""


@dataclass
class _Complaint:
    sentence: str
    at: datetime
    logged: dict[str, float] = field(default_factory=dict)
    """When each sentence was logged, on the monotonic clock, in seconds."""
    is_flood: bool = False


class Complaints:
    """Keeps the complaints that are not resolved, the oldest given up where there are too many.

    Args:
        changed: called when there is something new to show.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._open: OrderedDict[str, _Complaint] = OrderedDict()

    def tell(self, key: str, sentence: str) -> None:
        """Log a sentence and show it, at most one a minute about the same thing.

        Args:
            key: what it is about; by it the complaint is taken back.
            sentence: what is wrong, where, and what to do.
        """
        self._tell(key, sentence, at_once=1)

    def tell_each(self, key: str, sentence: str) -> bool:
        """Log a sentence and show it, each that differs from the others about the same thing.

        For what others send us: three wrong messages are three mistakes.

        Returns:
            Whether it was told: not where it was a moment ago, nor in a flood.
        """
        return self._tell(key, sentence, at_once=MAX_SENTENCES)

    def _tell(self, key: str, sentence: str, *, at_once: int) -> bool:
        at = time.monotonic()
        complaint = self._open.get(key) or _Complaint(sentence, now())
        recent = {
            known: when for known, when in complaint.logged.items() if at - when < REPEAT_AFTER_S
        }
        complaint.logged = recent
        if sentence in recent:
            return False
        if len(recent) >= at_once:
            if at_once > 1 and not complaint.is_flood:
                complaint.is_flood = True
                _LOGGER.warning("%s: further complaints are not logged for a minute", key)
            return False
        complaint.is_flood = False
        recent[sentence] = at
        _LOGGER.warning("%s", sentence)
        self._show(key, complaint, sentence)
        return True

    def note(self, key: str, sentence: str) -> None:
        """Show a sentence that has been logged already."""
        self._show(key, self._open.get(key) or _Complaint(sentence, now()), sentence)

    def _show(self, key: str, complaint: _Complaint, sentence: str) -> None:
        complaint.sentence, complaint.at = sentence, now()
        self._open[key] = complaint
        self._open.move_to_end(key)
        if len(self._open) > MAX_KEYS:
            self._open.popitem(last=False)
        self._changed()

    def resolve(self, key: str) -> None:
        """Take a complaint back: the trouble is over."""
        if self._open.pop(key, None) is not None:
            self._changed()

    def resolve_all(self, prefix: str) -> None:
        """Take back all complaints whose keys begin so."""
        for key in [key for key in self._open if key.startswith(prefix)]:
            self.resolve(key)

    def about(self, prefix: str) -> list[HealthError]:
        """Return what is not resolved of what begins so, the latest first."""
        return [
            HealthError(key=key, message=complaint.sentence, at=complaint.at)
            for key, complaint in reversed(self._open.items())
            if key.startswith(prefix)
        ]

    def shown(self) -> list[HealthError]:
        """Return what is not resolved for the health, the latest first."""
        return self.about("")[:MAX_SHOWN]

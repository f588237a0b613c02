"""Which suppressed events are worth a look: misses are invisible unless somebody looks for them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta

from veroallarme_core.contract import ReviewEntry, ReviewList, Verdict, dump_state
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.storage import SuppressedEvent

PUBLISH_EVERY_S = 60.0
REVIEW_DAYS = 7.0
MAX_ENTRIES = 20
MAX_CLOSE_CALLS = 5
CLOSE_CALL_HOURS = 24.0
SAMPLE_SHARE = 0.035
"""Of the suppressed events; by chance 2 to 5 % of those of a day."""
MAX_SUPPRESSED = 5000
"""Events that are remembered, the newest ones."""


class Review:
    """Chooses among the suppressed events of one camera, and publishes its choice.

    Args:
        suppressed: events of former runs, oldest first.
        answered: events that the user has given feedback for; they need no other look.
        days: how long an event may be looked at.
        publish: called with the payload at most once every `PUBLISH_EVERY_S`.
    """

    def __init__(
        self,
        suppressed: Iterable[SuppressedEvent],
        answered: Collection[str],
        days: float,
        publish: Callable[[bytes], None],
    ) -> None:
        self._suppressed = {event.event_id: event for event in suppressed}
        self._answered = set(answered)
        self._days = days
        self._publish = publish
        self._published: bytes | None = None
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def add(self, verdict: Verdict) -> None:
        """Take note of a verdict."""
        if verdict.relevant:
            return
        self._suppressed[verdict.event_id] = SuppressedEvent(
            event_id=verdict.event_id,
            motion_at=verdict.motion_at,
            score=verdict.score,
            threshold=verdict.threshold,
            reason=verdict.reason,
        )
        self.refresh()

    def answer(self, event_id: str, relevant: bool | None) -> None:
        """Take note of feedback for an event, or that it was taken back."""
        if relevant is None:
            self._answered.discard(event_id)
        else:
            self._answered.add(event_id)
        self.refresh()

    def refresh(self) -> None:
        """Publish the choice, if it has changed, as soon as it may be."""
        if self._timer is None and not self._stopped:
            loop = asyncio.get_running_loop()
            wait_s = max(0.0, self._not_before - loop.time())
            self._timer = loop.call_later(wait_s, self._publish_changed)

    def stop(self) -> None:
        """Publish nothing more, whatever is noted from now on."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _publish_changed(self) -> None:
        self._timer = None
        before = self._published
        if (payload := self.payload()) != before:
            self._not_before = asyncio.get_running_loop().time() + PUBLISH_EVERY_S
            self._publish(payload)

    def payload(self) -> bytes:
        """Return the choice as the contract writes it, to be published."""
        self._published = dump_state(ReviewList(events=self.entries()).to_dict())
        return self._published

    def entries(self) -> tuple[ReviewEntry, ...]:
        """Return the choice as it is now: the closest calls first, then the sample."""
        self._forget()
        return tuple(self._entries())

    def _forget(self) -> None:
        """Drop what is too old or too much."""
        oldest = now() - timedelta(days=self._days)
        newest = list(self._suppressed.values())[-MAX_SUPPRESSED:]
        self._suppressed = {event.event_id: event for event in newest if event.motion_at >= oldest}

    def _entries(self) -> Iterator[ReviewEntry]:
        """Yield the closest calls, closest first, then the sample, newest first."""
        waiting = [
            event for event in self._suppressed.values() if event.event_id not in self._answered
        ]
        close = _close_calls(waiting)
        chosen = {event.event_id for event in close}
        sample = [
            event
            for event in waiting
            if event.event_id not in chosen and is_sampled(event.event_id)
        ]
        sample.sort(key=lambda event: event.motion_at, reverse=True)
        yield from (_entry(event, "close_call") for event in close)
        yield from (_entry(event, "sample") for event in sample[: MAX_ENTRIES - len(close)])


def is_sampled(event_id: str) -> bool:
    """Whether an event belongs to the sample; its id decides, so that this never changes."""
    number = int.from_bytes(hashlib.sha256(event_id.encode()).digest()[:8], "big")
    return number < SAMPLE_SHARE * 2**64


def _close_calls(events: Iterable[SuppressedEvent]) -> list[SuppressedEvent]:
    """Return the events of the last day whose score missed the threshold by least."""
    oldest = now() - timedelta(hours=CLOSE_CALL_HOURS)
    missed_by = [
        (event.threshold - event.score, event.event_id, event)
        for event in events
        if event.score is not None and event.motion_at >= oldest
    ]
    return [event for _, _, event in sorted(missed_by)[:MAX_CLOSE_CALLS]]


def _entry(event: SuppressedEvent, why: str) -> ReviewEntry:
    return ReviewEntry(
        event_id=event.event_id,
        motion_at=event.motion_at,
        score=event.score,
        threshold=event.threshold,
        reason=event.reason,
        why=why,
    )

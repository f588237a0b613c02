"""What must hold after all faults: each accepted start has one verdict, and no alarm is missing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, fields

from benchmarks import delivery
from benchmarks.chaos.world import World
from benchmarks.worker import motion_topic


@dataclass(kw_only=True)
class Losses:
    """Counts that must all be 0."""

    starts_lost: int = 0
    """Accepted by the broker, in no event with a verdict."""
    starts_covered_twice: int = 0
    verdicts_that_miscount: int = 0
    """Whose ``1 + merged`` is not the number of their journalled starts."""
    verdicts_not_heard: int = 0
    """That never came over MQTT."""
    verdicts_that_differ: int = 0
    """Events that were told with two different states."""
    suppressed: int = 0
    """Events that raised no alarm; all pictures show somebody."""
    alarms_left_wrong: int = 0
    """Cameras whose retained alarm is not off in the end."""
    crashes: int = 0
    tracebacks: int = 0

    def add(self, other: Losses) -> None:
        """Add what another look has found."""
        for figure in fields(self):
            setattr(self, figure.name, getattr(self, figure.name) + getattr(other, figure.name))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, figure.name) for figure in fields(self))


class Journal:
    """What the worker's journal says of all that was sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rows = delivery.Journal(world.data_dir / "events.sqlite").rows
        self._counted: set[str] = set()
        self.lost: list[str] = []
        """Which starts were, in words: the worker's log tells what happened then."""

    def _times(
        self, events: dict[str, str | None], starts: list[tuple[str, str]]
    ) -> Counter[tuple[str, bytes]]:
        """Count how often each start is journalled under an event that has a verdict."""
        sender = self._world.sender
        names = {
            delivery.digest(camera, motion_topic(camera), payload): (camera, payload)
            for camera, payload in (*sender.accepted, *sender.uncertain)
        }
        digests = [
            message.split(":")[1]
            for message, event in starts
            if message is not None and events[event] is not None
        ]
        return Counter(names[digest] for digest in digests if digest in names)

    def is_settled(self) -> bool:
        """Whether every event has its verdict, every accepted start its event, and all is told."""
        events, starts = self._rows()
        told = {heard.json()["event_id"] for heard in self._world.listener.on("/event")}
        return (
            None not in events.values()
            and self._world.sender.accepted.keys() <= self._times(events, starts).keys()
            and events.keys() <= told
        )

    @property
    def counted(self) -> int:
        """Events that were looked at so far."""
        return len(self._counted)

    def losses(self) -> Losses:
        """Count what is wrong with what was journalled and told since the last look."""
        events, starts = self._rows()
        verdicts = {
            event: json.loads(text)
            for event, text in events.items()
            if text and event not in self._counted
        }
        self._counted |= verdicts.keys()
        times = self._times(events, starts)
        per_event = Counter(event for _, event in starts)
        told: dict[str, set[str]] = {}
        for verdict in (heard.json() for heard in self._world.listener.on("/event")):
            if verdict["event_id"] in verdicts:
                told.setdefault(verdict["event_id"], set()).add(verdict["state"])
        lost = [
            f"lost: {camera} {payload.decode()}, accepted at {at:%T.%f}"
            for (camera, payload), at in self._world.sender.accepted.items()
            if not times[camera, payload]
        ]
        self.lost += lost
        return Losses(
            starts_lost=len(lost),
            starts_covered_twice=sum(
                count > 1 and start not in self._world.sender.may_come_twice
                for start, count in times.items()
            ),
            verdicts_that_miscount=sum(
                1 + verdict["merged"] != per_event[event] for event, verdict in verdicts.items()
            ),
            verdicts_not_heard=len(verdicts.keys() - told.keys()),
            verdicts_that_differ=sum(len(states) > 1 for states in told.values()),
            suppressed=sum(not verdict["relevant"] for verdict in verdicts.values()),
        )


def wrong_alarms(world: World) -> int:
    """Count cameras whose retained alarm is not off, some time after the last motion."""
    latest = {heard.topic: heard.payload for heard in world.listener.on("/relevant")}
    return sum(payload != b"OFF" for payload in latest.values())

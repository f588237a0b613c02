"""Kills the broker and the worker in the middle of a replay and counts what became of each start.

    python -m benchmarks.delivery --events 100 --kills 5

A sender publishes motion starts with QoS 1 and counts those for which it gets a PUBACK. Meanwhile
mosquitto and the worker are each killed by SIGKILL at random moments and started again. In the
end every accepted start must be in the worker's journal exactly once, under an event that has
exactly one verdict, and that verdict's ``1 + merged`` must be the number of its starts.

What is fair: mosquitto acknowledges a start before its database is on disk, so a kill in between
loses a start that nobody could ever get. Likewise it forgets that it has sent a message, and then
repeats it without the DUP flag; the worker cannot tell that from a new start with a packet id that
is used again, and counts it: alert when in doubt. Before mosquitto is killed, sending therefore
pauses until its database has been written since the last PUBACK and is quiet. The worker gets no
such grace. Starts that were sent without an answer may or may not have reached the broker: they
are allowed either way, but not twice.

The events are drawn ones, or those of ``cameras/trees`` where VEROALLARME_FOOTAGE is set.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import cv2

from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, until
from benchmarks.worker import motion_topic
from veroallarme_core.drawing import draw_event, event_names

CAMERA = "trees"
C = f"veroallarme/home/camera/{CAMERA}"
STATUS = "veroallarme/home/worker/main/status"
HOLD_S = 1.0
SETTLE_LIMIT_S = 120.0
PAUSE_S = (0.02, 0.4)
"""Shortest and longest time between two starts."""


@dataclass(kw_only=True)
class Outcome:
    """What became of the starts; the first group are counts that must be 0."""

    lost: int = 0
    """Accepted by the broker, in no event with a verdict."""
    covered_twice: int = 0
    verdicts_that_miscount: int = 0
    """Events whose ``1 + merged`` is not the number of their journalled starts."""
    decisions_not_heard: int = 0
    """Verdicts that never came on the ``event`` topic."""
    wrong_alarms: int = 0
    """Looks at the retained ``relevant``, after the replay, that found the wrong value."""

    accepted: int = 0
    uncertain: int = 0
    """Sent without an answer."""
    covered: int = 0
    """Sum of ``1 + merged`` over all verdicts."""
    verdicts: int = 0
    decisions_repeated: int = 0
    """Times that a decision came once more on the ``event`` topic: at least once is allowed."""
    broker_kills: int = 0
    worker_kills: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every accepted start is covered by exactly one verdict, and the alarm right."""
        faults = (
            self.lost,
            self.covered_twice,
            self.verdicts_that_miscount,
            self.decisions_not_heard,
            self.wrong_alarms,
        )
        return not any(faults)

    def __str__(self) -> str:
        rows = [
            (figure.name.replace("_", " "), getattr(self, figure.name)) for figure in fields(self)
        ]
        return "\n".join(f"{name:24} {value:>8g}" for name, value in rows)


def drawn_events(size: tuple[int, int]) -> list[tuple[bytes, ...]]:
    """Draw the events of the package, encoded as JPEG; height and width in pixels."""
    pictures = [draw_event(name, size=size).frames for name in event_names()[:6]]
    return [
        tuple(bytes(cv2.imencode(".jpg", frame)[1].tobytes()) for frame in frames)
        for frames in pictures
    ]


def real_events(footage: Path) -> list[tuple[bytes, ...]]:
    """Read the events of one camera of the footage."""
    folders = sorted(path for path in (footage / "cameras" / "trees").iterdir() if path.is_dir())
    return [tuple(file.read_bytes() for file in sorted(folder.glob("*.jpg"))) for folder in folders]


@dataclass
class Replay:
    """The peers, and what the sender knows."""

    mosquitto: Mosquitto
    worker: WorkerProcess
    camera: HttpCamera
    events: Sequence[tuple[bytes, ...]]
    chance: random.Random
    name: str = CAMERA
    """Of the camera, which other sites must not share."""
    accepted: list[int] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    last_puback: float = 0.0
    may_send: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def motion(self) -> str:
        """The topic on which the camera says that something moves."""
        return motion_topic(self.name)

    @staticmethod
    def payload(number: int) -> bytes:
        """Return the message of a start, which its number makes unlike all others."""
        return json.dumps({"state": "ON", "n": number}).encode()

    async def send(self, count: int) -> None:
        """Send starts until the broker has accepted so many."""
        number = 0
        while len(self.accepted) < count:
            try:
                async with aiomqtt.Client("127.0.0.1", self.mosquitto.port, timeout=5) as client:
                    while len(self.accepted) < count:
                        number += 1
                        await self._send_one(client, number)
                        await asyncio.sleep(self.chance.uniform(*PAUSE_S))
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    async def _send_one(self, client: aiomqtt.Client, number: int) -> None:
        async with self.may_send:
            self.camera.frames[self.name] = self.events[number % len(self.events)]
            self.uncertain.append(number)
            await client.publish(self.motion, self.payload(number), qos=1)
            self.uncertain.remove(number)
            self.accepted.append(number)
            self.last_puback = time.time()

    async def kill_worker(self) -> None:
        """Kill the worker, whatever it does, and start it again."""
        await asyncio.to_thread(self.worker.kill)
        await asyncio.sleep(self.chance.uniform(0.0, 0.5))
        self.worker.start()

    async def kill_broker(self) -> None:
        """Kill mosquitto once it has written down what it acknowledged, and start it again."""
        async with self.may_send:
            await until(lambda: self.mosquitto.is_settled(self.last_puback))
            await asyncio.to_thread(self.mosquitto.kill)
        await asyncio.sleep(self.chance.uniform(0.0, 1.0))
        await asyncio.to_thread(self.mosquitto.start)

    async def kill_at_random(self, broker_kills: int, worker_kills: int, every_s: float) -> None:
        """Kill one or the other until each has had its number."""
        kills = [self.kill_broker] * broker_kills + [self.kill_worker] * worker_kills
        self.chance.shuffle(kills)
        for kill in kills:
            await asyncio.sleep(self.chance.uniform(0.3, 1.7) * every_s)
            await kill()


class Journal:
    """The worker's own SQLite, read from outside."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> tuple[dict[str, str | None], list[tuple[str, str]]]:
        """Return the verdict of each event as JSON or None, and the starts with their event."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as db:
            events = dict(db.execute("SELECT event_id, verdict FROM events").fetchall())
            starts = db.execute("SELECT delivery, event_id FROM starts").fetchall()
        return events, starts

    def numbers(self, replay: Replay) -> Counter[int]:
        """Count how often each start is journalled under an event that has a verdict."""
        events, starts = self.rows()
        sent = [*replay.accepted, *replay.uncertain]
        names = {
            digest(replay.name, replay.motion, replay.payload(number)): number for number in sent
        }
        return Counter(
            names[delivery.split(":")[1]] for delivery, event in starts if events[event] is not None
        )

    def is_settled(self, replay: Replay) -> bool:
        """Whether every event has its verdict and every accepted start its event."""
        events, _ = self.rows()
        return None not in events.values() and set(replay.accepted) <= self.numbers(replay).keys()

    def alarm_until(self) -> datetime | None:
        """Return the end of the alarm, as the worker has stored it."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as db:
            (until,) = db.execute("SELECT alarm_until FROM cameras").fetchone()
        return None if until is None else datetime.fromisoformat(until)


def digest(camera: str, topic: str, payload: bytes) -> str:
    """Return what the journal keeps of a message, besides its packet id."""
    content = camera.encode() + b"\0" + topic.encode() + b"\0" + payload
    return hashlib.sha256(content).hexdigest()[:32]


def worker_config(
    mosquitto: Mosquitto, camera: HttpCamera, site: str = "home", name: str = CAMERA
) -> dict[str, object]:
    """Return the content of the configuration file of a site's worker, for one camera."""
    trigger = {"topic": motion_topic(name), "start": "ON", "path": "state", "auto_end_s": 1}
    return {
        "site": site,
        "mqtt": {"host": "127.0.0.1", "port": mosquitto.port},
        "cameras": {
            name: {
                "triggers": [trigger],
                "snapshot": {"url": camera.url(name)},
                "burst": {"size": 3, "spacing_s": 0.1, "limit_s": 5},
                "settings": {"mode": "filter", "hold_s": HOLD_S},
                "merge_window_s": 0,
                "reference_every_s": 0,
            }
        },
    }


async def measure(
    folder: Path,
    *,
    events: Sequence[tuple[bytes, ...]],
    starts: int,
    kills: int,
    seed: int = 0,
) -> Outcome:
    """Replay starts through a broker and a worker that are killed, each ``kills`` times.

    Args:
        events: frames of the events that the camera shows, one after the other.
        starts: how many the broker must accept.
    """
    began = time.monotonic()
    mosquitto = Mosquitto(folder)
    mosquitto.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(mosquitto.kill)
        camera = await stack.enter_async_context(HttpCamera().serve())
        camera.frames[CAMERA] = events[0]
        worker = WorkerProcess(folder, worker_config(mosquitto, camera))
        worker.start()
        stack.callback(worker.kill)
        listener = Listener(mosquitto.port, [f"{C}/event", f"{C}/relevant", STATUS], "listener")
        await stack.enter_async_context(listener.listen())
        await listener.until(lambda: b"online" in listener.payloads(STATUS))

        replay = Replay(mosquitto, worker, camera, events, random.Random(seed))
        every_s = starts * sum(PAUSE_S) / 2 / max(1, 2 * kills)
        await asyncio.gather(replay.send(starts), replay.kill_at_random(kills, kills, every_s))
        journal = Journal(worker.data_dir / "events.sqlite")
        outcome = Outcome(accepted=starts, broker_kills=kills, worker_kills=kills)
        await settle(journal, replay, listener)
        outcome.wrong_alarms = await look_at_alarm(journal, listener)
        count(outcome, journal, replay, listener)
        outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


async def settle(journal: Journal, replay: Replay, listener: Listener) -> None:
    """Wait until the worker has done what there is to do, and then some, or gives up."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: journal.is_settled(replay), SETTLE_LIMIT_S)
        await until(lambda: _decided(journal) <= _heard(listener).keys(), SETTLE_LIMIT_S)
    # A start that is covered twice would show by now.
    await asyncio.sleep(2.0)


async def look_at_alarm(journal: Journal, listener: Listener) -> int:
    """Compare the retained ``relevant`` with the end of the alarm, twice; count mismatches."""
    wrong = 0
    for pause_s in (0.0, HOLD_S + 1.5):
        await asyncio.sleep(pause_s)
        until = journal.alarm_until()
        expected = b"ON" if until is not None and datetime.now(UTC) < until else b"OFF"
        wrong += listener.payloads("/relevant")[-1] != expected
    return wrong


def _heard(listener: Listener) -> Counter[str]:
    return Counter(heard.json()["event_id"] for heard in listener.on("/event"))


def _decided(journal: Journal) -> set[str]:
    return {event_id for event_id, verdict in journal.rows()[0].items() if verdict is not None}


def count(outcome: Outcome, journal: Journal, replay: Replay, listener: Listener) -> None:
    """Write into the outcome what became of each start."""
    events, starts = journal.rows()
    verdicts = {event_id: json.loads(text) for event_id, text in events.items() if text}
    times = journal.numbers(replay)
    per_event = Counter(event_id for _, event_id in starts)
    heard = _heard(listener)
    outcome.uncertain = len(replay.uncertain)
    outcome.lost = sum(not times[number] for number in replay.accepted)
    outcome.covered_twice = sum(count > 1 for count in times.values())
    outcome.verdicts_that_miscount = sum(
        1 + verdict["merged"] != per_event[event_id] for event_id, verdict in verdicts.items()
    )
    outcome.decisions_not_heard = len(verdicts.keys() - heard.keys())
    outcome.verdicts = len(verdicts)
    outcome.covered = sum(1 + verdict["merged"] for verdict in verdicts.values())
    outcome.decisions_repeated = sum(heard.values()) - len(heard)


def main() -> int:
    """Measure and print a table; return 0 where nothing was lost and nothing covered twice."""
    parser = argparse.ArgumentParser(description="Kill broker and worker, count the verdicts.")
    parser.add_argument("--events", type=int, default=100, help="starts to send")
    parser.add_argument("--kills", type=int, default=5, help="of each, broker and worker")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    footage = os.environ.get("VEROALLARME_FOOTAGE")
    cv2.setNumThreads(1)
    events = real_events(Path(footage)) if footage else drawn_events((288, 352))
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        outcome = asyncio.run(
            measure(
                Path(folder),
                events=events,
                starts=arguments.events,
                kills=arguments.kills,
                seed=arguments.seed,
            )
        )
    print(outcome)
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())

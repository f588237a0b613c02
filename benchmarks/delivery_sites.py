"""Kills and adds workers of several sites under load, and counts what became of each start.

    python -m benchmarks.delivery_sites --sites 4 --kills 8

One real mosquitto, and a worker for each site, each with a camera that sees motion all the time.
One worker after the other is killed by SIGKILL while it has an event to judge, and stays dead until
every other one has given a verdict and its own camera has sent further starts, which the broker
keeps for it. The last site is added while the first worker is dead. In the end every start that the
broker has accepted must be in the journal of its own site exactly once, under an event that has
exactly one verdict, and the alarm of each site must be right, as in `benchmarks.delivery`.

A site that is added gets motion once its worker has said `online`: what a camera sends before
anybody has ever subscribed to it, no broker keeps.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from benchmarks import delivery
from benchmarks.delivery import Journal, Outcome, Replay
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, until
from veroallarme_core.worker.mqtt import end_tasks

ENDLESS = sys.maxsize
STARTS_WHILE_DEAD = 3


@dataclass
class Site:
    """A worker, its camera, and who hears both."""

    name: str
    replay: Replay
    listener: Listener
    kills: int = 0
    sending: asyncio.Task[None] | None = None

    @property
    def worker(self) -> WorkerProcess:
        """The one that serves this site."""
        return self.replay.worker

    @property
    def journal(self) -> Journal:
        """What its worker has written down."""
        return Journal(self.worker.data_dir / "events.sqlite")

    @property
    def verdicts(self) -> int:
        """How many came over MQTT."""
        return len(self.listener.on("/event"))

    async def start(self) -> None:
        """Start the worker; return when it says that it is there."""
        heard = len(self.listener.heard)
        self.worker.start()
        await self.listener.until(lambda: b"online" in self.listener.payloads("/status", heard))

    def send(self) -> None:
        """Let the camera see motion from now on."""
        self.sending = asyncio.create_task(self.replay.send(ENDLESS))

    async def until_more(self, verdicts: int) -> None:
        """Wait until it has given more verdicts than so many."""
        await self.listener.until(lambda: self.verdicts > verdicts)

    async def kill(self) -> None:
        """Kill the worker while it has an event that is not decided."""
        await until(lambda: None in self.journal.rows()[0].values())
        await asyncio.to_thread(self.worker.kill)
        self.kills += 1

    async def outcome(self) -> Outcome:
        """Wait until all is judged, and count."""
        outcome = Outcome(accepted=len(self.replay.accepted), worker_kills=self.kills)
        await delivery.settle(self.journal, self.replay, self.listener)
        outcome.wrong_alarms = await delivery.look_at_alarm(self.journal, self.listener)
        delivery.count(outcome, self.journal, self.replay, self.listener)
        return outcome


@dataclass
class Sites:
    """Those that serve, and those that will be added."""

    serving: list[Site] = field(default_factory=list)
    to_add: list[Site] = field(default_factory=list)

    async def add(self) -> None:
        """Let one more site serve, under load."""
        site = self.to_add.pop(0)
        await site.start()
        site.send()
        self.serving.append(site)

    async def kill(self, number: int) -> None:
        """Kill a worker, add a site if there is one to add, and start the worker again."""
        site = self.serving[number % len(self.serving)]
        await site.until_more(site.verdicts)
        await site.kill()
        sent = len(site.replay.accepted)
        if self.to_add:
            await self.add()
        others = [other for other in self.serving if other is not site]
        await asyncio.gather(*(other.until_more(other.verdicts) for other in others))
        await until(lambda: len(site.replay.accepted) >= sent + STARTS_WHILE_DEAD)
        await site.start()


async def measure(
    folder: Path,
    *,
    events: Sequence[tuple[bytes, ...]],
    sites: int,
    kills: int,
    seed: int = 0,
) -> dict[str, Outcome]:
    """Kill workers one after the other under load; return what became of each site's starts.

    Args:
        folder: for the files of broker and workers.
        events: frames of the events that the cameras show, one after the other.
        sites: how many there are in the end; the last of them is added while a worker is dead.
        kills: of all workers together, which take turns.
        seed: of the pauses between the starts.

    Raises:
        FileNotFoundError: mosquitto is not installed.
        TimeoutError: a worker is not back in time, or another one gives no verdict meanwhile.
    """
    began = time.monotonic()
    mosquitto = Mosquitto(folder, durable=False)
    mosquitto.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(mosquitto.kill)
        camera = await stack.enter_async_context(HttpCamera().serve())
        every = []
        for number in range(sites):
            name = f"site{number}"
            home = folder / name
            home.mkdir()
            config = delivery.worker_config(mosquitto, camera, site=name, name=f"camera_{name}")
            worker = WorkerProcess(home, config)
            stack.callback(worker.kill)
            chance = random.Random(f"{seed} {name}")
            replay = Replay(mosquitto, worker, camera, events, chance, f"camera_{name}")
            listener = Listener(mosquitto.port, [f"veroallarme/{name}/#"], f"listener_{name}")
            await stack.enter_async_context(listener.listen())
            every.append(Site(name, replay, listener))
        running = Sites(to_add=every)
        while len(running.to_add) > 1:
            await running.add()
        for number in range(kills):
            await running.kill(number)
        senders = [site.sending for site in running.serving if site.sending is not None]
        assert not any(task.done() for task in senders)
        await end_tasks(senders)
        outcomes = await asyncio.gather(*(site.outcome() for site in running.serving))
    for outcome in outcomes:
        outcome.seconds = round(time.monotonic() - began, 1)
    return {site.name: outcome for site, outcome in zip(running.serving, outcomes, strict=True)}


def main(argv: Sequence[str] | None = None) -> int:
    """Kill, count and print; return 0 where nothing was lost and nothing covered twice."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sites", type=int, default=4, help="of them one is added in the middle")
    parser.add_argument("--kills", type=int, default=8, help="of all workers together")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    if arguments.sites < 2 or arguments.kills < 1:
        parser.error("give two sites or more, and one kill or more")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        outcomes = asyncio.run(
            measure(
                Path(folder),
                events=delivery.drawn_events((288, 352)),
                sites=arguments.sites,
                kills=arguments.kills,
                seed=arguments.seed,
            )
        )
    for name, outcome in outcomes.items():
        print(f"{name}\n{outcome}\n")
    return 0 if all(outcome.is_good for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

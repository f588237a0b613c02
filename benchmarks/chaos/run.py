"""One run: faults come and go while motion is sent, and in the end everything is counted."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.chaos.faults import Fault
from benchmarks.chaos.outcome import Journal, Losses, wrong_alarms
from benchmarks.chaos.world import HOLD_S, World, environment_notes, running_world
from benchmarks.delivery import drawn_events
from benchmarks.peers import until
from veroallarme_core.worker.mqtt import end_tasks

SIZE = (144, 176)
RECOVERY_GOAL_S = 10.0
LOOP_GOAL_MS = 50.0
RECOVERY_LIMIT_S = 120.0
SETTLE_LIMIT_S = 240.0
QUIET_S = 1.0
"""Between two faults."""


@dataclass(frozen=True)
class Plan:
    """How much a run does."""

    cameras: int
    starts: int
    rounds: int
    pause_s: float
    """Between two motion starts, on average."""


SHORT = Plan(cameras=6, starts=500, rounds=1, pause_s=0.15)
LONG = Plan(cameras=50, starts=10_000, rounds=5, pause_s=0.15)
"""Some 25 minutes on an idle machine. More starts a second are more than two cores judge: what is
late for that says nothing of the faults."""


@dataclass
class Row:
    """What became of one fault over its rounds."""

    fault: str
    recovery_s: list[float] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)


@dataclass
class Report:
    """What a run has shown."""

    rows: list[Row]
    losses: Losses
    starts: int
    events: int
    answers_ms: list[float]
    held_ms: list[float]
    """For how long the loop was held, each time that it was 10 ms or more, ascending."""
    memory_mb: list[float]
    seconds: float
    notes: list[str]
    """Which starts were lost, and what could not be broken here and why."""
    log: str
    """Of the worker, over all its starts."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, nothing suppressed and nothing crashed."""
        return self.losses.total == 0

    def __str__(self) -> str:
        lines = ["| fault | times | recovery, median | longest |", "|---|---|---|---|"]
        for row in self.rows:
            seconds = row.recovery_s
            lines.append(
                f"| {row.fault} | {len(seconds)} | {statistics.median(seconds):.1f} s "
                f"| {max(seconds):.1f} s |"
            )
        lines += ["", f"{self.starts} motion starts, {self.events} events, {self.seconds:.0f} s"]
        lines += [
            f"{name.replace('_', ' '):24} {count}" for name, count in vars(self.losses).items()
        ]
        answers = sorted(self.answers_ms)
        for share in (0.5, 0.99, 0.999):
            value = answers[min(len(answers) - 1, int(share * len(answers)))]
            lines.append(f"an answer takes, p{100 * share:g}: {value:.1f} ms")
        long = sum(held > LOOP_GOAL_MS for held in self.held_ms)
        lines.append(
            f"the loop was held for more than {LOOP_GOAL_MS:g} ms: {long} times in "
            f"{self.seconds:.0f} s, at most {max(self.held_ms, default=0.0):.0f} ms"
        )
        memory = self.memory_mb
        lines.append(f"memory: {memory[0]:.0f} MB at first, {max(memory):.0f} at most")
        return "\n".join([*lines, *self.notes])


async def measure(folder: Path, faults: Sequence[Fault], plan: Plan, seed: int = 0) -> Report:
    """Bring faults about while motion is sent; see `Plan`."""
    began = time.monotonic()
    (frames, *_) = drawn_events(SIZE)
    async with running_world(
        folder, frames, cameras=plan.cameras, pause_s=plan.pause_s, seed=seed
    ) as world:
        possible = [fault for fault in faults if fault.can_happen(world)]
        rows = {fault.name: Row(fault.name) for fault in possible}
        tally = _Tally(world)
        beside = [asyncio.create_task(work) for work in (world.watch(), tally.sample())]
        try:
            for _ in range(plan.rounds):
                for fault in possible:
                    await tally.bring_about(fault, rows[fault.name])
            await tally.send_until(plan.starts)
            await tally.settle()
        finally:
            await end_tasks(beside)
        await asyncio.sleep(HOLD_S + 2.0)
        losses = tally.losses
        losses.alarms_left_wrong = wrong_alarms(world)
        losses.crashes = len(world.unexpected_ends)
        losses.tracebacks = world.worker.log.count("Traceback")
        return Report(
            list(rows.values()),
            losses,
            tally.starts,
            tally.journal.counted,
            world.answers_ms,
            await asyncio.to_thread(world.held_ms),
            tally.memory_mb,
            time.monotonic() - began,
            [*tally.journal.lost, *environment_notes(world)],
            world.worker.log,
        )


class _Tally:
    """Sends while faults come and go, and adds up what was found between them."""

    def __init__(self, world: World) -> None:
        self.losses = Losses()
        self.memory_mb: list[float] = []
        self.starts = 0
        self.journal = Journal(world)
        self._world = world

    async def sample(self) -> None:
        """Read the memory of the worker again and again; endless."""
        while True:
            with contextlib.suppress(psutil.Error):
                memory = psutil.Process(self._world.worker.pid).memory_info().rss
                self.memory_mb.append(memory / 1e6)
            await asyncio.sleep(0.5)

    async def bring_about(self, fault: Fault, row: Row) -> None:
        """Let a fault happen while motion is sent, and wait until the worker serves again."""
        if fault.settles_before:
            await self.settle()
        print(f"{fault.name} ...", file=sys.stderr, flush=True)
        async with contextlib.AsyncExitStack() as sending:
            # A journal that is to be destroyed must not have taken a start just before.
            if not fault.settles_before:
                await sending.enter_async_context(self._sending())
            async with fault.breaking(self._world):
                if fault.settles_before:
                    await sending.enter_async_context(self._sending())
                await asyncio.sleep(fault.seconds)
            row.recovery_s.append(await self._until_serving(fault))
            await asyncio.sleep(QUIET_S)

    async def _until_serving(self, fault: Fault) -> float:
        try:
            async with asyncio.timeout(RECOVERY_LIMIT_S):
                return await self._world.until_serving()
        except TimeoutError:
            self._world.worker.tell_where()
            raise TimeoutError(
                f"the worker is not back {RECOVERY_LIMIT_S:g} s after the fault {fault.name!r}; "
                f"its log ends with: {self._world.worker.log[-20_000:]}"
            ) from None

    @contextlib.asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        sending = asyncio.create_task(self._world.sender.run())
        try:
            yield
        finally:
            await end_tasks([sending])

    async def send_until(self, starts: int) -> None:
        """Send until so many starts were accepted in all."""
        sender = self._world.sender
        async with self._sending():
            await until(lambda: self.starts + len(sender.accepted) >= starts, 3600)

    async def settle(self) -> None:
        """Wait until all that was sent is judged and told, count, and begin to count anew."""
        with contextlib.suppress(TimeoutError):
            await until(self._is_settled, SETTLE_LIMIT_S)
        await asyncio.sleep(2.0)  # a start that is covered twice would show by now
        self.losses.add(await asyncio.to_thread(self.journal.losses))
        self.starts += len(self._world.sender.accepted)
        self._world.sender.forget()

    async def _is_settled(self) -> bool:
        await asyncio.sleep(0.5)
        return await asyncio.to_thread(self.journal.is_settled)

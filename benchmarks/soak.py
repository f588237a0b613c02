"""Lets a worker run for long, and shows that nothing grows: memory, open files, threads, disk.

    python -m benchmarks.soak --minutes 30 --picture soak.png

Cameras see motion by chance, one event a second in all, and their events fill the disk until its
limit, which is enforced every fifty events of a camera. Afterwards the median of the last third of
the time is compared with that of the third before it, and a picture is drawn.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import psutil

from benchmarks.chaos.world import World, running_world
from benchmarks.delivery import drawn_events
from veroallarme_core.worker.mqtt import end_tasks

SIZE = (288, 352)
CAMERAS = 6
PAUSE_S = 1.0
SAMPLE_S = 5.0
ALLOWED_GROWTH = {"memory, MB": 0.05, "open files": 0.05, "threads": 0.0, "disk, MB": 0.05}
"""Share by which the last third may lie above the one before it."""


@dataclass
class Soak:
    """What was seen of the worker."""

    minutes: list[float] = field(default_factory=list)
    series: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in ALLOWED_GROWTH}
    )
    starts: int = 0

    def growth(self, name: str) -> tuple[float, float]:
        """Return the medians of the middle and the last third."""
        values = self.series[name]
        third = max(1, len(values) // 3)
        return statistics.median(values[-2 * third : -third]), statistics.median(values[-third:])

    def grows(self, name: str) -> bool:
        """Whether the last third lies higher than is allowed."""
        before, after = self.growth(name)
        return after > before * (1 + ALLOWED_GROWTH[name]) + 1  # one more is no growth

    def __str__(self) -> str:
        lines = ["| | middle third | last third | |", "|---|---|---|---|"]
        for name in self.series:
            before, after = self.growth(name)
            grown = "grows" if self.grows(name) else ""
            lines.append(f"| {name} | {before:.0f} | {after:.0f} | {grown} |")
        lines += ["", f"{self.starts} motion starts in {self.minutes[-1]:.0f} minutes"]
        return "\n".join(lines)


async def soak(folder: Path, minutes: float, cameras: int = CAMERAS) -> Soak:
    """Run a worker for some minutes, and look at it every few seconds."""
    (frames, *_) = drawn_events(SIZE)
    seen = Soak()
    async with running_world(
        folder, frames, cameras=cameras, pause_s=PAUSE_S, seed=0, keep_mb=1
    ) as world:
        beside = [asyncio.create_task(work) for work in (world.watch(), world.sender.run())]
        began = time.monotonic()
        try:
            while (passed := time.monotonic() - began) < 60 * minutes:
                await asyncio.sleep(SAMPLE_S)
                await asyncio.to_thread(_look, world, seen, passed / 60)
                print(f"\r{passed / 60:.1f} of {minutes:g} minutes", end="", file=sys.stderr)
        finally:
            await end_tasks(beside)
            print(file=sys.stderr)
        seen.starts = len(world.sender.accepted)
        if world.unexpected_ends:
            raise RuntimeError(f"the worker ended by itself: {world.unexpected_ends}")
    return seen


def _look(world: World, seen: Soak, minutes: float) -> None:
    process = psutil.Process(world.worker.pid)
    with process.oneshot():
        values = (
            process.memory_info().rss / 1e6,
            float(process.num_fds()),
            float(process.num_threads()),
            psutil.disk_usage(str(world.worker.folder)).used / 1e6,
        )
    seen.minutes.append(minutes)
    for name, value in zip(seen.series, values, strict=True):
        seen.series[name].append(value)


def draw(seen: Soak, path: Path) -> None:
    """Draw what was seen, a panel for each."""
    from matplotlib.figure import Figure  # only a picture needs it

    figure = Figure(figsize=(8, 6), layout="constrained")
    for number, (name, values) in enumerate(seen.series.items(), 1):
        axes = figure.add_subplot(2, 2, number)
        axes.plot(seen.minutes, values, linewidth=1)
        axes.set_ylim(0, 1.15 * max(values))
        axes.set_title(name)
        axes.set_xlabel("minutes")
    figure.savefig(path, dpi=100)


def main() -> int:
    """Run, print the table and draw the picture; return 0 where nothing grows."""
    parser = argparse.ArgumentParser(description="Let a worker run for long, and look at it.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cameras", type=int, default=CAMERAS)
    parser.add_argument("--picture", type=Path, default=Path("soak.png"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        seen = asyncio.run(soak(Path(folder), arguments.minutes, arguments.cameras))
    print(seen)
    draw(seen, arguments.picture)
    print(f"see {arguments.picture}")
    return int(any(seen.grows(name) for name in seen.series))


if __name__ == "__main__":
    sys.exit(main())

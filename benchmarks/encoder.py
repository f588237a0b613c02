"""How fast the scene encoder runs in each runtime, how large it is and what memory it takes.

    python -m benchmarks.encoder
    python -m benchmarks.encoder --threads 1 2 4 --repeats 50

An event is three frames of 704x576 and eight regions cut from each; medians are printed. Every
runtime has a process of its own: one whose threads still wait for work would slow the next. Memory
is the largest resident size above that of the process before it loads the encoder.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from veroallarme_core.description import HEAD_FILE, TRUNK_FILE, SceneEncoder, crop_region, grid_for
from veroallarme_core.inference import backends_for

SIZE = (576, 704)
REGIONS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=30, help="of every measurement")
    arguments = parser.parse_args(argv)
    columns = ("frame", "3 frames", "1 crop", "24 crops", "memory, MB")
    print(f"{'ms':24}" + "".join(f"{column:>12}" for column in columns))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for threads in arguments.threads:
            for name in backends_for(TRUNK_FILE):
                numbers = pool.submit(_measure, name, threads, arguments.repeats).result()
                cells = "".join(f"{number:12.1f}" for number in numbers)
                print(f"{f'{name}, {threads} threads':24}{cells}")
    models = Path(str(resources.files("veroallarme_core"))) / "models"
    for file in (TRUNK_FILE, HEAD_FILE):
        print(f"{file}: {(models / file).stat().st_size / 1e6:.2f} MB")
    return 0


def _measure(backend: str, threads: int, repeats: int) -> list[float]:
    """Return median milliseconds of each task, and the memory in MB."""
    cv2.setNumThreads(1)
    frames = list(np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8))
    boxes = [(60 * number, 200, 60 * number + 40, 290) for number in range(REGIONS)]
    crops = np.stack([crop_region(frame, box) for box in boxes for frame in frames])
    before = peak_mb()
    encoder = SceneEncoder(backend, threads)
    for count in range(1, len(crops) + 1):  # a runtime prepares itself for each size
        encoder.embed_crops(crops[:count])
    medians = [
        median_ms(task, repeats)
        for task in (
            lambda: encoder.encode_frames(frames[:1], grid_for(SIZE)),
            lambda: encoder.encode_frames(frames, grid_for(SIZE)),
            lambda: encoder.embed_crops(crops[:1]),
            lambda: encoder.embed_crops(crops),
        )
    ]
    return [*medians, peak_mb() - before]


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of some work, in milliseconds."""
    return statistics.median(_milliseconds(work) for _ in range(repeats))


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def peak_mb() -> float:
    """Return the largest resident size that this process has had, in MB."""
    found = re.search(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())

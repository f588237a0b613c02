"""How fast the scene encoder runs in each runtime, how large it is and what memory it takes.

    python -m benchmarks.encoder
    python -m benchmarks.encoder --threads 1 2 4 --repeats 50

An event is three frames of 704x576 and eight regions cut from each; medians are printed. Every
runtime has a process of its own: one whose threads still wait for work would slow the next. Memory
is the largest resident size above that of the process before it loads the encoder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.runtimes import compare_runtimes, median_ms, peak_mb
from veroallarme_core.description import HEAD_FILE, TRUNK_FILE, SceneEncoder, crop_region, grid_for

SIZE = (576, 704)
REGIONS = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    title = __doc__.partition("\n")[0]
    columns = ("frame", "3 frames", "1 crop", "24 crops", "memory, MB")
    return compare_runtimes(title, columns, (TRUNK_FILE, HEAD_FILE), _measure, argv)


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


if __name__ == "__main__":
    sys.exit(main())

"""How fast the object detector runs in each runtime, for whole frames and for crops.

    python -m benchmarks.detector
    python -m benchmarks.detector --threads 1 2 --repeats 50

Medians over whole calls of `ObjectDetector.detect`, letterbox, decoding and overlaps included, on
frames of 704x576 and 1920x1080 and on crops of 160x160. Every runtime has a process of its own: one
whose threads still wait for work would slow the next. Memory is the largest resident size above
that of the process before it loads the detector.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from benchmarks.runtimes import compare_runtimes, median_ms, peak_mb
from veroallarme_core.description import DETECTOR_FILE, ObjectDetector

SIZES = (224, 320, 416)
CROPS = 24


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    columns = [f"{shape} at {size}" for shape in ("4:3", "16:9") for size in SIZES]
    columns += [f"{CROPS} crops", "memory, MB"]
    title = __doc__.partition("\n")[0]
    return compare_runtimes(title, columns, (DETECTOR_FILE,), _measure, argv)


def _measure(backend: str, threads: int, repeats: int) -> list[float]:
    """Return median milliseconds of each task, and the memory in MB."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((576, 704), (1080, 1920))]
    crops = list(rng.integers(0, 256, (CROPS, 160, 160, 3), np.uint8))
    before = peak_mb()
    detector = ObjectDetector(backend, threads)
    tasks = [(frame[None], size) for frame in frames for size in SIZES] + [(crops, 224)]
    medians = []
    for pictures, size in tasks:
        detector.detect(pictures, size=size)  # a runtime prepares itself for each size
        medians.append(median_ms(partial(detector.detect, pictures, size=size), repeats))
    return [*medians, peak_mb() - before]


if __name__ == "__main__":
    sys.exit(main())

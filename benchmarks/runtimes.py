"""What benchmarks of a shipped network share: time and memory in each runtime, and their table.

Every runtime has a process of its own: one whose threads still wait for work would slow the next.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import resources
from pathlib import Path

from veroallarme_core.inference import backends_for

Measure = Callable[[str, int, int], list[float]]
"""From back end, threads and repeats to a number for each column."""


def compare_runtimes(
    title: str,
    columns: Sequence[str],
    files: Sequence[str],
    measure: Measure,
    argv: Sequence[str] | None = None,
) -> int:
    """Measure in every runtime that reads the files and print a table; return the exit code.

    Args:
        title: first line of the help.
        columns: what `measure` returns.
        files: names of shipped models; the first one says which runtimes there are.
        measure: of a module, so that another process finds it.
        argv: of the command line.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=30, help="of every measurement")
    arguments = parser.parse_args(argv)
    print(f"{'ms':24}" + "".join(f"{column:>12}" for column in columns))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for threads in arguments.threads:
            for name in backends_for(files[0]):
                numbers = pool.submit(measure, name, threads, arguments.repeats).result()
                cells = "".join(f"{number:12.1f}" for number in numbers)
                print(f"{f'{name}, {threads} threads':24}{cells}")
    models = Path(str(resources.files("veroallarme_core"))) / "models"
    for file in files:
        print(f"{file}: {(models / file).stat().st_size / 1e6:.2f} MB")
    return 0


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of some work, in milliseconds."""
    return statistics.median(milliseconds(work) for _ in range(repeats))


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def peak_mb() -> float:
    """Return the largest resident size that this process has had, in MB."""
    found = re.search(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6

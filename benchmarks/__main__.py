"""How fast and how small it all is: one table, compared with the last committed results.

    python -m benchmarks                 # everything; writes benchmarks/results/<machine>.json
    python -m benchmarks --pages         # the same, and renews the tables of the documentation
    python -m benchmarks --quick         # a minute: shows that it runs, prints and writes nothing
    python -m benchmarks --only judging whole_frame --clock wall

Judged are drawn events of 704x576 and 1920x1080, and the real ones of VEROALLARME_FOOTAGE where
that names a folder. OpenCV, NumPy and the networks run on one thread. Times are processor time,
which other work on the machine hardly changes, unless a row says "by the clock"; what decides is
the column "x decoding", the median over that of decoding the same frames in the same round. The
spread is half the distance between the lowest and the highest round. Each part has a process of its
own: runtimes whose threads still wait for work would slow the next.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.suite import judging, learning, service, whole_frame
from benchmarks.suite.comparison import last_results, results_file, worse
from benchmarks.suite.figures import Results, machine, results_of, write_results
from benchmarks.suite.plan import Part, Plan
from benchmarks.suite.table import render, renew

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
"""A file for each machine that results are committed of."""
PAGES = {"docs/performance.md": None, "README.md": ("704x576", "worker", "installed")}
"""Where a table stands, and how the rows begin or end that it shows; None shows all."""
PARTS: dict[str, Callable[[Plan], Part]] = {
    "judging": judging.measure,
    "whole_frame": whole_frame.measure,
    "worker": service.measure_worker,
    "learning": learning.measure,
    "demo": service.measure_demo,
    "installation": service.measure_installation,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and compare; return the exit code."""
    arguments = _parser().parse_args(argv)
    footage = os.environ.get("VEROALLARME_FOOTAGE")
    plan = Plan(
        quick=arguments.quick,
        clock=arguments.clock,
        footage=Path(footage) if footage else None,
        rounds=arguments.rounds,
    )
    try:
        before = last_results(machine(), RESULTS)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    results, failed = run(plan, arguments.only)
    print(render(results, before))
    for name in worse(results, before):
        print(f"worse than the noise: {name}")
    if failed:
        print(f"benchmarks: failed, and nothing is written: {', '.join(failed)}", file=sys.stderr)
        return 1
    if not arguments.quick and set(arguments.only) == set(PARTS):
        file = results_file(results.machine, RESULTS)
        write_results(results, file)
        print(f"written: {file}")
        if arguments.pages:
            renew_pages(results)
    return 0


def run(plan: Plan, names: Sequence[str]) -> tuple[Results, list[str]]:
    """Run parts one after the other, each in a process of its own.

    Returns:
        What was measured, and the names of the parts that failed: the others go on.
    """
    figures, notes, failed = [], [], []
    spawn = multiprocessing.get_context("spawn")
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            with ProcessPoolExecutor(1, mp_context=spawn) as process:
                part = process.submit(PARTS[name], plan).result()
        except Exception:  # Whatever it is: minutes of measuring others are worth more.
            traceback.print_exc()
            failed.append(name)
            continue
        figures += part.figures
        notes += part.notes
    return results_of(figures, notes, plan.clock), failed


def renew_pages(results: Results) -> None:
    """Put the tables of these results into the pages."""
    for page, words in PAGES.items():
        only = None if words is None else rows_of_interest(results, words)
        renew(ROOT / page, render(results, only=only))


def rows_of_interest(results: Results, words: Sequence[str]) -> list[str]:
    """Return the names of the figures that hold one of some words."""
    names = [figure.name for figure in results.figures]
    return [name for name in names if any(word in name for word in words)]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="a minute: prints, writes nothing")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
        help=f"some of {', '.join(PARTS)}; prints, writes nothing",
    )  # fmt: skip
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--rounds", type=_count, default=5, help="of every measurement")
    parser.add_argument("--pages", action="store_true", help="renew the tables of the pages")
    return parser


if __name__ == "__main__":
    sys.exit(main())

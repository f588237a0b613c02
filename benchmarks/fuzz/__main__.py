"""The command line of the fuzzer."""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import cv2

from benchmarks.fuzz.run import Outcome, fuzz
from benchmarks.fuzz.targets import TARGETS, remove_files


def main() -> int:
    """Fuzz every target for its share of the time; return 0 where nothing was found."""
    parser = argparse.ArgumentParser(description="Send everything that reads input broken input.")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all, by default 60")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="NAME", action="append", help="this target alone")
    arguments = parser.parse_args()
    targets = [one for one in TARGETS if one.name in (arguments.only or [one.name])]
    if not targets:
        names = ", ".join(target.name for target in TARGETS)
        parser.error(f"--only {arguments.only!r}: give one of {names}")
    cv2.setNumThreads(1)
    # As the worker does.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.disable(logging.INFO)
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        outcomes = [
            fuzz(target, arguments.seconds / len(targets), arguments.seed) for target in targets
        ]
    finally:
        remove_files()
    print(table(outcomes))
    return tell_faults(outcomes)


def table(outcomes: list[Outcome]) -> str:
    """Return the table of docs/reliability.md."""
    lines = [
        "| what reads it | inputs | kinds of outcome | slowest | memory | faults |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.inputs:,} | {one.kinds:,} | {one.slowest_ms:.0f} ms | "
        f"+{one.growth_mb:.0f} MB | {len(one.faults)} |"
        for one in outcomes
    ]
    inputs = sum(one.inputs for one in outcomes)
    faults = sum(len(one.faults) for one in outcomes)
    return "\n".join([*lines, f"| **all** | **{inputs:,}** | | | | **{faults}** |"])


def tell_faults(outcomes: list[Outcome]) -> int:
    """Write the inputs that did harm into files, and say where they are."""
    for outcome in outcomes:
        for fault in outcome.faults:
            name = hashlib.sha256(fault.data).hexdigest()[:12]
            path = Path(tempfile.gettempdir()) / f"veroallarme-fuzz-{name}"
            path.write_bytes(fault.data)
            print(
                f"\n{outcome.name}: {fault.what}, by {path}\n{fault.detail[-2000:]}",
                file=sys.stderr,
            )
    return 1 if any(outcome.faults for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

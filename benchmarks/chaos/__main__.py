"""The command line of the chaos suite."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import cv2

from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.run import LONG, SHORT, Plan, measure

_SHOWN_OF_LOG = 20_000
"""Characters: the end of it."""


def main() -> int:
    """Run the faults and print the table; return 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description="Break everything around a worker, and count.")
    parser.add_argument("--long", action="store_true", help="10,000 messages, 50 cameras")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="this fault alone, such as 'disk full'"
    )
    arguments = parser.parse_args()
    faults = tuple(fault for fault in FAULTS if fault.name in (arguments.only or [fault.name]))
    if not faults:
        names = ", ".join(fault.name for fault in FAULTS)
        parser.error(f"--only {arguments.only!r}: give one of {names}")
    cv2.setNumThreads(1)
    plan: Plan = LONG if arguments.long else SHORT
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        report = asyncio.run(measure(Path(folder), faults, plan, arguments.seed))
    print(report)
    if report.is_good:
        return 0
    log = Path(tempfile.gettempdir()) / "veroallarme-chaos.log"
    log.write_text(report.log, encoding="utf-8")
    print(report.log[-_SHOWN_OF_LOG:], file=sys.stderr)
    print(f"all of the worker's log is in {log}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""What became slower than the noise since the results that are committed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.suite.figures import Figure, Results, read_results

TOLERANCE = 0.05
"""Share by which a median may rise beyond the spreads of both runs: a second run of the same code
on a machine that others use too differed by up to so much."""


def results_file(machine: str, folder: Path) -> Path:
    """Return where the results of a machine are kept."""
    letters = (letter if letter.isalnum() else " " for letter in machine.lower())
    return folder / f"{'_'.join(''.join(letters).split())[:80]}.json"


def last_results(machine: str, folder: Path) -> Results | None:
    """Return the committed results of this machine, else the latest of another one.

    Raises:
        ValueError: a file holds no results.
    """
    own = results_file(machine, folder)
    if own.is_file():
        return read_results(own)
    others = [read_results(path) for path in sorted(folder.glob("*.json"))]
    return max(others, key=lambda results: results.measured_at, default=None)


def change(now: Figure, before: Figure | None, *, same_machine: bool) -> str:
    """Say how a figure has changed: empty where it is new or within the noise.

    Ratios to decoding are compared where there are any: they hold on a busy machine and, roughly,
    on another one, where milliseconds and seconds say nothing.
    """
    if before is None or before.unit != now.unit:
        return ""
    if now.times_decoding is not None and before.times_decoding is not None:
        noise = (now.times_decoding_spread or 0.0) + (before.times_decoding_spread or 0.0)
        return _told(now.times_decoding, before.times_decoding, noise, more_is_better=False)
    if not same_machine and now.unit != "MB":
        return ""
    noise = now.spread + before.spread
    return _told(now.median, before.median, noise, more_is_better=now.more_is_better)


def _told(now: float, before: float, noise: float, *, more_is_better: bool) -> str:
    if before <= 0 or abs(now - before) <= noise + TOLERANCE * before:
        return ""
    share = f"{now / before - 1:+.0%}"
    return share if (now > before) is more_is_better else f"{share} WORSE"


def worse(results: Results, before: Results | None) -> Sequence[str]:
    """Return the names of the figures that are worse than before by more than the noise."""
    if before is None:
        return []
    known, same = before.by_name, before.machine == results.machine
    return [
        figure.name
        for figure in results.figures
        if change(figure, known.get(figure.name), same_machine=same).endswith("WORSE")
    ]

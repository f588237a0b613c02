"""From events and labels to the whole ladder: tables, plots, CSV and Markdown.

veroallarme-train evaluate --events events/gate --output report
veroallarme-train evaluate --events cameras scenes --rows first adapted thumbs --output report
veroallarme-train evaluate --events cameras --scores "mine=results/{camera}.csv" --output report
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from veroallarme_core.files import write_atomically
from veroallarme_training.errors import TrainingError
from veroallarme_training.evaluation.cameras import EvaluationError, LabelledCamera, find_cameras
from veroallarme_training.evaluation.ladder import Row, RowResult, evaluate_row
from veroallarme_training.evaluation.plots import draw_curves, draw_recurrence, draw_sheet
from veroallarme_training.evaluation.report import (
    ladder_table,
    markdown,
    places,
    write_csv,
)
from veroallarme_training.evaluation.rows import DEFAULT_ROWS, ROWS, RowSettings, make_rows
from veroallarme_training.evaluation.scores import ScoresFile

_JUDGED = ("adapted", "fresh installation")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What to evaluate, on what."""

    events: tuple[Path, ...]
    output: Path
    labels: tuple[Path, ...] | None = None
    rows: tuple[str, ...] | None = None
    scores: tuple[str, ...] = ()
    """`NAME=PATTERN` each, as `ScoresFile` takes them."""
    peer_detector: Path | None = None
    original: Path | None = None
    network: Path | None = None
    thumbs: tuple[int, ...] = (10, 30, 100)
    draws: int = 3
    judge: str | None = None
    """The row that is held to the goals and whose errors are drawn; None takes the product, learned
    or fresh, or the last one where neither is asked for."""
    intruders: int = 800
    """Synthetic ones that the row `adapted` must find on each camera."""
    resamples: int = 1000
    seed: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `veroallarme-train evaluate`."""
    default = EvaluationSettings(events=(), output=Path())
    add = parser.add_argument
    folders = "folders of events: a camera's own, or a parent of several cameras"
    add("--events", type=Path, nargs="+", required=True, metavar="DIR", help=folders)
    add("--output", type=Path, required=True, metavar="DIR", help="where the report goes")
    labels = "one file per camera, in their order (default: labels.csv of each camera)"
    add("--labels", type=Path, nargs="+", metavar="FILE", help=labels)
    rows = f"what to compare (default: {' '.join(DEFAULT_ROWS)}, others with several "
    rows += "cameras, and coco, original and network where their files are given)"
    add("--rows", nargs="*", choices=tuple(ROWS), help=rows)
    scores = "add a row of scores that `veroallarme score` wrote; {camera} and {group} may stand "
    scores += "in FILE for the names of a camera's folder and of the folder above"
    add("--scores", action="append", default=[], metavar="NAME=FILE", help=scores)
    add("--peer-detector", type=Path, metavar="FILE", help="YOLOX as ONNX, for the row coco")
    original = "checkpoint of `veroallarme-train --phase both`, for the row original"
    add("--original", type=Path, metavar="CKPT", help=original)
    network = "a relevance network (.pth, .onnx or .xml), for the row network"
    add("--network", type=Path, metavar="FILE", help=network)
    thumbs = "numbers of thumbs in the rows `thumbs` (default: 10 30 100)"
    add("--thumbs", type=_count, nargs="+", default=default.thumbs, metavar="N", help=thumbs)
    add("--draws", type=_count, default=default.draws, metavar="N", help="draws of the thumbs")
    judge = "the row held to the goals, with its errors in pictures (default: adapted, else fresh, "
    judge += "else the last)"
    add("--judge", metavar="NAME", help=judge)
    intruders = "synthetic intruders that the row adapted must find on each camera"
    intruders += " (default: %(default)s; 0 tries none)"
    add("--intruders", type=int, default=default.intruders, metavar="N", help=intruders)
    resamples = "of the intervals (default: %(default)s)"
    add("--resamples", type=_count, default=default.resamples, metavar="N", help=resamples)
    add("--seed", type=int, default=default.seed, metavar="N", help="default: %(default)s")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is no number above 0")
    return value


def run(options: argparse.Namespace) -> int:
    """Evaluate as the options say, print the ladder, and return the exit status."""
    settings = EvaluationSettings(
        events=tuple(options.events),
        output=options.output,
        labels=None if options.labels is None else tuple(options.labels),
        rows=None if options.rows is None else tuple(options.rows),
        scores=tuple(options.scores),
        peer_detector=options.peer_detector,
        original=options.original,
        network=options.network,
        thumbs=tuple(options.thumbs),
        draws=options.draws,
        judge=options.judge,
        intruders=options.intruders,
        resamples=options.resamples,
        seed=options.seed,
    )
    try:
        results = evaluate(settings)
    except TrainingError as error:
        print(f"veroallarme-train evaluate: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or settings.output
        print(f"veroallarme-train evaluate: {where}: {error.strerror}.", file=sys.stderr)
        return 1
    for place in places(results):
        table = ladder_table(results, place)
        if table and (place.endswith((": mean", ": all events")) or len(results[0].cameras) == 1):
            print("\n".join(["", place, *table]))
    print(f"\nThe report is {settings.output / 'report.md'}.")
    return 0


def evaluate(settings: EvaluationSettings) -> list[RowResult]:
    """Run the ladder and write `report.md`, `figures.csv`, the scores and the pictures.

    Raises:
        TrainingError: events, labels or a row are wrong; the sentence says which.
    """
    cv2.setNumThreads(1)
    cameras = find_cameras(settings.events, settings.labels, settings.output / "cache")
    rows = _rows(settings, cameras)
    names = [row.name for row in rows]
    judge = settings.judge or next((name for name in _JUDGED if name in names), names[-1])
    if judge not in names:
        raise EvaluationError(f"--judge {judge!r} is none of the rows: {', '.join(names)}.")
    labelled_events = sum(len(labelled.camera.asked) for labelled in cameras)
    _say(f"{len(cameras)} cameras, {labelled_events:,} labelled events, {len(rows)} rows.")
    settings.output.mkdir(parents=True, exist_ok=True)
    results = []
    for number, row in enumerate(rows, start=1):
        started = time.monotonic()
        results.append(
            evaluate_row(
                row,
                cameras,
                resamples=settings.resamples,
                seed=settings.seed,
                scores_dir=settings.output / "scores",
            )
        )
        _say(f"{number}/{len(rows)} {row.name}: {time.monotonic() - started:.0f} s")
    judged = next(result for result in results if result.name == judge)
    pictures = _draw(settings.output, cameras, results, judged)
    write_csv(settings.output / "figures.csv", results)
    text = markdown(
        cameras,
        results,
        judged,
        resamples=settings.resamples,
        seed=settings.seed,
        pictures=[path.relative_to(settings.output) for path in pictures],
    )
    write_atomically(settings.output / "report.md", text)
    return results


def _rows(settings: EvaluationSettings, cameras: Sequence[LabelledCamera]) -> list[Row]:
    made = RowSettings(
        cameras=cameras,
        states=settings.output / "states",
        intruders=settings.intruders,
        peer_detector=settings.peer_detector,
        original=settings.original,
        network=settings.network,
        thumbs=settings.thumbs,
        draws=settings.draws,
        seed=settings.seed,
    )
    rows = make_rows(settings.rows, made)
    for given in settings.scores:
        name, _, pattern = given.partition("=")
        if not name or not pattern:
            raise EvaluationError(f"--scores {given!r}: expected NAME=FILE.")
        if len(cameras) > 1 and "{camera}" not in pattern:
            raise EvaluationError(
                f"--scores {given!r} names one file for {len(cameras)} cameras: write {{camera}} "
                "in it where the name of the camera's folder belongs."
            )
        rows.append(ScoresFile(name, pattern))
    if not rows:
        raise EvaluationError("There is no row to evaluate: give --rows or --scores.")
    names = [row.name for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EvaluationError(f"Two rows are called {twice!r}: give one of them another name.")
    return rows


def _draw(
    output: Path,
    cameras: Sequence[LabelledCamera],
    results: Sequence[RowResult],
    judged: RowResult,
) -> list[Path]:
    folder = output / "pictures"
    folder.mkdir(exist_ok=True)
    written = []
    for labelled in cameras:
        name = labelled.camera.name.replace("/", "_")
        curves, recurrence = folder / f"curves_{name}.png", folder / f"recurrence_{name}.png"
        sheet = folder / f"errors_{re.sub(r'[^a-z0-9]+', '_', judged.name.lower())}_{name}.png"
        drawn = {
            curves: draw_curves(curves, labelled, results),
            recurrence: draw_recurrence(recurrence, labelled.camera),
            sheet: draw_sheet(sheet, labelled, judged),
        }
        written += [path for path, is_written in drawn.items() if is_written]
    return written


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)

"""The rows that can be asked for by name, in the order of the ladder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veroallarme_training.evaluation.baselines import (
    AlertAll,
    BackgroundSubtraction,
    FirstJudgement,
    MotionArea,
)
from veroallarme_training.evaluation.cameras import EvaluationError, LabelledCamera
from veroallarme_training.evaluation.ladder import Row, WithThumbs
from veroallarme_training.evaluation.network import RelevanceNetwork, original_network
from veroallarme_training.evaluation.peer_detector import CocoDetector
from veroallarme_training.evaluation.product import Product


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """What rows are made of."""

    cameras: Sequence[LabelledCamera]
    """For rows that are fitted on the labels of other cameras."""
    peer_detector: Path | None = None
    original: Path | None = None
    """Checkpoint of the original's two phases."""
    thumbs: tuple[int, ...] = (10, 30, 100)
    draws: int = 3
    seed: int = 0


def _detector(settings: RowSettings) -> list[Row]:
    if settings.peer_detector is None:
        raise EvaluationError("The row coco needs the detector's file: give --peer-detector FILE.")
    return [CocoDetector(settings.peer_detector)]


def _original(settings: RowSettings) -> list[Row]:
    if settings.original is None:
        raise EvaluationError("The row original needs a checkpoint: give --original FILE.")
    return [original_network(settings.original, settings.seed)]


def _thumbs(settings: RowSettings) -> list[Row]:
    return [WithThumbs(Product("adapted"), count, settings.draws) for count in settings.thumbs]


ROWS: Mapping[str, Callable[[RowSettings], list[Row]]] = {
    "alert-all": lambda _: [AlertAll()],
    "area": lambda _: [MotionArea()],
    "mog2": lambda _: [BackgroundSubtraction("MOG2")],
    "knn": lambda _: [BackgroundSubtraction("KNN")],
    "coco": _detector,
    "original": _original,
    "network": lambda _: [RelevanceNetwork("network")],
    "first": lambda _: [FirstJudgement()],
    "fresh": lambda _: [Product("fresh installation", adapts=False)],
    "adapted": lambda _: [Product("adapted")],
    "thumbs": _thumbs,
}
"""What each name stands for; a row added here can be asked for by `--rows`."""

DEFAULT_ROWS = ("alert-all", "area", "mog2", "knn", "first")


def make_rows(names: Sequence[str] | None, settings: RowSettings) -> list[Row]:
    """Make rows in the order of the ladder; None takes the default ones, and what a file adds.

    Raises:
        EvaluationError: a row lacks what it needs.
    """
    if names is None:
        given = {"coco": settings.peer_detector, "original": settings.original}
        names = [*DEFAULT_ROWS, *(name for name, file in given.items() if file is not None)]
    return [row for name, make in ROWS.items() if name in names for row in make(settings)]

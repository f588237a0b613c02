"""The rows that can be asked for by name, in the order of the ladder."""

from __future__ import annotations

import functools
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
from veroallarme_training.evaluation.ladder import LeaveOneCameraOut, Row, WithThumbs
from veroallarme_training.evaluation.network import RelevanceNetwork, original_network
from veroallarme_training.evaluation.other_cameras import FirstLooks, fit_on_others
from veroallarme_training.evaluation.peer_detector import CocoDetector
from veroallarme_training.evaluation.product import Product, ZoneChoice
from veroallarme_training.evaluation.steps import (
    LearnedCameras,
    Ranking,
    Step,
    by_both,
    by_cue,
    by_objects,
    by_student,
    by_teacher,
)


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """What rows are made of."""

    cameras: Sequence[LabelledCamera]
    """For rows that are fitted on the labels of other cameras."""
    states: Path
    """Folder for what the product learns of the cameras."""
    peer_detector: Path | None = None
    original: Path | None = None
    """Checkpoint of the original's two phases."""
    intruders: int = 0
    """Synthetic ones that the adapted product must find on each camera."""
    network: Path | None = None
    """Of the row network."""
    thumbs: tuple[int, ...] = (10, 30, 100)
    draws: int = 3
    seed: int = 0

    @functools.cached_property
    def adapted(self) -> Product:
        """The product, which learns each camera once for all rows without thumbs."""
        return Product("adapted", self.states, intruders=self.intruders, seed=self.seed)

    @functools.cached_property
    def zoned(self) -> Product:
        """The product of a user who has drawn zones."""
        return Product(
            "adapted, drawn zones",
            self.states / "zoned",
            intruders=self.intruders,
            seed=self.seed,
            zones=ZoneChoice.DRAWN,
        )

    @functools.cached_property
    def suggested(self) -> Product:
        """The product of a user who takes the suggested zones as they are."""
        return Product(
            "adapted, suggested zones",
            self.states / "suggested",
            intruders=self.intruders,
            seed=self.seed,
            zones=ZoneChoice.SUGGESTED,
        )

    @functools.cached_property
    def learned(self) -> LearnedCameras:
        """What it learned, looked at by the steps."""
        return LearnedCameras(self.adapted)


def _detector(settings: RowSettings) -> list[Row]:
    if settings.peer_detector is None:
        raise EvaluationError("The row coco needs the detector's file: give --peer-detector FILE.")
    return [CocoDetector(settings.peer_detector)]


def _original(settings: RowSettings) -> list[Row]:
    if settings.original is None:
        raise EvaluationError("The row original needs a checkpoint: give --original FILE.")
    return [original_network(settings.original, settings.seed)]


def _network(settings: RowSettings) -> list[Row]:
    if settings.network is None:
        raise EvaluationError("The row network needs its file: give --network FILE.")
    return [RelevanceNetwork("network", settings.network)]


def _step(name: str, ranking: Ranking) -> Callable[[RowSettings], list[Row]]:
    return lambda settings: [Step(name, ranking, settings.learned)]


def _fresh(settings: RowSettings) -> list[Row]:
    return [Product("fresh installation", settings.states, adapts=False)]


def _fresh_zoned(settings: RowSettings) -> list[Row]:
    name = "fresh installation, drawn zones"
    return [Product(name, settings.states, adapts=False, zones=ZoneChoice.DRAWN)]


def _others(settings: RowSettings) -> list[Row]:
    name = "first day, weighed by other cameras"
    fit = functools.partial(fit_on_others, name, FirstLooks())
    return [LeaveOneCameraOut(name, fit, settings.cameras)]


def _thumbs(settings: RowSettings) -> list[Row]:
    return [WithThumbs(settings.adapted, count, settings.draws) for count in settings.thumbs]


ROWS: Mapping[str, Callable[[RowSettings], list[Row]]] = {
    "alert-all": lambda _: [AlertAll()],
    "area": lambda _: [MotionArea()],
    "original": _original,
    "network": _network,
    "first": lambda _: [FirstJudgement()],
    "fresh": _fresh,
    "fresh-zoned": _fresh_zoned,
    "others": _others,
    "recurrence": _step("recurrence", by_cue("quiet")),
    "plate": _step("plate", by_cue("deviation")),
    "novelty": _step("novelty", by_cue("novelty")),
    "teacher": _step("teacher", by_teacher),
    "student": _step("student", by_student),
    "unusual": _step("teacher and student", by_both),
    "objects": _step("detector", by_objects),
    "adapted": lambda settings: [settings.adapted],
    "suggested": lambda settings: [settings.suggested],
    "zoned": lambda settings: [settings.zoned],
    "thumbs": _thumbs,
    "mog2": lambda _: [BackgroundSubtraction("MOG2")],
    "knn": lambda _: [BackgroundSubtraction("KNN")],
    "coco": _detector,
}
"""What each name stands for, in the order of the ladder; what a user would pick instead is last."""

NEED_FILES = ("original", "network", "coco")
"""Rows that join by default only where their files are given."""

NEED_CAMERAS = ("others",)
"""Rows that join by default only where there are several cameras."""

DEFAULT_ROWS = tuple(name for name in ROWS if name not in (*NEED_FILES, *NEED_CAMERAS))


def make_rows(names: Sequence[str] | None, settings: RowSettings) -> list[Row]:
    """Make rows in the order of the ladder; None takes the default ones, and what a file adds.

    Raises:
        EvaluationError: a row lacks what it needs.
    """
    if names is None:
        files = (settings.original, settings.network, settings.peer_detector)
        given = [name for name, file in zip(NEED_FILES, files, strict=True) if file is not None]
        several = NEED_CAMERAS if len(settings.cameras) > 1 else ()
        names = [*DEFAULT_ROWS, *several, *given]
    return [row for name, make in ROWS.items() if name in names for row in make(settings)]

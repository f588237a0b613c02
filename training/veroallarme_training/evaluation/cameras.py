"""Cameras to evaluate on: events in order of time, and the labels, which no scorer gets to see."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veroallarme_core.motion_detection import find_damage
from veroallarme_core.pictures import read_frame_or_none
from veroallarme_training.errors import TrainingError
from veroallarme_training.events import Event, find_events
from veroallarme_training.motion_cache import MotionCache

Box = tuple[int, int, int, int]
"""x, y, width and height in pixels of the full frame."""


class EvaluationError(TrainingError):
    """Nothing can be evaluated; the sentence says what, where, and what to do."""


@dataclass(frozen=True)
class EventLabel:
    """What a person says of an event; `cause` names what moved, as the labels file does."""

    relevant: bool
    cause: str = ""


@dataclass(frozen=True, eq=False)
class Camera:
    """What a scorer gets of a camera: everything but the labels.

    Args:
        name: `group/folder`, unique in one evaluation.
        folder: holds a folder per event.
        events: all of them, in order of time.
        asked: the events whose scores are wanted; the others are history.
        motion: Stage 1's results, computed once for all scorers.
    """

    name: str
    folder: Path
    events: tuple[Event, ...]
    asked: frozenset[str]
    motion: MotionCache = field(default_factory=MotionCache)

    @property
    def zones(self) -> Path:
        """File of the zones that its owner has drawn; it need not be there."""
        return self.folder / "zones.json"

    @property
    def group(self) -> str:
        """The folder that this camera lies in together with others."""
        return self.name.rpartition("/")[0]

    def asked_events(self) -> list[Event]:
        """Return the events whose scores are wanted, in order of time."""
        return [event for event in self.events if event.event_id in self.asked]


@dataclass(frozen=True, eq=False)
class LabelledCamera:
    """A camera with its labels by event; `boxes` are regions known to be relevant or not."""

    camera: Camera
    labels: Mapping[str, EventLabel]
    boxes: Mapping[str, Sequence[tuple[Box, bool]]]
    uncertain: int = 0
    """Labelled events that are left out, because the labels file calls them uncertain."""

    @functools.cached_property
    def damaged_movers(self) -> frozenset[str]:
        """The relevant events of which at least one frame is damaged."""
        return frozenset(
            event.event_id
            for event in self.camera.asked_events()
            if self.labels[event.event_id].relevant and _is_damaged(event)
        )


def _is_damaged(event: Event) -> bool:
    frames = [read_frame_or_none(path) for path in event.frames]
    return any(damage.kinds for damage in find_damage(frames))


def find_cameras(
    folders: Sequence[Path],
    labels_files: Sequence[Path] | None = None,
    cache: Path | None = None,
) -> list[LabelledCamera]:
    """Find the cameras of folders, each a camera's own or a parent of several.

    Args:
        folders: as `find_events` takes them.
        labels_files: one per camera, in their order; None takes `labels.csv` of each camera.
        cache: where Stage 1's results are kept between runs.

    Raises:
        TrainingError: a folder holds no events, or labels are missing or wrong.
    """
    events: dict[Path, list[Event]] = {}
    for folder in folders:
        for event in find_events(folder):
            events.setdefault(event.frames[0].parent.parent.resolve(), []).append(event)
    if labels_files is not None and len(labels_files) != len(events):
        raise EvaluationError(
            f"{len(labels_files)} labels files for {len(events)} cameras: give one per camera, in "
            "the order of the cameras, or none to read labels.csv of each."
        )
    files = labels_files or [folder / "labels.csv" for folder in events]
    motion = MotionCache(folder=cache)
    return [
        _labelled(folder, tuple(own), file, motion)
        for (folder, own), file in zip(events.items(), files, strict=True)
    ]


def _labelled(
    folder: Path, events: tuple[Event, ...], labels_file: Path, motion: MotionCache
) -> LabelledCamera:
    labels, uncertain = read_event_labels(labels_file)
    asked = frozenset(labels) & {event.event_id for event in events}
    if not asked:
        raise EvaluationError(
            f"{labels_file} labels none of the {len(events)} events in {folder}: its event_id must "
            "be the names of the events' folders."
        )
    camera = Camera(f"{folder.parent.name}/{folder.name}", folder, events, asked, motion)
    regions_file = folder / "regions.csv"
    boxes = read_boxes(regions_file) if regions_file.is_file() else {}
    return LabelledCamera(
        camera,
        {event_id: label for event_id, label in labels.items() if event_id in asked},
        {event_id: event_boxes for event_id, event_boxes in boxes.items() if event_id in asked},
        uncertain,
    )


def read_event_labels(path: Path) -> tuple[dict[str, EventLabel], int]:
    """Read `event_id,label[,cause][,uncertain]`; return the labels and how many are left out.

    Raises:
        EvaluationError: the file cannot be read, or a row is wrong.
    """
    labels = {}
    uncertain = 0
    for where, row in read_table(path, ("event_id", "label")):
        if row["label"] not in ("relevant", "irrelevant"):
            raise EvaluationError(
                f"{where}: {row['label']!r} is no label; give relevant or irrelevant."
            )
        if row.get("uncertain") == "1":
            uncertain += 1
        else:
            labels[row["event_id"]] = EventLabel(row["label"] == "relevant", row.get("cause") or "")
    return labels, uncertain


def read_boxes(path: Path) -> dict[str, list[tuple[Box, bool]]]:
    """Read `event_id,x,y,width,height,is_relevant`; return the boxes of each event.

    Raises:
        EvaluationError: the file cannot be read, or a row is wrong.
    """
    columns = ("event_id", "x", "y", "width", "height", "is_relevant")
    boxes: dict[str, list[tuple[Box, bool]]] = {}
    for where, row in read_table(path, columns):
        try:
            x, y, width, height = (int(row[name]) for name in columns[1:5])
            relevant = {"0": False, "1": True}[row["is_relevant"]]
        except (ValueError, KeyError):
            raise EvaluationError(
                f"{where}: expected whole pixels for x, y, width, height and 0 or 1 for "
                "is_relevant."
            ) from None
        boxes.setdefault(row["event_id"], []).append(((x, y, width, height), relevant))
    return boxes


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Read a CSV file; return each row with its place, `file line n`, for messages.

    Raises:
        EvaluationError: the file cannot be read, a column is missing, or a row is too short.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(f"{path} line {reader.line_num}", row) for row in reader]
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EvaluationError(f"{path} cannot be read: {reason}.") from None
    if missing:
        raise EvaluationError(
            f"{path} has no column {', '.join(missing)}; expected {','.join(columns)}."
        )
    for where, row in rows:
        if None in row.values():
            raise EvaluationError(f"{where}: the row is shorter than the header.")
    return rows

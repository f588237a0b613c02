"""What is known of a region: relevant or nuisance, how surely, and who says so."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from veroallarme_core.motion_detection import common_area
from veroallarme_training.errors import TrainingError
from veroallarme_training.moving_events import MovingEvent

SAME_REGION_IOU = 0.3
"""A labelled box is that of the region with which it shares at least this much."""

_EVENT_LABELS = ("relevant", "irrelevant")
_REGION_COLUMNS = ("x", "y", "width", "height", "is_relevant")


class LabelsError(TrainingError):
    """A labels file is wrong; the sentence names file, line and value."""


@dataclass(frozen=True)
class RegionLabel:
    """A label with its weight in [0, 1]; `source` is `file`, `drawn` or `recurrence`."""

    relevant: bool
    weight: float = 1.0
    source: str = "file"


RegionLabels: TypeAlias = Mapping[tuple[str, int], RegionLabel]
"""Labels by event name (`camera/event_id`) and number of the region; a missing one is unknown."""


def count_labels(labels: RegionLabels) -> str:
    """Return one line for the user: how many labels of which kind, by source."""
    counts = Counter((label.source, label.relevant) for label in labels.values())
    sources = sorted({source for source, _ in counts})
    return (
        ", ".join(
            f"{source}: {counts[source, True]:,} relevant and {counts[source, False]:,} nuisance"
            for source in sources
        )
        or "none"
    )


def read_labels(
    path: str | Path, events: Sequence[MovingEvent]
) -> dict[tuple[str, int], RegionLabel]:
    """Read a labels file for the regions of `events`.

    Two kinds are known by their columns. Of events: `event_id,label`, relevant or irrelevant; all
    regions of an irrelevant event are nuisance, while of a relevant one only the largest region
    is taken as relevant and nothing is said of the others. Of regions:
    `event_id,x,y,width,height,is_relevant`, boxes in pixels of the full frame. Rows marked
    `uncertain` = 1 are left out; a column `camera` tells cameras apart that share event ids.

    Args:
        path: a file; a bare name that is no file here is looked for in every camera's folder.
        events: the events whose regions shall be labelled.

    Raises:
        LabelsError: there is no such file, a row is wrong, or no row fits any event.
    """
    files = _files(Path(path), events)
    tables = [_read_table(file, camera) for file, camera in files]
    numbers = _numbers_of(events, tables)
    labels: dict[tuple[str, int], RegionLabel] = {}
    for table in tables:
        labels.update(_labels_of(table, events, numbers))
    if not labels:
        raise LabelsError(
            f"{files[0][0]}: none of its rows fits a moving region of the events in the data "
            "folder; check that its event_id are the names of the events' folders."
        )
    return labels


@dataclass(frozen=True)
class _Table:
    """What a labels file says, before anybody looks at the events."""

    path: Path
    camera: str | None
    """The camera in whose folder it lies; None speaks of all of them."""
    rows: tuple[tuple[int, dict[str, str]], ...]
    """Line and columns."""
    has_regions: bool


def _files(path: Path, events: Sequence[MovingEvent]) -> list[tuple[Path, str | None]]:
    if path.is_file():
        return [(path, None)]
    folders = {moving.event.frames[0].parent.parent: moving.event.camera for moving in events}
    found: list[tuple[Path, str | None]] = [
        (folder / path, camera)
        for folder, camera in sorted(folders.items())
        if path.name == str(path) and (folder / path).is_file()
    ]
    if not found:
        where = "" if path.name != str(path) else ", nor is there one in any camera's folder"
        raise LabelsError(f"There is no labels file {path}{where}.")
    return found


def _read_table(path: Path, camera: str | None) -> _Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [
                (line, row) for line, row in enumerate(reader, 2) if row.get("uncertain") != "1"
            ]
            columns = set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"The labels file {path} cannot be read: {error}.") from None
    has_regions = "event_id" in columns and columns.issuperset(_REGION_COLUMNS)
    if not has_regions and not {"event_id", "label"} <= columns:
        raise LabelsError(
            f"{path} has the columns {', '.join(sorted(columns)) or 'none'}; expected "
            "event_id,label or event_id,x,y,width,height,is_relevant."
        )
    return _Table(path, camera, tuple(rows), has_regions)


def _numbers_of(
    events: Sequence[MovingEvent], tables: Sequence[_Table]
) -> dict[tuple[str | None, str], list[int]]:
    """Look for the events that the tables speak of, by table and event id, in one pass."""
    wanted = {(table.camera, row["event_id"]) for table in tables for _, row in table.rows}
    is_shared = tables[0].camera is None
    numbers: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    for number, moving in enumerate(events):
        key = (None if is_shared else moving.event.camera, moving.event.event_id)
        if key in wanted:
            numbers[key].append(number)
    return numbers


def _labels_of(
    table: _Table,
    events: Sequence[MovingEvent],
    numbers: Mapping[tuple[str | None, str], Sequence[int]],
) -> list[tuple[tuple[str, int], RegionLabel]]:
    parse = _region_label if table.has_regions else _event_labels
    labels: list[tuple[tuple[str, int], RegionLabel]] = []
    for line, row in table.rows:
        candidates = [events[number] for number in numbers.get((table.camera, row["event_id"]), ())]
        if row.get("camera"):
            candidates = [
                candidate for candidate in candidates if candidate.event.camera == row["camera"]
            ]
        elif len(candidates) > 1:
            cameras = ", ".join(moving.event.camera for moving in candidates)
            raise LabelsError(
                f"{table.path} line {line}: the event {row['event_id']} exists on several cameras "
                f"({cameras}); add a column `camera`."
            )
        labels += parse(row, candidates[0] if candidates else None, f"{table.path} line {line}")
    return labels


def _event_labels(
    row: Mapping[str, str], moving: MovingEvent | None, where: str
) -> list[tuple[tuple[str, int], RegionLabel]]:
    if row["label"] not in _EVENT_LABELS:
        raise LabelsError(f"{where}: {row['label']!r} is no label; give relevant or irrelevant.")
    if moving is None:
        return []
    if row["label"] == "relevant":
        return [((moving.event.name, 0), RegionLabel(True))]
    return [((moving.event.name, n), RegionLabel(False)) for n in range(moving.region_count)]


def _region_label(
    row: Mapping[str, str], moving: MovingEvent | None, where: str
) -> list[tuple[tuple[str, int], RegionLabel]]:
    try:
        x, y, width, height = (int(row[name]) for name in _REGION_COLUMNS[:4])
        relevant = {"0": False, "1": True}[row["is_relevant"]]
    except (ValueError, KeyError, TypeError):
        raise LabelsError(
            f"{where}: expected whole pixels for x, y, width, height and 0 or 1 for is_relevant."
        ) from None
    if moving is None:
        return []
    box = (x, y, x + width, y + height)
    shares = [
        _iou(box, region.to_bbox()) for region in moving.motion.regions[: moving.region_count]
    ]
    best = max(range(len(shares)), key=shares.__getitem__)
    if shares[best] < SAME_REGION_IOU:
        return []
    return [((moving.event.name, best), RegionLabel(relevant))]


def _iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Return the intersection over union of two boxes (x1, y1, x2, y2)."""
    shared = common_area(a, b)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0

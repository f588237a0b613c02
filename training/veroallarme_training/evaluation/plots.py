"""Pictures of an evaluation: curves, contact sheets of the errors, where a camera moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from veroallarme_core.contract import RelevanceRegion, State
from veroallarme_core.files import atomic_file
from veroallarme_core.pictures import draw_verdict, strongest_frame
from veroallarme_training.evaluation.baselines import read_pictures
from veroallarme_training.evaluation.cameras import Camera, LabelledCamera
from veroallarme_training.evaluation.ladder import RowResult
from veroallarme_training.evaluation.measures import curve
from veroallarme_training.evaluation.scores import EventScore
from veroallarme_training.motion_cache import BrokenEventError

Picture = NDArray[np.uint8]

SHEET_EVENTS = 12
"""Misses, and false alarms, on a contact sheet."""

_COLUMNS = 4
_TILE_HEIGHT = 300  # pixels; the crops of the best region stand beside the frame, one of each frame
_SHOWN_REGIONS = 3
_MAP_CELLS = (72, 88)  # rows and columns of the recurrence map
_MAP_PICTURES = 15


def draw_curves(path: Path, labelled: LabelledCamera, results: Sequence[RowResult]) -> bool:
    """Draw precision over recall, and suppressed false alarms over recall, of every row.

    Returns:
        False, and writes nothing, where the camera has events of one label only.
    """
    name = labelled.camera.name
    if len({label.relevant for label in labelled.labels.values()}) < 2:
        return False
    plot = Plot(figsize=(16, 6), layout="constrained")
    left, right = plot.subplots(1, 2)
    colours = matplotlib.colormaps["tab20"]
    for number, result in enumerate(results):
        if name not in result.cameras:
            continue
        scores = result.cameras[name].scores
        relevant = [labelled.labels[score.event_id].relevant for score in scores]
        if len(set(relevant)) < 2:
            continue
        recall, precision, suppressed = curve([score.score for score in scores], relevant)
        first = np.unique(recall, return_index=True)[1]  # the largest threshold of each recall
        # A row of one score is a single point; more rows than colours are dashed.
        style = "o" if len(recall) == 1 else "-" if number < 10 else "--"
        colour = colours((2 * number) % 20)
        left.plot(recall, precision, style, color=colour, label=result.name)
        right.plot(recall[first], suppressed[first], style, color=colour, drawstyle="steps-pre")
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(None, 1.01))
    right.set(xlabel="recall", ylabel="false alarms suppressed", xlim=(0.8, 1.002), ylim=(0, 1.01))
    for share in (0.95, 0.98, 0.99):
        right.axvline(share, color="0.7", linewidth=0.8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    plot.legend(*left.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    counts = sum(label.relevant for label in labelled.labels.values())
    plot.suptitle(f"{name}: {counts} relevant, {len(labelled.labels) - counts} irrelevant events")
    _save(path, plot)
    return True


def draw_sheet(path: Path, labelled: LabelledCamera, result: RowResult) -> bool:
    """Draw the worst errors: relevant events scored lowest, irrelevant ones scored highest.

    Returns:
        False, and writes nothing, where the row does not know the camera.
    """
    name = labelled.camera.name
    if name not in result.cameras:
        return False
    scores = sorted(result.cameras[name].scores, key=lambda score: score.score)
    relevant = [score for score in scores if labelled.labels[score.event_id].relevant][
        :SHEET_EVENTS
    ]
    irrelevant = [score for score in scores if not labelled.labels[score.event_id].relevant]
    alarms = irrelevant[::-1][:SHEET_EVENTS]
    titles = ("relevant, scored lowest", "irrelevant, scored highest")
    shown = [
        (title, chosen, -(-len(chosen) // _COLUMNS))
        for title, chosen in zip(titles, (relevant, alarms), strict=True)
        if chosen
    ]
    heights = [count for _, _, count in shown]
    plot = Plot(figsize=(5 * _COLUMNS, 3.5 * sum(heights) + 1), layout="constrained")
    parts = plot.subfigures(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (title, chosen, count) in zip(parts, shown, strict=True):
        part.suptitle(f"{result.name}, {name}: {title}", fontweight="bold")
        for axes, score in zip(
            part.subplots(count, _COLUMNS, squeeze=False).flat,
            [*chosen, *[None] * (count * _COLUMNS - len(chosen))],
            strict=True,
        ):
            axes.axis("off")
            if score is not None:
                axes.imshow(_tile(labelled.camera, score)[..., ::-1])
                axes.set_title(_caption(labelled, score), fontsize="small")
    _save(path, plot)
    return True


def _caption(labelled: LabelledCamera, score: EventScore) -> str:
    label = labelled.labels[score.event_id]
    decided = [] if score.state is None else [f"{score.state.value} ({score.reason})"]
    return f"{score.event_id}  {label.cause}\n{' '.join([f'{score.score:.3g}', *decided])}"


def _tile(camera: Camera, score: EventScore) -> Picture:
    """Return the strongest frame with the best regions, beside it the best one in every frame."""
    event = next(event for event in camera.events if event.event_id == score.event_id)
    pictures = read_pictures(event)
    regions = sorted(score.regions, key=lambda region: -region.score)[:_SHOWN_REGIONS]
    drawn = [
        RelevanceRegion(
            x=max(r.x, 0),
            y=max(r.y, 0),
            width=r.width,
            height=r.height,
            area=r.width * r.height,
            centroid=(r.x + r.width // 2, r.y + r.height // 2),
            confidence=r.score,
            relevance_score=r.score,
            is_relevant=score.state is not State.IRRELEVANT,
        )
        for r in regions
    ]
    frame = strongest_frame(pictures, drawn[0].to_bbox() if drawn else None)
    if frame is None:
        return np.zeros((_TILE_HEIGHT, _TILE_HEIGHT, 3), np.uint8)
    width = round(frame.shape[1] * _TILE_HEIGHT / frame.shape[0])
    tile = cv2.resize(
        draw_verdict(frame, drawn), (width, _TILE_HEIGHT), interpolation=cv2.INTER_AREA
    )
    if not drawn:
        return np.asarray(tile, np.uint8)
    side = _TILE_HEIGHT // 3
    crops = [cv2.resize(_crop(picture, drawn[0]), (side, side)) for picture in pictures[:3]]
    crops += [np.zeros((side, side, 3), np.uint8)] * (3 - len(crops))
    return np.asarray(np.hstack([tile, np.vstack(crops)]), np.uint8)


def _crop(picture: Picture, region: RelevanceRegion) -> Picture:
    """Cut a square around a region, with a margin, shifted into the picture."""
    height, width = picture.shape[:2]
    side = min(max(region.width, region.height, 24) * 3 // 2, height, width)
    x = min(max(region.x + region.width // 2 - side // 2, 0), width - side)
    y = min(max(region.y + region.height // 2 - side // 2, 0), height - side)
    return picture[y : y + side, x : x + side]


def draw_recurrence(path: Path, camera: Camera) -> bool:
    """Draw over a picture of the camera in which share of its events each place moved.

    Returns:
        False, and writes nothing, where no event of the camera can be read.
    """
    rows, columns = _MAP_CELLS
    total, count = np.zeros(_MAP_CELLS, np.float64), 0
    for event in camera.events:
        try:
            mask = camera.motion.motion(event).motion_mask
        except BrokenEventError:
            continue
        cells = cv2.resize(
            (mask > 0).astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA
        )
        total += cells > 0
        count += 1
    if not count:
        return False
    picture = _typical_picture(camera)
    plot = Plot(figsize=(9, 7), layout="constrained")
    axes = plot.subplots()
    height, width = picture.shape[:2]
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    share = total / count
    heat = axes.imshow(
        share, extent=(0, width, height, 0), cmap="inferno", alpha=np.clip(3 * share, 0, 0.75)
    )
    plot.colorbar(heat, ax=axes, label="share of events in which the place moved")
    axes.set_title(f"{camera.name}: {count} events")
    axes.axis("off")
    _save(path, plot)
    return True


def _typical_picture(camera: Camera) -> Picture:
    """Return the grey median uint8 (H, W) of pictures from the whole history."""
    step = max(1, len(camera.events) // _MAP_PICTURES)
    pictures = [
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        for event in camera.events[::step]
        for picture in read_pictures(event)[:1]
    ]
    shape = max(
        pictures, key=lambda picture: sum(other.shape == picture.shape for other in pictures)
    ).shape
    return np.asarray(
        np.median([picture for picture in pictures if picture.shape == shape], axis=0), np.uint8
    )


def _save(path: Path, plot: Plot) -> None:
    with atomic_file(path) as file:
        plot.savefig(file, format=path.suffix.removeprefix("."), dpi=90)

"""What a burst shows, as numbers that a camera's memory can keep and compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import ALL_KINDS, ObjectKind
from veroallarme_core.description.moving_objects import MovingObjects
from veroallarme_core.description.region_crops import Frame, frames_of_place
from veroallarme_core.description.scene_encoder import (
    CELL_CHANNELS,
    EMBEDDING_DIM,
    SceneEncoder,
    crop_region,
    grid_for,
)
from veroallarme_core.motion_detection import (
    BLOCK_SIZE,
    FrameDamage,
    MotionDetectionResult,
    MotionRegion,
    min_area_for,
)

if TYPE_CHECKING:
    from veroallarme_core.description.remembering import RememberingEncoder

SKETCH_DIM = 192
"""Numbers that describe what a region looks like, in its frames together."""

MAX_REGIONS = 32
"""Regions that are looked at, those first that count and are hardest to explain; a bound on time:
some 150 ms of crops. What is beyond it nobody has looked at."""

TAUGHT_REGIONS = 8
"""Regions of one event that teach a camera, the first ones: a burst of rain must not rule it."""

MAX_CELLS = 256
"""Cells of a region that are kept, evenly spread: a mover so large shows in any part of them."""

_INFRARED_COLOUR = 4.0
"""Median difference of the colour channels, in levels, below which a picture has no colour."""
_DUSK_GREY = 70.0
"""Mean grey level below which a picture in colour was taken at dusk."""
_DAMAGED = 0.02  # share of a cell from which it counts as damaged
_REACH = 2  # cells around damage that are not to be trusted either
_CHANGED_PLACES = 4  # of the 49 of a crop: those where a mover shows
_MOVED = 0.005  # share of a cell from which it counts as moved


UNSEEN_AT_NIGHT = 0.6
"""What the silence of the detector counts for in the dark: a score of .36."""


class Light(IntEnum):
    """Kinds of light under which the same place looks different."""

    DAY = 0
    DUSK = 1
    INFRARED = 2


@dataclass(frozen=True)
class Candidate:
    """A region that may be looked at."""

    region: MotionRegion
    unexplained_px: float = 0.0
    """Largest connected change in it that neither light nor swaying explains, in pixels."""
    is_decided: bool = False
    """Whether nothing depends on what is seen of it any more."""


@dataclass(frozen=True, eq=False)
class RegionEvidence:
    """One region that moved."""

    region: MotionRegion
    place: NDArray[np.float32]
    """(2,): x and y of its centre as shares of the frame."""
    cells: NDArray[np.intp]
    """(n,): flat indices of the cells in which it moved."""
    features: NDArray[np.float16]
    """(F, n, CELL_CHANNELS): what those cells look like in the frames."""
    intact: NDArray[np.bool_]
    """(F, n): whether they are not damaged there."""
    sketch: NDArray[np.float32]
    """(SKETCH_DIM,): what it looks like and how that changed; see `sketch_of`."""
    change: float
    """How much what is seen there changed between frames, in standard deviations over ImageNet
    (root mean square over the channels, in the places that changed most); NaN with one frame."""
    unexplained: float
    """Largest connected change that neither light nor swaying explains, in smallest regions."""
    object_score: float = math.nan
    """Largest score of a person, animal or vehicle that moves there and counts, in [0, 1]; NaN
    where nobody looked for any."""
    person_score: float = math.nan
    """Largest score of a person who moves there, where people count; NaN as that."""
    light: Light = Light.DAY
    """Of the burst."""

    @property
    def likeness(self) -> float:
        """How much it looks like an object, in [0, 1]: the root of the score; NaN as that.

        Where it is not day it is `UNSEEN_AT_NIGHT` at least: there the detector overlooks most
        people, and its silence must not rank them among the leaves.
        """
        likeness = math.sqrt(self.object_score)
        return likeness if self.light is Light.DAY else max(likeness, UNSEEN_AT_NIGHT)

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x1, y1, x2, y2) in pixels, x2 and y2 exclusive."""
        return self.region.to_bbox()


@dataclass(frozen=True, eq=False)
class BurstEvidence:
    """One burst of F frames over a grid of cells."""

    light: Light
    features: NDArray[np.float32]
    """(F, rows, columns, CELL_CHANNELS); of no frame where the regions alone were described."""
    intact: NDArray[np.bool_]
    """(F, rows, columns): cells that are not damaged."""
    moved: NDArray[np.bool_]
    """(rows, columns): cells in which something moved."""
    regions: tuple[RegionEvidence, ...]
    detector: str = ""
    """Name of what looked for objects; empty where nothing did."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells."""
        return self.moved.shape[0], self.moved.shape[1]

    def without_frames(self) -> BurstEvidence:
        """Return it without what only a memory needs that sees whole frames, a megabyte."""
        # Copies: a part of an array would keep all of it.
        return replace(self, features=self.features[:0].copy(), intact=self.intact[:0].copy())


def gather_evidence(
    encoder: SceneEncoder | RememberingEncoder,
    motion: MotionDetectionResult,
    candidates: Sequence[Candidate],
    objects: MovingObjects | None = None,
    kinds_in: Callable[[MotionRegion], Collection[str]] = lambda region: ALL_KINDS,
    earlier: BurstEvidence | None = None,
    *,
    is_learned: bool = True,
) -> BurstEvidence | None:
    """Describe a burst.

    Args:
        encoder: describes cells and regions.
        motion: what Stage 1 found, with the frames.
        candidates: its regions in the order in which they are looked at; of those that are
            undecided at most `MAX_REGIONS`, of the others what is missing of `TAUGHT_REGIONS`.
        objects: what the detector found; None where nobody looked.
        kinds_in: tells which kinds of objects count in a region.
        earlier: of this burst, before some of the regions were known.
        is_learned: whether a memory learns from it, which looks at whole frames; to judge it takes
            the regions alone.

    Returns:
        The evidence; None where no frame has the size of the burst.

    Raises:
        InferenceError: the encoder failed.
    """
    dimensions = motion.frame_dimensions
    usable = [
        (frame, damage)
        for frame, damage in zip(motion.frames, motion.damage, strict=True)
        if frame is not None and frame.shape[:2] == dimensions and damage.is_usable
    ]
    if not usable:
        return None
    grid = grid_for(dimensions)
    frames = [frame for frame, _ in usable]
    moved = _shares(motion.motion_mask > 0, grid) > _MOVED
    undecided = [candidate for candidate in candidates if not candidate.is_decided]
    decided = [candidate for candidate in candidates if candidate.is_decided]
    chosen = undecided[:MAX_REGIONS] + decided[: max(0, TAUGHT_REGIONS - len(undecided))]
    known = {} if earlier is None else {seen.region: seen for seen in earlier.regions}
    described = _describe(
        encoder, motion, [candidate for candidate in chosen if candidate.region not in known]
    )
    if earlier is None:
        intact = np.stack([_intact_cells(damage, dimensions, grid) for _, damage in usable])
        light = light_of(frames)
    else:
        intact, light = earlier.intact, earlier.light
    cells_of = {
        candidate.region: _cells(candidate.region.to_bbox(), dimensions, moved)
        for candidate, _ in described
    }
    if earlier is not None and len(earlier.features):
        features = earlier.features
    elif is_learned:
        features = encoder.encode_frames(frames, grid)
    else:
        needed = np.zeros(grid, np.bool_)
        for cells in cells_of.values():
            needed.flat[cells] = True
        features = encoder.encode_cells(frames, grid, needed)
    flat_features = features.reshape(len(frames), -1, CELL_CHANNELS)
    flat_intact = intact.reshape(len(frames), -1)
    for candidate, (sketch, change) in described:
        cells = cells_of[candidate.region]
        known[candidate.region] = RegionEvidence(
            region=candidate.region,
            place=_place(candidate.region.to_bbox(), dimensions),
            cells=cells,
            features=flat_features[:, cells].astype(np.float16),
            intact=flat_intact[:, cells],
            sketch=sketch,
            change=change,
            unexplained=candidate.unexplained_px / min_area_for(dimensions),
            light=light,
        )
    regions = tuple(known[candidate.region] for candidate in chosen)
    if objects is not None:
        regions = tuple(
            replace(
                seen,
                object_score=objects.score_in(seen.region, kinds),
                person_score=objects.score_in(seen.region, set(kinds) & {ObjectKind.PERSON}),
            )
            for seen, kinds in ((seen, kinds_in(seen.region)) for seen in regions)
        )
    detector = "" if objects is None else objects.detector
    return BurstEvidence(
        light, features if is_learned else features[:0], intact, moved, regions, detector
    )


def light_of(frames: Sequence[Frame]) -> Light:
    """Tell the light of frames, uint8 (H, W, 3) BGR, by the brightest of them."""
    small = [cv2.resize(frame, (32, 24), interpolation=cv2.INTER_AREA) for frame in frames]
    brightest = max(small, key=lambda picture: float(picture.mean())).astype(np.int16)
    if float(np.median(np.ptp(brightest, axis=2))) < _INFRARED_COLOUR:
        return Light.INFRARED
    return Light.DUSK if float(brightest.mean()) < _DUSK_GREY else Light.DAY


def sketch_of(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boil the embeddings of a region in its frames down to a short vector.

    What shows in any frame and what shows in all of them, square roots so that no channel rules,
    projected on random signs: distances and linear functions survive (Achlioptas 2003,
    https://doi.org/10.1016/S0022-0000(03)00025-4), whatever the number of frames.

    Args:
        embeddings: float32 (F, EMBEDDING_DIM), F >= 1, not negative.

    Returns:
        float32 (SKETCH_DIM,).
    """
    both = np.concatenate([embeddings.max(axis=0), embeddings.min(axis=0)])
    return np.asarray(np.sqrt(both) @ _SIGNS, np.float32)


def _random_signs(rows: int, columns: int) -> NDArray[np.float32]:
    """Return signs from the SplitMix64 sequence (Steele et al. 2014): the same in every version."""
    state = np.arange(1, rows * columns + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = (state >> np.uint64(63)).astype(np.float32).reshape(rows, columns)
    return (2.0 * bits - 1.0) / np.float32(np.sqrt(columns))


_SIGNS = _random_signs(2 * EMBEDDING_DIM, SKETCH_DIM)


def _describe(
    encoder: SceneEncoder | RememberingEncoder,
    motion: MotionDetectionResult,
    regions: Sequence[Candidate],
) -> list[tuple[Candidate, tuple[NDArray[np.float32], float]]]:
    """Return sketch and change of every region."""
    crops, owners = [], []
    for index, candidate in enumerate(regions):
        bbox = candidate.region.to_bbox()
        for frame in frames_of_place(motion.frames, motion.damage, bbox, motion.frame_dimensions):
            crops.append(crop_region(frame, bbox))
            owners.append(index)
    if not crops:
        return []
    seen = encoder.describe_crops(np.stack(crops))
    region_of_crop = np.array(owners)
    return [
        (
            candidate,
            (
                sketch_of(seen.embedding[region_of_crop == index]),
                change_of(seen.structure[region_of_crop == index]),
            ),
        )
        for index, candidate in enumerate(regions)
    ]


def change_of(structures: NDArray[np.float32]) -> float:
    """Return how much a crop changed between any two of its frames.

    Args:
        structures: float32 (F, C, rows, columns).

    Returns:
        The root mean square over the channels, averaged over the places that changed most; NaN
        where there is one frame only.
    """
    pairs = [
        np.sqrt(((structures[i] - structures[j]) ** 2).mean(axis=0))
        for i in range(len(structures))
        for j in range(i)
    ]
    if not pairs:
        return math.nan
    largest = np.sort(np.max(pairs, axis=0).ravel())[-_CHANGED_PLACES:]
    return float(largest.mean())


def _shares(mask: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return which share of every cell a mask covers."""
    small = cv2.resize(mask.astype(np.float32), (grid[1], grid[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _intact_cells(
    damage: FrameDamage, dimensions: tuple[int, int], grid: tuple[int, int]
) -> NDArray[np.bool_]:
    if not damage.blocks.any():  # as in most frames
        return np.ones(grid, np.bool_)
    height, width = dimensions
    pixels = np.repeat(np.repeat(damage.blocks, BLOCK_SIZE, axis=0), BLOCK_SIZE, axis=1)
    damaged = (_shares(pixels[:height, :width], grid) > _DAMAGED).astype(np.uint8)
    # The encoder sees that far beyond a cell.
    reach = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
    return np.asarray(cv2.dilate(damaged, reach) == 0)


def _place(bbox: tuple[int, int, int, int], dimensions: tuple[int, int]) -> NDArray[np.float32]:
    x1, y1, x2, y2 = bbox
    height, width = dimensions
    return np.array([(x1 + x2) / 2 / width, (y1 + y2) / 2 / height], np.float32)


def _cells(
    bbox: tuple[int, int, int, int],
    dimensions: tuple[int, int],
    moved: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Return the cells of a box in which something moved; all of them where none did."""
    x1, y1, x2, y2 = bbox
    rows, columns = moved.shape
    top, left = y1 * rows // dimensions[0], x1 * columns // dimensions[1]
    bottom = max(top + 1, -(-y2 * rows // dimensions[0]))
    right = max(left + 1, -(-x2 * columns // dimensions[1]))
    box = np.zeros_like(moved)
    box[top:bottom, left:right] = True
    inside = box & moved
    cells = np.flatnonzero(inside if inside.any() else box)
    if len(cells) <= MAX_CELLS:
        return cells
    return cells[np.linspace(0, len(cells) - 1, MAX_CELLS).astype(np.intp)]

"""What is corrupt in the frames of a burst, block by block.

A network camera's broken stream leaves traces that nothing in front of a lens does: chroma planes
of zeros (green), coefficients that never came (flat grey), and pictures of another channel pasted
along perfectly straight seams. Each frame is looked at alone first; the other frames of the burst
then tell how far the damage reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.pictures.frames import DecodedFrame, shrink

BLOCK_SIZE = 16
"""Edge of a block in pixels of the frame; damage is told and masked by block."""

_WORK_WIDTH = (
    704  # wider frames are searched at about this width: seams stay sharp, time stays bounded
)
_CELL = 8  # edge of a cell at working width; cells carry all evidence below
_NEON_EXCESS = 60  # green above red and blue, in grey levels: foliage stays below, zero chroma not
_NEON_SHARE = 0.3  # share of such pixels in a neon cell
_FAINT_NEON_SHARE = 0.08  # enough beside a neon cell
_BAND_SHARE = 0.7  # share of a row's cells that are neon in a green band
_NEON_ROUGHNESS = 25.0  # mean step between neighbouring pixels: decoder noise, not a green object
_FLAT_SPREAD = 3  # largest deviation, in grey levels, of what was never decoded
_GREY_LEVEL = 128  # what JPEG shows where all coefficients are missing
_GARISH = 100.0  # mean saturation (largest minus smallest channel) of a smear's cells
_MOSAIC_BLOCKS = 12  # fewest flat macroblocks of a mosaic
_MOSAIC_FILL = 0.12  # share of them in the patch that they span
_MOSAIC_DETAIL = 5.0  # mean deviation from its own mean, in grey levels, of a flat block
_MOSAIC_STEP = 10  # step along most of a side of such a block, in grey levels
_SEAM_STEP = 12.0  # smallest step across a seam, in grey levels
_FAINT_STEP = 5.0  # enough where the other frame has no step at all
_SEAM_CHANGE = 14.0  # smallest difference on the changed side of a seam, in grey levels
_SEAM_REACH = 8  # pixels looked at on either side of a seam
_SEAM_BEND = 1.5  # a pasted edge deviates less than this from a straight line, in pixels
_OWN_SEAM_SHARE = 0.28  # of the height: gate posts and pipes in clean pictures stay below
_LONE_SEAM_SHARE = 0.6  # of the height, for a seam without any decoder garbage ...
_LONE_SEAM = 200  # ... and never less than this, in pixels: a person close by has edges too
_SEAM_SHARE = 0.10  # of the height, for a seam of change that ends in decoder garbage
_PASTE_WIDTH = 0.12  # of the width: what is narrower may be a person
_CHANGED = 14.0  # a cell has changed when its pixels differ by this much on average
_RECTANGLE_FILL = 0.7  # share of changed cells in a pasted rectangle


class DamageKind(StrEnum):
    """The ways in which a frame is corrupt."""

    UNDECODABLE = "undecodable"
    TRUNCATED = "truncated"
    GREEN_BAND = "green_band"
    GREY_BAND = "grey_band"
    MACROBLOCKS = "macroblocks"
    FOREIGN_PICTURE = "foreign_picture"


@dataclass(frozen=True, eq=False)
class FrameDamage:
    """The damage of one frame.

    `blocks` is bool (rows, cols), True where a block of `BLOCK_SIZE` pixels is damaged;
    `share` is the damaged share of the frame in [0, 1].
    """

    kinds: frozenset[DamageKind]
    blocks: NDArray[np.bool_]
    share: float

    @property
    def is_usable(self) -> bool:
        """Tell whether any block of the frame can be compared."""
        return not bool(self.blocks.all())

    def pixel_mask(self, frame_dimensions: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the damage as uint8 (H, W), 255 where a pixel is damaged."""
        height, width = frame_dimensions
        blocks = self.blocks.astype(np.uint8) * 255
        mask = np.repeat(np.repeat(blocks, BLOCK_SIZE, axis=0), BLOCK_SIZE, axis=1)
        return np.ascontiguousarray(mask[:height, :width])


@dataclass(frozen=True)
class _Seam:
    """A straight vertical edge of change: column, rows [top, bottom) and the changed side."""

    x: int
    top: int
    bottom: int
    side: int  # +1: the right of it has changed, -1: the left

    @property
    def length(self) -> int:
        return self.bottom - self.top


@dataclass(eq=False)
class _Evidence:
    """One frame at working size with what was found in it so far; cells are bool (rows, cols)."""

    picture: NDArray[np.uint8]  # (h, w, 3), slightly blurred
    kinds: set[DamageKind]
    cells: NDArray[np.bool_]


def find_damage(
    frames: Sequence[NDArray[np.uint8] | DecodedFrame | None],
) -> tuple[FrameDamage, ...]:
    """Find what is corrupt in each frame of a burst.

    Args:
        frames: uint8 (H, W, 3) BGR, decoded frames (which know whether their file was cut off),
            or None where a frame could not be decoded.

    Returns:
        One entry per frame. All block grids have the shape that fits the most frequent frame
        size; a frame of another size is foreign as a whole.
    """
    images = [f.image if isinstance(f, DecodedFrame) else f for f in frames]
    lost = [f.lost if isinstance(f, DecodedFrame) else None for f in frames]
    size = common_size(images)
    evidence = [
        _examine(image, gone) if image is not None and image.shape[:2] == size else None
        for image, gone in zip(images, lost, strict=True)
    ]
    _discard_shared_grey(evidence)
    _find_mosaics(images, evidence)
    _find_foreign_pictures([e for e in evidence if e is not None])
    return tuple(
        _summarise(e, image is None, size) for e, image in zip(evidence, images, strict=True)
    )


def common_size(images: Sequence[NDArray[np.uint8] | None]) -> tuple[int, int]:
    """Return the most frequent (H, W) of the frames, the first one in a draw; (0, 0) if none."""
    sizes = [(image.shape[0], image.shape[1]) for image in images if image is not None]
    return max(dict.fromkeys(sizes), key=sizes.count) if sizes else (0, 0)


# --- one frame alone -----------------------------------------------------------------------------


def _examine(image: NDArray[np.uint8], lost: NDArray[np.bool_] | None) -> _Evidence:
    picture = shrink(image, _WORK_WIDTH)
    kinds: set[DamageKind] = set()
    band, patches = _green_cells(picture)
    if band.any():
        kinds.add(DamageKind.GREEN_BAND)
    if patches.any():
        kinds.add(DamageKind.MACROBLOCKS)
    if lost is not None:
        tail = _lost_cells(lost)
        kinds.add(DamageKind.TRUNCATED)
    else:
        tail = _undecoded_tail(picture)
        if tail.any():
            kinds.add(DamageKind.GREY_BAND)
    smooth = np.asarray(cv2.blur(picture, (3, 3)), dtype=np.uint8)
    return _Evidence(smooth, kinds, band | patches | tail)


def _cell_means(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Average uint8 (h, w) over cells -> float32 (rows, cols); border cells repeat the border."""
    height, width = values.shape
    rows, cols = -(-height // _CELL), -(-width // _CELL)
    missing = (rows * _CELL - height, cols * _CELL - width)
    if any(missing):
        values = np.pad(values, ((0, missing[0]), (0, missing[1])), mode="edge")
    # Area interpolation by a whole factor is the mean, several times faster than NumPy's.
    means = cv2.resize(values.astype(np.float32), (cols, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(means, dtype=np.float32)


def _green_cells(picture: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the cells of green bands (across the frame) and of green decoder noise."""
    blue, green, red = cv2.split(picture)
    excess = np.asarray(cv2.subtract(green, cv2.max(blue, red)), np.uint8)  # saturates at 0
    pixels = np.asarray(cv2.threshold(excess, _NEON_EXCESS, 255, cv2.THRESH_BINARY)[1], np.uint8)
    share = _cell_means(pixels) / 255
    neon = share > _NEON_SHARE
    if not neon.any():
        return neon, neon
    band = np.zeros_like(neon)
    band[_band_rows(neon)] = True
    faint = share > _FAINT_NEON_SHARE
    if band.any():
        band |= _connected_to(band, faint)
    patches = neon & ~band
    if not band.any():
        # Alone, only what is as rough as noise counts: no green coat or lamp is.
        step = np.zeros_like(excess)
        step[:, 1:] = cv2.absdiff(excess[:, 1:], excess[:, :-1])
        patches &= _cell_means(step) > _NEON_ROUGHNESS
    if patches.any():
        # Half of the noise in a row of macroblocks is not green: its neighbours go with it.
        noise = _connected_to(patches, faint) | patches
        patches = _dilate(noise, (3, 7)) & ~band
    return band, patches


def _dilate(cells: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Grow cells by a rectangle of (rows, columns), both odd."""
    grown = cv2.dilate(cells.astype(np.uint8), np.ones(size, np.uint8))
    return np.asarray(grown, dtype=np.bool_)


def _band_rows(neon: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which rows of cells belong to a band; its noise leaves some rows half green."""
    rows = np.asarray(neon.mean(axis=1) >= _BAND_SHARE, np.bool_)
    if not rows.any():
        return rows
    top = int(np.argmax(rows))
    # Everything below a green band is lost as well: the decoder never found its way back.
    rows[max(top - 1, 0) :] = True
    return rows


def _connected_to(seeds: NDArray[np.bool_], cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the `cells` in components (8-connected) that touch the seeds."""
    _, labels = cv2.connectedComponents((seeds | cells).astype(np.uint8), connectivity=8)
    touched = np.unique(labels[seeds])
    return np.asarray(cells & np.isin(labels, touched[touched > 0]), dtype=np.bool_)


def _lost_cells(lost: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the cells of pixels for which the file holds no data."""
    cells = _cell_means(shrink(lost.astype(np.uint8) * 255, _WORK_WIDTH)) > 0
    # Frames are blurred a little before they are compared, over the border of a cell.
    return _dilate(cells, (3, 3))


def _undecoded_tail(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the flat grey rows of cells with which a picture of a broken stream ends."""
    height, width = picture.shape[:2]
    tail = np.zeros((-(-height // _CELL), -(-width // _CELL)), np.bool_)
    off_grey = np.abs(picture.astype(np.int16) - _GREY_LEVEL) > _FLAT_SPREAD
    decoded = np.flatnonzero(off_grey.any(axis=(1, 2)))  # rows with any picture in them
    lost = (height - 1 - int(decoded[-1])) // _CELL if decoded.size else len(tail)
    if lost > 0:
        tail[len(tail) - lost :] = True
    return tail


def _discard_shared_grey(evidence: Sequence[_Evidence | None]) -> None:
    """Take grey that every frame shows at the same place for what it is: a privacy mask."""
    present = [e for e in evidence if e is not None]
    grey_only = [e for e in present if e.kinds == {DamageKind.GREY_BAND}]
    if len(present) > 1 and len(grey_only) == len(present):
        shared = np.logical_and.reduce([e.cells for e in present])
        for e in present:
            e.cells &= ~shared
            if not e.cells.any():
                e.kinds.clear()


# --- the burst together --------------------------------------------------------------------------


def _find_mosaics(
    images: Sequence[NDArray[np.uint8] | None], evidence: Sequence[_Evidence | None]
) -> None:
    """Mark patches of flat macroblocks: blocks without detail that differ from their neighbours."""
    present = [
        (image, found)
        for image, found in zip(images, evidence, strict=True)
        if image is not None and found is not None
    ]
    flat = [_flat_macroblocks(image) for image, _ in present]
    for index, (_, found) in enumerate(present):
        # A wall of tiles or an encoder's blocking is in the other frames as well.
        own = flat[index].copy()
        for other in flat[:index] + flat[index + 1 :]:
            own &= ~other
        if len(present) < 2 or np.count_nonzero(own) < _MOSAIC_BLOCKS:
            continue
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            _dilate(own, (5, 5)).astype(np.uint8), connectivity=8
        )
        members = np.bincount(labels[own], minlength=count)
        cells = np.zeros_like(own)
        for label in range(1, count):
            x, y, width, height, _ = stats[label].tolist()
            box = (slice(y, y + height), slice(x, x + width))
            if members[label] >= max(_MOSAIC_BLOCKS, _MOSAIC_FILL * width * height):
                cells[box] = True
        if cells.any():
            size = (found.cells.shape[1], found.cells.shape[0])
            grown = cv2.resize(cells.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            found.cells |= np.asarray(grown, np.uint8) > 0
            found.kinds.add(DamageKind.MACROBLOCKS)


def _flat_macroblocks(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find blocks of 16 x 16 pixels without detail, but with steps at their borders.

    Returns bool (rows, cols) on the grid of the frame at full size, whole blocks only.
    """
    height, width = (length // BLOCK_SIZE * BLOCK_SIZE for length in image.shape[:2])
    rows, cols = height // BLOCK_SIZE, width // BLOCK_SIZE
    if rows < 3 or cols < 3:
        return np.zeros((rows, cols), np.bool_)
    size = (cols, rows)
    # Brightness alone: the codec smears colour over the border of a block.
    grey = np.asarray(cv2.cvtColor(image[:height, :width], cv2.COLOR_BGR2GRAY), np.uint8)
    mean = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    flat_picture = cv2.resize(mean, (width, height), interpolation=cv2.INTER_NEAREST)
    detail = cv2.resize(cv2.absdiff(grey, flat_picture), size, interpolation=cv2.INTER_AREA)
    # Steps from one pixel to the next, exactly on the grid: things in a scene know no grid.
    first, last = slice(BLOCK_SIZE, None, BLOCK_SIZE), slice(BLOCK_SIZE - 1, -1, BLOCK_SIZE)
    across = cv2.absdiff(np.ascontiguousarray(grey[:, first]), np.ascontiguousarray(grey[:, last]))
    down = cv2.absdiff(np.ascontiguousarray(grey[first]), np.ascontiguousarray(grey[last]))
    steps_across = across.reshape(rows, BLOCK_SIZE, cols - 1)
    steps_down = down.reshape(rows - 1, cols, BLOCK_SIZE)
    # The lower quartile, not the least: the codec softens a few pixels of each side.
    quartile = BLOCK_SIZE // 4
    sharp_across = np.partition(steps_across, quartile, axis=1)[:, quartile]
    sharp_down = np.partition(steps_down, quartile, axis=2)[..., quartile]
    sides = np.zeros((rows, cols), np.uint8)
    sides[:, 1:] += sharp_across > _MOSAIC_STEP
    sides[:, :-1] += sharp_across > _MOSAIC_STEP
    sides[1:] += sharp_down > _MOSAIC_STEP
    sides[:-1] += sharp_down > _MOSAIC_STEP
    return np.asarray((detail < _MOSAIC_DETAIL) & (sides >= 2), np.bool_)


def _find_foreign_pictures(evidence: Sequence[_Evidence]) -> None:
    """Mark the rectangles into which another picture was pasted."""
    for frame in evidence:
        others = [other for other in evidence if other is not frame]
        height, width = frame.picture.shape[:2]
        if not others or width < 8 * _SEAM_REACH or height < 8 * _CELL:
            continue
        if frame.cells.any():
            _mark_pastes_of_corrupt(frame, others)
        else:
            _mark_pastes_of_clean(frame, others)


def _difference(frame: _Evidence, other: _Evidence) -> NDArray[np.uint8]:
    blue, green, red = cv2.split(np.asarray(cv2.absdiff(frame.picture, other.picture)))
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def _changed_cells(difference: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(_cell_means(np.minimum(difference, 80)) > _CHANGED, np.bool_)


def _mark_pastes_of_clean(frame: _Evidence, others: Sequence[_Evidence]) -> None:
    """Without decoder garbage only a long seam down to the border is proof."""
    height = frame.picture.shape[0]
    for other in others:
        difference = _difference(frame, other)
        changed = _changed_cells(difference)
        if changed.mean() < 0.5 * _PASTE_WIDTH:
            continue
        for seam in _change_seams(difference, max(_LONE_SEAM, round(_LONE_SEAM_SHARE * height))):
            own, theirs = _step_across(frame.picture, seam), _step_across(other.picture, seam)
            rows, cols = _rectangle_beyond(seam, changed, frame.cells)
            if (
                own > max(_SEAM_STEP, 1.5 * theirs)
                and rows.stop >= len(changed) - 1
                and _is_wide(cols, changed)
                and changed[rows, cols].mean() >= _RECTANGLE_FILL
            ):
                _mark_foreign(frame, rows, cols)


def _mark_pastes_of_corrupt(frame: _Evidence, others: Sequence[_Evidence]) -> None:
    """With decoder garbage in the frame, a straight seam that runs down into it is proof."""
    height = frame.picture.shape[0]
    garbage = frame.cells.copy()
    differences = [_difference(frame, other) for other in others]
    for difference, other in zip(differences, others, strict=True):
        changed = _changed_cells(difference)
        for seam in _change_seams(difference, round(_SEAM_SHARE * height)):
            rows, cols = _rectangle_beyond(seam, changed, garbage)
            inside = ~garbage[rows, cols]
            if (
                _step_is_own(frame, other, seam)
                and _is_wide(cols, changed)
                and garbage[rows.stop - 1 : rows.stop + 2, cols].any(axis=0).mean() > 0.5
                and inside.any()
                and changed[rows, cols][inside].mean() >= _RECTANGLE_FILL
            ):
                _mark_foreign(frame, rows, cols)
    _mark_garish(frame, others)
    if DamageKind.FOREIGN_PICTURE in frame.kinds:
        return
    for seam in _own_seams(frame.picture, round(_OWN_SEAM_SHARE * height)):
        _mark_own_seam(frame, others, differences, seam)


def _mark_garish(frame: _Evidence, others: Sequence[_Evidence]) -> None:
    """Mark the smears of saturated colour that adjoin decoder garbage."""
    garish = _cell_means(_saturation(frame.picture)) > _GARISH
    for other in others:
        garish &= (_cell_means(_saturation(other.picture)) < 0.6 * _GARISH) | other.cells
    if not garish.any():
        return
    near = _dilate(garish | frame.cells, (3, 3))
    smears = _connected_to(frame.cells, near) & _dilate(garish, (3, 3))
    if (smears & ~frame.cells).any():
        frame.cells |= smears
        frame.kinds.add(DamageKind.MACROBLOCKS)


def _saturation(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    blue, green, red = cv2.split(picture)
    high, low = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
    return np.asarray(cv2.subtract(high, low), np.uint8)


def _step_is_own(frame: _Evidence, other: _Evidence, seam: _Seam) -> bool:
    """Tell whether a seam lies in `frame`, not only in the frame that it was compared with."""
    own, theirs = _step_across(frame.picture, seam), _step_across(other.picture, seam)
    if own >= 1.5 * theirs:
        return own >= _FAINT_STEP
    # Two corrupt frames can carry the same seam, with different pictures beyond it.
    return bool(other.cells.any()) and own >= max(_SEAM_STEP, 0.7 * theirs)


def _mark_own_seam(
    frame: _Evidence,
    others: Sequence[_Evidence],
    differences: Sequence[NDArray[np.uint8]],
    seam: _Seam,
) -> None:
    """Mark what lies beyond a seam that every frame of the burst may carry."""
    top, bottom, column = seam.top // _CELL, -(-seam.bottom // _CELL), seam.x // _CELL
    if not frame.cells[bottom : bottom + 4, max(column - 1, 0) : column + 2].any():
        return
    own = _step_across(frame.picture, seam)
    if any(own < 1.5 * _step_across(o.picture, seam) for o in others if not o.cells.any()):
        return  # a post or a corner of a house: frames without any garbage show it as well
    cells = [_cell_means(np.minimum(difference, 80)) for difference in differences]
    right = max(float(c[top:bottom, column + 1 :].mean()) for c in cells)
    left = max(float(c[top:bottom, :column].mean()) for c in cells)
    if min(left, right) > 0.6 * max(left, right):
        return
    changed = np.logical_or.reduce([c > _CHANGED for c in cells])
    side = 1 if right > left else -1
    cols = slice(column, changed.shape[1]) if side > 0 else slice(0, column + 1)
    rows, _ = _rectangle_beyond(_Seam(seam.x, seam.top, seam.bottom, side), changed, frame.cells)
    inside = ~frame.cells[rows, cols]
    if _is_wide(cols, changed) and inside.any() and changed[rows, cols][inside].mean() >= 0.5:
        _mark_foreign(frame, rows, cols)


def _is_wide(cols: slice, cells: NDArray[np.bool_]) -> bool:
    return bool(cols.stop - cols.start >= _PASTE_WIDTH * cells.shape[1])


def _mark_foreign(frame: _Evidence, rows: slice, cols: slice) -> None:
    frame.cells[rows, cols] = True
    frame.kinds.add(DamageKind.FOREIGN_PICTURE)


def _own_seams(picture: NDArray[np.uint8], shortest: int) -> Iterator[_Seam]:
    """Yield straight vertical steps of one picture that stand out from what is beside them."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    rows, width = grey.shape[0] // _CELL, grey.shape[1]
    step = np.zeros_like(grey)
    step[:, 3:-3] = np.minimum(cv2.absdiff(grey[:, 6:], grey[:, :-6]), 60)
    strips = step[: rows * _CELL].reshape(rows, _CELL, width).mean(axis=1)  # (rows, w)
    near, far = 6, 14
    beside = np.asarray(cv2.blur(strips, (far - near, 1), borderType=cv2.BORDER_REPLICATE))
    centre = (near + far) // 2
    edge = np.zeros(strips.shape, np.bool_)
    middle = slice(centre, width - centre)
    neighbours = np.maximum(beside[:, : width - 2 * centre], beside[:, 2 * centre :])
    edge[:, middle] = (strips[:, middle] > _SEAM_STEP) & (strips[:, middle] > 1.6 * neighbours)
    for x, top, bottom in _longest_runs(edge, -(-shortest // _CELL), gap=3):
        yield _Seam(x, top * _CELL, bottom * _CELL, side=0)


def _change_seams(difference: NDArray[np.uint8], shortest: int) -> Iterator[_Seam]:
    """Yield straight vertical edges of change at least `shortest` pixels long."""
    height, width = difference.shape
    rows = height // _CELL
    capped = np.minimum(difference[: rows * _CELL], 60).astype(np.float32)
    strips = capped.reshape(rows, _CELL, width).mean(axis=1)  # (rows, w)
    sums = np.cumsum(np.pad(strips, ((0, 0), (1, 0))), axis=1)
    gap, reach = 2, _SEAM_REACH
    xs = np.arange(reach + gap, width - reach - gap)
    right = (sums[:, xs + gap + reach] - sums[:, xs + gap]) / reach
    left = (sums[:, xs - gap] - sums[:, xs - gap - reach]) / reach
    for side, inner, outer in ((1, right, left), (-1, left, right)):
        edge = (inner > _SEAM_CHANGE) & (outer < 0.4 * inner)
        edge = cv2.dilate(edge.astype(np.uint8), np.ones((1, 5), np.uint8)).astype(np.bool_)
        for column, top, bottom in _longest_runs(edge, -(-shortest // _CELL), gap=1):
            x = int(xs[column])
            if _bend(strips[top:bottom], x) <= _SEAM_BEND:
                yield _Seam(x, top * _CELL, bottom * _CELL, side)


def _longest_runs(
    edge: NDArray[np.bool_], shortest: int, gap: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (column, top, bottom) of the runs down a column, stepping over short gaps."""
    kernel = np.ones((gap + 1, 1), np.uint8)
    bridged = cv2.morphologyEx(edge.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    length = np.zeros(bridged.shape, np.int32)
    run = np.zeros(bridged.shape[1], np.int32)
    for row, present in enumerate(bridged.astype(np.bool_)):
        run = np.where(present, run + 1, 0)
        length[row] = run
    while length.size and length.max() >= max(shortest, 1):
        bottom, column = (int(i) for i in np.unravel_index(int(length.argmax()), length.shape))
        top = bottom + 1 - int(length[bottom, column])
        # A run is a few columns wide; its middle is where the seam lies.
        ahead = length[bottom, column : column + 8]
        width = int(np.argmin(np.append(ahead >= ahead[0] - 1, False)))
        yield column + width // 2, top, bottom + 1
        length[:, max(column - 12, 0) : column + 20][top : bottom + 1] = 0


def _bend(strips: NDArray[np.float32], x: int) -> float:
    """Return how far the edge near column `x` deviates from it over the rows, in pixels."""
    window = strips[:, max(x - 6, 0) : x + 7]
    position = np.abs(np.diff(window, axis=1)).argmax(axis=1)
    return float(np.median(np.abs(position - np.median(position))))


def _step_across(picture: NDArray[np.uint8], seam: _Seam) -> float:
    """Return the median step of a BGR picture across a seam, in grey levels."""
    strip = picture[seam.top : seam.bottom, seam.x - 4 : seam.x + 5].mean(axis=2)
    return float(np.median(np.abs(strip[:, 6:].mean(axis=1) - strip[:, :3].mean(axis=1))))


def _rectangle_beyond(
    seam: _Seam, changed: NDArray[np.bool_], damaged: NDArray[np.bool_]
) -> tuple[slice, slice]:
    """Return the cells beyond a seam, as far as whole columns and rows have changed."""
    top, bottom = seam.top // _CELL, -(-seam.bottom // _CELL)
    column = seam.x // _CELL
    lost = (changed | damaged)[top:bottom].mean(axis=0) > 0.4
    # A quiet column inside another picture (its own sky) does not end it; three in a row do.
    if seam.side > 0:
        cols = slice(column, column + _reach(lost[column:]))
    else:
        cols = slice(column + 1 - _reach(lost[column::-1]), column + 1)
    while top > 0 and changed[top - 1, cols].mean() > 0.5:
        top -= 1
    while bottom < len(changed) and (changed | damaged)[bottom, cols].mean() > 0.5:
        bottom += 1
    return slice(top, bottom), cols


def _reach(lost: NDArray[np.bool_]) -> int:
    """Return how many cells from the first on are lost, stepping over gaps of up to two."""
    reach, gap = 1, 0
    for index, is_lost in enumerate(lost):
        gap = 0 if is_lost else gap + 1
        if gap > 2:
            break
        if is_lost:
            reach = index + 1
    return reach


def _summarise(evidence: _Evidence | None, undecodable: bool, size: tuple[int, int]) -> FrameDamage:
    height, width = size
    shape = (-(-height // BLOCK_SIZE), -(-width // BLOCK_SIZE))
    if evidence is None:
        kind = DamageKind.UNDECODABLE if undecodable else DamageKind.FOREIGN_PICTURE
        return FrameDamage(frozenset({kind}), np.ones(shape, np.bool_), 1.0)
    if not evidence.cells.any():
        return FrameDamage(frozenset(evidence.kinds), np.zeros(shape, np.bool_), 0.0)
    blocks = _blocks_of(evidence.cells, evidence.picture.shape[:2], size)
    weight = np.outer(_block_sizes(height), _block_sizes(width))
    return FrameDamage(
        frozenset(evidence.kinds), blocks, float((weight * blocks).sum() / (height * width))
    )


def _blocks_of(
    cells: NDArray[np.bool_], working: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Map cells at working size to the blocks of the frame that they touch."""
    height, width = size
    mask = np.repeat(np.repeat(cells, _CELL, axis=0), _CELL, axis=1)[: working[0], : working[1]]
    y1, y2 = _block_edges(height, working[0])
    x1, x2 = _block_edges(width, working[1])
    integral = cv2.integral(mask.astype(np.uint8))
    total = (
        integral[np.ix_(y2, x2)]
        - integral[np.ix_(y1, x2)]
        - integral[np.ix_(y2, x1)]
        + integral[np.ix_(y1, x1)]
    )
    return np.asarray(total > 0, np.bool_)


def _block_edges(length: int, working: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the blocks along `length` pixels begin and end at working size."""
    starts = np.arange(0, length, BLOCK_SIZE) * working / length
    ends = starts + BLOCK_SIZE * working / length
    first = np.minimum(np.floor(starts).astype(np.int64), working - 1)
    return first, np.clip(np.ceil(ends).astype(np.int64), first + 1, working)


def _block_sizes(length: int) -> NDArray[np.int64]:
    """Return the lengths of the blocks that cover `length` pixels; the last may be shorter."""
    starts = np.arange(0, length, BLOCK_SIZE)
    return np.minimum(BLOCK_SIZE, length - starts)

"""Synthetic intruders over a camera's own pictures, and nuisances with the same seams.

Intruders calibrate a camera's threshold and teach its head what to keep; exact masks come with
them. Half of them and more go over the places where motion recurs most, so that no place means
nuisance by itself. Nuisances are pasted in the same way, so that no seam means an intruder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.intruder_tracks import (
    KindCounts,
    choose_place,
    choose_shown,
    choose_stand,
    counts_anywhere,
    plan_track,
)
from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.adaptation.sprites import (
    Box,
    CameraLook,
    Floats,
    Picture,
    Placement,
    Sprite,
    contrast_inside,
    is_infrared,
    jpeg_quality,
    measure_look,
    paste_sprite,
    recompress_around,
)

_ATTEMPTS = 60
_LEAST_SIDE = 64  # pixels
_GAINS = (1.0, 1.8, 0.45, 3.2, 6.0)  # tried in this order until an intruder is visible
_FAINT_GAINS = (0.15, 0.3, 0.45, 0.7, *_GAINS)  # ... and until a faint one just is
_MIN_AREA = 12  # pixels of a mover that count as seen in a frame
_LEAST_INSIDE = 0.5  # share of a mover that some frame shows where motion counts
_MIN_SEEN = 0.4  # share of a mover that the frame which shows it best shows at least


@dataclass(frozen=True, kw_only=True)
class IntruderOptions:
    """How intruders are drawn."""

    recurring_share: float = 0.6
    """Share that goes over the places where motion recurs most."""
    small_share: float = 0.15
    """Share of distant people, 10-15 px tall."""
    cut_share: float = 0.4
    """Share of the others that is cut from the camera's own movers, where there are any."""
    slow_share: float = 0.25
    """Share that stands almost still or creeps: neither place nor size of a step means nuisance."""
    faint_share: float = 0.2
    """Share that is hardly brighter or darker than the ground, as in the dark."""
    occluded_share: float = 0.2
    """Share of the others that is partly hidden."""
    min_contrast: float = 18.0
    """Least contrast of an intruder in its clearest frame, as `contrast_inside` measures it."""
    jpeg_quality: int = 85
    """Quality of the recompressed frames; give that of the camera's own pictures."""

    @classmethod
    def for_pictures_like(cls, picture: bytes) -> IntruderOptions:
        """Return the options for pictures that are compressed like this one, JPEG or not."""
        try:
            return cls(jpeg_quality=jpeg_quality(picture))
        except ValueError:
            return cls()

    def __post_init__(self) -> None:
        for name in (
            "recurring_share",
            "small_share",
            "cut_share",
            "slow_share",
            "faint_share",
            "occluded_share",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give a share from 0 to 1")


@dataclass(frozen=True, eq=False)
class SyntheticEvent:
    """A burst with something pasted into it."""

    frames: tuple[Picture, ...]
    """uint8 (H, W, 3) BGR, recompressed around what was pasted, all of them alike."""
    masks: tuple[NDArray[np.bool_], ...]
    """(H, W): exactly what was pasted."""
    is_intruder: bool
    kind: str
    """person, pet, car or what a sprite was cut as; shifted, brighter, darker or noisy."""
    contrast: float
    """In grey levels, in the clearest frame."""
    is_recurring: bool
    """Whether it lies over a place where motion recurs most."""

    @property
    def boxes(self) -> tuple[Box | None, ...]:
        """Bounding boxes of the masks; None where a frame does not show it."""
        return tuple(
            cv2.boundingRect(mask.astype(np.uint8)) if mask.any() else None  # type: ignore[misc]
            for mask in self.masks
        )

    @property
    def visible_frames(self) -> tuple[int, ...]:
        """Indices of the frames that show it."""
        return tuple(index for index, mask in enumerate(self.masks) if mask.any())

    @property
    def height_px(self) -> int:
        """Height of its tallest box."""
        return max(box[3] for box in self.boxes if box is not None)


def paste_intruder(
    frames: Sequence[Picture],
    rng: np.random.Generator,
    places: NDArray[np.floating] | None = None,
    sprites: Sequence[Sprite] = (),
    options: IntruderOptions | None = None,
    within: NDArray[np.uint8] | None = None,
    perspective: Perspective | None = None,
    counts: KindCounts = counts_anywhere,
) -> SyntheticEvent | None:
    """Let an intruder cross a burst.

    Args:
        frames: uint8 (H, W, 3) BGR each, undamaged, in order of time; they may show movers.
        places: float (gh, gw) over the picture, larger where motion recurs more; None: unknown.
        sprites: cut from this camera's movers by `cut_sprite`; drawn movers complete them.
        options: None takes the defaults.
        within: uint8 (H, W), 255 where motion counts: half of the intruder and more is there in
            one frame at least. None is everywhere.
        perspective: how tall people are where; None where the camera has not shown it.
        counts: tells whether a kind of object counts at a pixel: only such intruders appear.

    Returns:
        The event, or None where no place was found at which an intruder could be seen.

    Raises:
        ValueError: there are no frames, they differ in size, or they are too small.
    """
    _check(frames)
    options = options or IntruderOptions()
    look = measure_look(frames)
    # Where the perspective is known those are small who are far away.
    is_small = rng.random() < options.small_share and perspective is None
    lights = {is_infrared(frame) for frame in frames}
    fitting = [sprite for sprite in sprites if lights == {sprite.is_grey}]
    is_wanted_busy = rng.random() < options.recurring_share
    is_slow = rng.random() < options.slow_share
    gains = _FAINT_GAINS if rng.random() < options.faint_share else _GAINS
    for attempt in range(_ATTEMPTS):
        sprite = None
        if fitting and not is_small and rng.random() < options.cut_share:
            sprite = fitting[int(rng.integers(len(fitting)))]
        # The busiest places may be where nobody can stand: the sky, say.
        is_busy = is_wanted_busy and attempt < _ATTEMPTS // 2
        track = plan_track(
            frames,
            rng,
            places,
            sprite,
            is_small=is_small,
            is_busy=is_busy,
            is_slow=is_slow,
            within=within,
            perspective=perspective,
            counts=counts,
        )
        if track is None:
            continue
        keep = _occluder(
            frames[0].shape[:2], track.placed, rng, 0.0 if is_small else options.occluded_share
        )
        for gain in gains:
            pictures, masks, contrast = _compose(frames, track.placed, look, rng, gain, keep)
            if contrast >= options.min_contrast and _is_inside(masks, within):
                done = recompress_around(pictures, frames, options.jpeg_quality)
                return SyntheticEvent(
                    done, tuple(masks), True, track.kind, contrast, track.is_recurring
                )
    return None


def paste_nuisance(
    frames: Sequence[Picture],
    rng: np.random.Generator,
    places: NDArray[np.floating] | None = None,
    options: IntruderOptions | None = None,
) -> SyntheticEvent:
    """Disturb a patch of a burst: shifted by 1-3 px, brighter, darker or noisy.

    It has the sizes, the places, the feathered edge and the compression of an intruder, and shows
    nothing but what was there. Arguments, errors: as for `paste_intruder`.
    """
    _check(frames)
    options = options or IntruderOptions()
    look = measure_look(frames)
    is_busy, stand = rng.random() < options.recurring_share, None
    while stand is None:
        place = choose_place(frames[0].shape[:2], rng, places, is_busy=is_busy)
        stand = choose_stand(frames[0].shape[:2], rng, place, "person", is_small=False)
        is_busy = is_busy and rng.random() > 0.05
    kind = str(rng.choice(("shifted", "brighter", "darker", "noisy")))
    alpha = _blob(stand.height_px, rng)
    top, left = round(stand.foot - alpha.shape[0]), round(stand.column - alpha.shape[1] / 2)
    pictures, masks = [frame.copy() for frame in frames], []
    contrasts = [0.0]
    shown = choose_shown(len(frames), rng)
    for index, picture in enumerate(pictures):
        mask = np.zeros(picture.shape[:2], np.bool_)
        if index in shown:
            contrasts.append(_disturb(picture, mask, kind, (alpha, top, left), look, rng))
        masks.append(mask)
    done = recompress_around(pictures, frames, options.jpeg_quality)
    return SyntheticEvent(done, tuple(masks), False, kind, max(contrasts), place.is_recurring)


def _check(frames: Sequence[Picture]) -> None:
    if not frames:
        raise ValueError("there are no frames to paste into: give at least one")
    if len({frame.shape for frame in frames}) > 1:
        sizes = ", ".join(str(frame.shape) for frame in frames)
        raise ValueError(f"the frames of a burst differ in size ({sizes}): give those of one size")
    if min(frames[0].shape[:2]) < _LEAST_SIDE:
        raise ValueError(
            f"a frame of {frames[0].shape[0]} x {frames[0].shape[1]} pixels (height x width) is "
            f"too small for an intruder: give at least {_LEAST_SIDE} each way"
        )


def _occluder(
    size: tuple[int, int],
    placed: Sequence[Placement | None],
    rng: np.random.Generator,
    share: float,
) -> list[NDArray[np.bool_] | None]:
    """Hide the lower or a side part of the mover behind something that stands still."""
    hidden: list[NDArray[np.bool_] | None] = [None] * len(placed)
    if rng.random() >= share:
        return hidden
    amount = rng.uniform(0.2, 0.5)
    is_below, from_left = rng.random() < 0.6, rng.random() < 0.5
    for index, item in enumerate(placed):
        if item is None:
            continue
        keep = np.ones(size, np.bool_)
        height, width = item.sprite.alpha.shape
        if is_below:
            keep[max(0, round(item.top + (1 - amount) * height)) :] = False
        elif from_left:
            keep[:, : max(0, round(item.left + amount * width))] = False
        else:
            keep[:, max(0, round(item.left + (1 - amount) * width)) :] = False
        hidden[index] = keep
    return hidden


def _compose(
    frames: Sequence[Picture],
    placed: Sequence[Placement | None],
    look: CameraLook,
    rng: np.random.Generator,
    gain: float,
    keep: Sequence[NDArray[np.bool_] | None],
) -> tuple[list[Picture], list[NDArray[np.bool_]], float]:
    """Paste a mover into copies of the frames; also return masks and the greatest contrast."""
    pictures, masks, contrasts = [], [], [0.0]
    for frame, item, visible in zip(frames, placed, keep, strict=True):
        picture, mask, contrast = frame.copy(), np.zeros(frame.shape[:2], np.bool_), 0.0
        if item is not None:
            mask, contrast = paste_sprite(picture, item, look, rng, gain=gain, keep=visible)
            own = np.count_nonzero(item.sprite.alpha > 0.5)
            if np.count_nonzero(mask) < _MIN_SEEN * own:
                contrast = 0.0
        if np.count_nonzero(mask) < _MIN_AREA:
            picture, mask, contrast = frame.copy(), np.zeros_like(mask), 0.0
        pictures.append(picture)
        masks.append(mask)
        contrasts.append(contrast)
    return pictures, masks, max(contrasts)


def _is_inside(masks: Sequence[NDArray[np.bool_]], within: NDArray[np.uint8] | None) -> bool:
    """Tell whether any frame shows a mover well inside an area."""
    return within is None or any(
        mask.any() and float(np.mean(within[mask] > 0)) >= _LEAST_INSIDE for mask in masks
    )


def _blob(height_px: float, rng: np.random.Generator) -> Floats:
    """Draw a ragged patch: alpha (h, w) in [0, 1]."""
    height = max(8, round(height_px))
    width = max(5, round(height * rng.uniform(0.35, 1.5)))
    rough = cv2.resize(rng.standard_normal((5, 5)).astype(np.float32), (width, height))
    rows, cols = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.asarray(rows**2 + cols**2 + 0.35 * rough < 0.8, np.float32)


def _disturb(
    picture: Picture,
    mask: NDArray[np.bool_],
    kind: str,
    patch: tuple[Floats, int, int],
    look: CameraLook,
    rng: np.random.Generator,
) -> float:
    """Disturb one frame in place and fill in its mask; return the contrast in grey levels."""
    alpha, top, left = patch
    reach = 8  # pixels around the patch: its feathered edge and what a shift brings in
    rows = slice(max(0, top - reach), top + alpha.shape[0] + reach)
    cols = slice(max(0, left - reach), left + alpha.shape[1] + reach)
    before = picture[rows, cols].astype(np.float32)
    first = (rows.start - top + reach, cols.start - left + reach)
    cover = np.pad(alpha, reach)[first[0] :, first[1] :][: before.shape[0], : before.shape[1]]
    cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), look.blur_px), np.float32)
    if kind == "shifted":
        reach = int(rng.integers(1, 4))
        move = [(reach, 0), (-reach, 0), (0, reach), (0, -reach)][int(rng.integers(4))]
        after = np.roll(before, move, axis=(0, 1))
    elif kind == "noisy":
        speckle = rng.standard_normal((*before.shape[:2], 1), np.float32)
        after = before + speckle * np.float32(rng.uniform(3, 9))
    else:
        gain = rng.uniform(1.08, 1.35)
        after = before * np.float32(gain if kind == "brighter" else 1 / gain)
    after = before + (after - before) * cover[..., None]
    picture[rows, cols] = np.clip(after + 0.5, 0, 255).astype(np.uint8)
    mask[rows, cols] = cover > 0.5
    return contrast_inside(before, after, cover > 0.5)

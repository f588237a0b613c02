"""Whether two pictures show the same: the strict test behind every proof that nothing came.

Stage 1 reports what stands out clearly, and that is right for finding movers. To prove that nobody
came asks for more: a person who is faint, small or hardly moves stays below Stage 1's threshold.
Here everything counts that a smooth change of light and the pictures' own noise leave over.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.motion_detection import MotionRegion, PairChange, blobs_in, min_area_for
from veroallarme_core.pictures import shrink, shrink_factor

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

FAINTEST_STEP = 10.0
"""Grey levels after the blur of Stage 1 below which nothing is seen, however clean the pictures.

Of 1,200 drawn people of 10 to 140 px, 25 to 60 levels off the ground, moving 2 to 30 px a frame,
every one leaves more than this; most still pictures of real cameras leave less."""
NOISE_FACTOR = 5.0
"""A step must exceed so many standard deviations of what the pictures leave everywhere."""
NOISIEST_STEP = 22.0
"""Grey levels past which pictures are too noisy, or differ in too many places, to prove anything:
what covers most of a picture would pass for its noise."""
SMALLEST_BLOB = 0.3
"""Area of a blob that counts, in smallest regions: the rim of a person 10 px wide."""
_LIGHT_SHARE = 1 / 9  # of the width: edge of the window in which light may change smoothly
_LARGEST_GAIN = 0.35  # of contrast that is still light: what covers the view takes all of it
_LIGHT_WIDTH = 640
"""Pixels, of the pictures in which light is found. Of one of 1920x1080 the same is left, within
.05 grey levels (.3 in one pixel of a thousand), as at full size, in a quarter of the time; at 352
pixels it would be within .1 (.9)."""
_TEXTURE_SHARE = 1 / 45  # of the width: edge of the window in which texture is measured
_TEXTURE_STEP = 2.5  # grey levels of standard deviation that noise adds to it or takes away
_STRUCTURE_STEP = 6.0  # grey levels from which a tile shows something
_TILE_SHARE = 1 / 24  # of the width: edge of a tile
_FEWEST_TILES = 0.08  # share of the tiles that show something; a covered lens has none
_GLANCE_WIDTH = 352  # pixels, of the small pictures in which a clear change shows
_CLEARLY = 2.0  # steps
_SAMPLE = 3  # pixels from one whose noise is looked at to the next

MOST_BLOBS = 8
"""Blobs that are told of one pair of frames, the largest ones."""


@dataclass(frozen=True)
class FaintChange:
    """What light and noise do not explain between two frames, the largest blob first.

    `blobs` are regions in pixels of the frame; without any the pictures are too noisy, or differ
    in too many places, to tell one from another.
    """

    blobs: tuple[MotionRegion, ...]


def find_faint_change(
    pair: PairChange,
    within: NDArray[np.uint8] | None = None,
    unseen: NDArray[np.uint8] | None = None,
) -> FaintChange | None:
    """Look for any change between the two frames of a pair that smooth light does not explain.

    Args:
        pair: a comparison of Stage 1.
        within: uint8 (H, W), non-zero where a change counts; None for everywhere.
        unseen: uint8 (H, W), 255 where nothing is compared, as if it were corrupt.

    Returns:
        The change, or None where the two frames show the same.
    """
    seen = pair.valid if unseen is None else pair.valid & ~unseen
    valid = seen if within is None else seen & within
    if not valid.any():
        return None
    # What is corrupt must not be taken for light by what lies beside it.
    after = pair.before.copy()
    cv2.copyTo(pair.after, seen, after)
    left = change_beyond_light(pair.before, after)
    np.abs(left, out=left)
    step = _step(left, valid)
    if step > NOISIEST_STEP:
        return FaintChange(())
    changed = left > step
    changed |= _other_texture(pair.before, after)
    blobs = _blobs(changed.view(np.uint8) & valid)
    return FaintChange(blobs) if blobs else None


def shows_clear_change(pair: PairChange, within: NDArray[np.uint8] | None = None) -> bool:
    """Tell whether `find_faint_change` would find something, in a fraction of its time.

    What stands out twice as far as it has to in small pictures, averaged over their pixels, stands
    out in the frames as well. That it does not tells nothing. Arguments as for `find_faint_change`.
    """
    everywhere = pair.valid if within is None else pair.valid & within
    if cv2.countNonZero(pair.valid) < pair.valid.size:
        return False  # what lies beside corrupt places is for the full search
    # What is not valid in full is not valid.
    valid = np.where(shrink(everywhere, _GLANCE_WIDTH) == 255, 255, 0).astype(np.uint8)
    if not valid.any():
        return False
    before, after = (shrink(grey, _GLANCE_WIDTH) for grey in (pair.before, pair.after))
    left = change_beyond_light(before, after)
    np.abs(left, out=left)
    step = _step(left, valid)
    if step > NOISIEST_STEP:
        return False
    return bool(_blobs((left > _CLEARLY * step).view(np.uint8) & valid))


def _step(left: Floats, valid: NDArray[np.uint8]) -> float:
    """Return how many grey levels stand out from what is left everywhere."""
    # A ninth of the pixels has the same median; three knows no grid of eight, which codecs have.
    seen = left[::_SAMPLE, ::_SAMPLE][valid[::_SAMPLE, ::_SAMPLE] > 0]
    if not seen.size:
        seen = left[valid > 0]
    least_noise = FAINTEST_STEP / (NOISE_FACTOR * 1.4826)
    if np.count_nonzero(seen < least_noise) > seen.size // 2:
        return FAINTEST_STEP  # so is the median, which takes ten times as long
    return max(FAINTEST_STEP, NOISE_FACTOR * 1.4826 * float(np.median(seen)))


def _blobs(mask: NDArray[np.uint8]) -> tuple[MotionRegion, ...]:
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    if not cv2.countNonZero(opened):  # as in most still pictures
        return ()
    joined = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    closed = np.asarray(joined, np.uint8)
    smallest = SMALLEST_BLOB * min_area_for((mask.shape[0], mask.shape[1]))
    if cv2.countNonZero(closed) < smallest:
        return ()
    return tuple(blobs_in(closed, min_area=smallest)[:MOST_BLOBS])


def change_beyond_light(before: Grey, after: Grey) -> Floats:
    """Return what is left of a change when smooth light is taken out of it.

    Light may add to or take from a place, and strengthen or weaken its contrast a little, alike
    within a window that is large against a person. Robust, so that a person in the window is not
    taken for light.

    Args:
        before: uint8 (H, W).
        after: uint8 (H, W).

    Returns:
        float32 (H, W), grey levels.
    """
    steps = np.asarray(cv2.subtract(after, before, dtype=cv2.CV_16S), np.int16)
    height, width = before.shape
    factor = shrink_factor(width, _LIGHT_WIDTH)
    if factor == 1:
        return _without_light(before, steps)[0]
    # What is alike within the window is so in a smaller picture as well.
    size = (max(1, width // factor), max(1, height // factor))
    few_levels = np.asarray(cv2.resize(before, size, interpolation=cv2.INTER_AREA), np.uint8)
    few_steps = np.asarray(cv2.resize(steps, size, interpolation=cv2.INTER_AREA), np.int16)
    left, gain = _without_light(few_levels, few_steps)
    added = few_steps - left - gain * few_levels
    light = np.asarray(cv2.resize(gain, (width, height)), np.float32)
    light *= before
    light += cv2.resize(added, (width, height))
    return np.subtract(steps, light, out=light)


def _without_light(levels: Grey, steps: NDArray[np.int16]) -> tuple[Floats, Floats]:
    """Take smooth light out of the steps from one picture to another.

    Args:
        levels: uint8 (H, W), the first picture.
        steps: int16 (H, W), the second picture less the first.

    Returns:
        What is left, and by which share contrast is taken to be stronger, both float32 (H, W).
    """
    window = (int(levels.shape[1] * _LIGHT_SHARE) | 1,) * 2
    change = steps.astype(np.float32)
    # Whole numbers are averaged in half of the time.
    light = np.asarray(cv2.boxFilter(steps, cv2.CV_32F, window), np.float32)
    # A picture of floats is fetched from the system and given back each time: three serve for all.
    left, work, mean = np.empty_like(change), np.empty_like(change), np.empty_like(change)
    for _ in range(2):
        np.subtract(change, light, out=left)
        # The mean of what is left, within twice its root mean square.
        np.multiply(left, left, out=work)
        np.minimum(work, 400.0, out=work)
        cv2.blur(work, window, dst=mean)
        limit = np.sqrt(np.maximum(mean, 0.0, out=mean), out=mean)
        limit *= 2.0
        limit += 2.0
        cv2.min(left, limit, dst=left)
        cv2.max(left, np.negative(limit, out=limit), dst=left)
        cv2.blur(left, window, dst=mean)
        light += mean
    np.subtract(change, light, out=left)
    cv2.boxFilter(levels, cv2.CV_32F, window, dst=mean)
    structure = np.subtract(levels, mean, out=light)
    # The gain that explains most: mean of left * structure over mean of structure ** 2.
    np.multiply(structure, structure, out=change)
    cv2.blur(change, window, dst=work)
    power = np.add(work, 25.0, out=work)
    np.clip(left, -30.0, 30.0, out=change)
    change *= structure
    cv2.blur(change, window, dst=mean)
    gain = np.divide(mean, power, out=mean)
    np.clip(gain, -_LARGEST_GAIN, _LARGEST_GAIN, out=gain)
    left -= np.multiply(gain, structure, out=structure)
    np.clip(left, -10.0, 10.0, out=work)
    cv2.blur(work, window, dst=change)
    left -= change
    return left, gain


def _other_texture(before: Grey, after: Grey) -> NDArray[np.bool_]:
    """Tell where texture came or went, bool (H, W): what is as bright as the ground hides it."""
    window = (max(5, int(before.shape[1] * _TEXTURE_SHARE)) | 1,) * 2

    def texture(grey: Grey) -> Floats:
        level = grey.astype(np.float32)
        mean = np.asarray(cv2.blur(level, window), np.float32)
        level *= level
        power = np.asarray(cv2.blur(level, window), np.float32)
        mean *= mean
        power -= mean
        np.maximum(power, 0.0, out=power)
        return np.sqrt(power, out=power)

    old, new = texture(before), texture(after)
    least = np.maximum(old, new)
    least *= _LARGEST_GAIN
    least += _TEXTURE_STEP
    new -= old
    return np.asarray(np.abs(new, out=new) > least, np.bool_)


def shows_structure(grey: NDArray[np.uint8], within: NDArray[np.uint8]) -> bool:
    """Tell whether a picture shows a scene at all: a covered or blinded lens does not.

    Args:
        grey: uint8 (H, W).
        within: uint8 (H, W), 255 where to look: burnt-in text stands on a covered lens as well.
    """
    edge = max(8, int(grey.shape[1] * _TILE_SHARE))
    # Sensor noise vanishes in the average of a quarter of a tile, edges and surfaces stay.
    fine = max(2, edge // 4)
    size = (max(1, grey.shape[1] // fine), max(1, grey.shape[0] // fine))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(within, size, interpolation=cv2.INTER_AREA) == 255
    kernel = np.ones((5, 5), np.uint8)
    high = cv2.dilate(np.where(inside, small, 0).astype(np.uint8), kernel)
    low = cv2.erode(np.where(inside, small, 255).astype(np.uint8), kernel)
    ranges = high.astype(np.int16) - low
    return (
        bool(np.mean((ranges > _STRUCTURE_STEP)[inside]) >= _FEWEST_TILES)
        if (inside.any())
        else False
    )

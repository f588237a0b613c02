"""Regions and movers as a few long arrays, for files that hold thousands of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory import Arrays
from veroallarme_core.contract import MotionRegion
from veroallarme_core.description import CELL_CHANNELS, SKETCH_DIM, Light, RegionEvidence

_NOBODY_LOOKED = -1.0
"""In the place of NaN: a file that holds any is taken for damaged."""


def pack_regions(regions: Sequence[RegionEvidence]) -> dict[str, NDArray[Any]]:
    """Return the arrays that hold some regions; their light is told elsewhere."""
    return {
        "region_box": np.array(
            [(*_box(region.region), *region.region.centroid) for region in regions], np.int32
        ).reshape(-1, 7),
        "region_frames": np.array([len(region.features) for region in regions], np.int32),
        "region_cells": np.array([len(region.cells) for region in regions], np.int32),
        "region_place": joined([region.place for region in regions], np.float32),
        "region_sketch": joined([region.sketch for region in regions], np.float32),
        "region_figures": np.array(
            [
                (written(region.change), region.unexplained, written(region.object_score))
                for region in regions
            ],
            np.float64,
        ).reshape(-1, 3),
        "cells": joined([region.cells for region in regions], np.int32),
        "features": joined([region.features for region in regions], np.float16),
        "intact": joined([region.intact for region in regions], np.bool_),
    }


def unpack_regions(arrays: Arrays, lights: Sequence[Light]) -> list[RegionEvidence]:
    """Return the regions that arrays of `pack_regions` hold.

    Args:
        arrays: those and any others.
        lights: of the burst of each region.

    Raises:
        KeyError: an array is missing.
        ValueError: they do not fit each other.
    """
    frames = arrays["region_frames"].tolist()
    cells = arrays["region_cells"].tolist()
    shown = [count * of for count, of in zip(frames, cells, strict=True)]
    columns = zip(
        lights,
        arrays["region_box"].tolist(),
        arrays["region_place"].reshape(-1, 2),
        arrays["region_sketch"].reshape(-1, SKETCH_DIM),
        arrays["region_figures"].tolist(),
        parts(arrays["cells"], cells, np.int32),
        parts(arrays["features"], [count * CELL_CHANNELS for count in shown], np.float16),
        parts(arrays["intact"], shown, np.bool_),
        frames,
        strict=True,
    )
    return [
        RegionEvidence(
            region=MotionRegion(x, y, width, height, area, (across, down)),
            place=place,
            cells=of_cells.astype(np.intp),
            features=features.reshape(count, -1, CELL_CHANNELS),
            intact=intact.reshape(count, -1),
            sketch=sketch,
            change=read(change),
            unexplained=unexplained,
            object_score=read(object_score),
            light=light,
        )
        for (
            light,
            (x, y, width, height, area, across, down),
            place,
            sketch,
            (change, unexplained, object_score),
            of_cells,
            features,
            intact,
            count,
        ) in columns
    ]


def sprite_facts(sprite: Sprite) -> dict[str, Any]:
    """Return what of a mover is no picture, JSON-serialisable."""
    return {"kind": sprite.kind, "is_grey": sprite.is_grey, "foot": sprite.foot}


def pack_sprites(sprites: Sequence[Sprite]) -> dict[str, NDArray[Any]]:
    """Return the arrays that hold the pictures of some rounded movers."""
    return {
        "sprite_size": np.array([sprite.alpha.shape for sprite in sprites], np.int32).reshape(
            -1, 2
        ),
        "sprite_light": joined([sprite.light for sprite in sprites], np.float16),
        "sprite_alpha": joined([sprite.alpha for sprite in sprites], np.float16),
    }


def unpack_sprites(facts: Sequence[Mapping[str, Any]], arrays: Arrays) -> list[Sprite]:
    """Return the movers that `sprite_facts` and `pack_sprites` tell of.

    Raises:
        KeyError: a part is missing.
        ValueError: they do not fit each other.
    """
    sizes = arrays["sprite_size"].tolist()
    areas = [height * width for height, width in sizes]
    return [
        Sprite(
            light.reshape(height, width, 3).astype(np.float32),
            alpha.reshape(height, width).astype(np.float32),
            str(of["kind"]),
            bool(of["is_grey"]),
            float(of["foot"]),
        )
        for of, (height, width), light, alpha in zip(
            facts,
            sizes,
            parts(arrays["sprite_light"], [3 * area for area in areas], np.float16),
            parts(arrays["sprite_alpha"], areas, np.float16),
            strict=True,
        )
    ]


def _box(region: MotionRegion) -> tuple[int, int, int, int, int]:
    return region.x, region.y, region.width, region.height, region.area


def written(value: float) -> float:
    """Return what a file holds in the place of a score or a change; see `read`."""
    return _NOBODY_LOOKED if math.isnan(value) else value


def read(value: float) -> float:
    """Return the number that `written` stands for."""
    return math.nan if value == _NOBODY_LOOKED else value


def joined(arrays: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """Return all numbers of some arrays in one row."""
    rows = [array.ravel() for array in arrays]
    return np.concatenate(rows).astype(dtype, copy=False) if rows else np.zeros(0, dtype)


def parts(row: NDArray[Any], lengths: Sequence[int], dtype: type[np.generic]) -> list[NDArray[Any]]:
    """Take apart what `joined` put together.

    Raises:
        ValueError: the lengths or the type are not those of the array.
    """
    if row.dtype != dtype or row.shape != (sum(lengths),) or min(lengths, default=0) < 0:
        raise ValueError(f"{row.dtype} {row.shape} are not {sum(lengths)} of {dtype}")
    return np.split(row, np.cumsum(lengths)[:-1]) if lengths else []

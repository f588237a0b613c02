"""The places that the demo's cameras watch, by the name of the camera."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veroallarme_core.drawing.garden import paint_garden
from veroallarme_core.drawing.perspective import STRAIGHT, Turn
from veroallarme_core.drawing.place import Place
from veroallarme_core.drawing.street import paint_street


def build_place(camera: str, seed: int, height: int, width: int, turn: Turn = STRAIGHT) -> Place:
    """Paint the place that a camera watches.

    Raises:
        ValueError: there is no such camera.
    """
    builders: dict[str, Callable[[np.random.Generator, int, int, Turn], Place]] = {
        "street": paint_street,
        "garden": paint_garden,
    }
    if camera not in builders:
        known = ", ".join(sorted(builders))
        raise ValueError(f"There is no drawn camera {camera!r}; choose one of: {known}.")
    number = sorted(builders).index(camera)
    return builders[camera](np.random.default_rng((seed, number)), height, width, turn)

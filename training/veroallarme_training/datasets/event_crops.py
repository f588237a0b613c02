"""What all datasets share: moving events, the crops cut from them, and chance that repeats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional, v2

from veroallarme_core.description import CropGeometry, InputMode, Square, cut_crop, square_around
from veroallarme_training.augmentation import keep_inside, vary_square
from veroallarme_training.config import AugmentationSettings
from veroallarme_training.motion_cache import Detector, Picture
from veroallarme_training.moving_events import MovingEvent, MovingEvents, load_moving_events

NO_AUGMENTATION = AugmentationSettings(enabled=False)

Transform: TypeAlias = Callable[[Any], Any]

_WANT_PICTURES = (transforms.ToTensor, transforms.PILToTensor, v2.PILToTensor)


class EventCrops:
    """The base of the datasets.

    Args:
        data_dir: one camera's folder of events, a parent of several, or events already found.
        motion_detector: None takes a `MotionDetector` that fits the frames' size.
        max_sequences: take at most this many events, evenly over time; None takes all.
        cache_dir: folder for the motion that was found; None keeps it in memory.
        input_mode: what the three channels of a crop show.
        size: (height, width) of a crop in pixels.
        crop: how large a square is cut around a region.
        augmentation: how crops vary; None cuts each as prediction would.
        seed: an item depends on its number, the epoch and this alone.

    Raises:
        EventsError: the folder holds no event, or none in which something moved.
    """

    def __init__(
        self,
        data_dir: str | Path | MovingEvents,
        motion_detector: Detector | None = None,
        *,
        max_sequences: int | None = None,
        cache_dir: str | Path | None = None,
        input_mode: InputMode = InputMode.TEMPORAL,
        size: tuple[int, int] = (224, 224),
        crop: CropGeometry | None = None,
        augmentation: AugmentationSettings | None = None,
        seed: int = 0,
    ) -> None:
        self.found = load_moving_events(
            data_dir, motion_detector, max_sequences=max_sequences, cache_dir=cache_dir
        )
        self.input_mode = InputMode(input_mode)
        self.size = size
        self.crop = crop or CropGeometry()
        self.augmentation = augmentation or NO_AUGMENTATION
        self.seed = seed
        # Shared, so that worker processes that outlive an epoch see the next one's number.
        self._epoch = torch.zeros(1, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def num_skipped(self) -> int:
        """How many events are broken; `found.skipped` says why."""
        return len(self.found.skipped)

    def set_epoch(self, epoch: int) -> None:
        """Let the next items vary otherwise than those of the epochs before."""
        self._epoch.fill_(epoch)

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, int(self._epoch), index))

    def _square(self, moving: MovingEvent, region: int, rng: np.random.Generator) -> Square:
        dimensions = moving.motion.frame_dimensions
        bbox = moving.motion.regions[region].to_bbox()
        square = square_around(bbox, dimensions, self.crop)
        return keep_inside(vary_square(square, self.augmentation, rng), dimensions)

    def _cut(self, frames: Sequence[Picture], square: Square) -> NDArray[np.float32]:
        return cut_crop(frames, square, size=self.size, input_mode=self.input_mode)


def apply_transform(transform: Transform | None, crop: NDArray[np.float32]) -> Tensor:
    """Turn a crop (3, h, w) in [0, 1] into a tensor by way of a user's torchvision transform.

    The transform gets a float tensor, which `ToPILImage`, `RandomResizedCrop`, `RandomRotation`
    and `Normalize` all take; only where it starts with `ToTensor` does it get a PIL picture.

    Args:
        transform: None changes nothing.
        crop: what was cut.

    Raises:
        ValueError: the result is no tensor (3, h, w), so that items would not fit one batch.
    """
    image = torch.from_numpy(crop)
    if transform is None:
        return image
    steps = getattr(transform, "transforms", [transform])
    start = functional.to_pil_image(image) if isinstance(steps[0], _WANT_PICTURES) else image
    result = transform(start)
    shape = tuple(result.shape) if isinstance(result, Tensor) else None
    if not isinstance(result, Tensor) or shape != crop.shape:
        got = type(result).__name__ if shape is None else f"a tensor {shape}"
        raise ValueError(
            f"The transform must return a tensor {crop.shape}, not {got}; end it with Resize or a "
            "crop of that size, and with ToTensor where it works on PIL pictures."
        )
    return result

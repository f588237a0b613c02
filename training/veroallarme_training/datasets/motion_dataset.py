"""The three datasets of moving regions: contrastive triplets, masks, and labelled regions.

Every item is a crop around something that moved: a whole frame squeezed to 224x224 would leave a
distant person less than one cell of the encoder's last stage.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from veroallarme_core.description import InputMode, Square, cut_mask
from veroallarme_training.augmentation import vary_flip, vary_order, vary_pixels
from veroallarme_training.datasets.event_crops import EventCrops, Transform, apply_transform
from veroallarme_training.datasets.mover_views import find_views
from veroallarme_training.drawn_events import read_masks
from veroallarme_training.events import EventsError
from veroallarme_training.motion_cache import Detector, Picture
from veroallarme_training.moving_events import MovingEvent, MovingEvents
from veroallarme_training.region_labels import RegionLabel, RegionLabels, read_labels

UNKNOWN = -1
"""Mask value of what nobody knows to be relevant or not; no loss counts it."""

_EMPTY_PLACE = 0.5
"""How often a negative is the empty place of the anchor rather than another event."""


class ContrastiveMotionDataset(EventCrops, Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Triplets of crops, one item per event, for learning what tells movers apart.

    Anchor and positive show the same mover: in RGB mode in two frames wherever it is found in
    two, in temporal mode in two variations of the same crop. The negative is another event, or in
    RGB mode also the empty place of the anchor, the hardest of all: same light, same background.

    Args:
        data_dir: one camera's folder of events, a parent of several, or events already found.
        motion_detector: None takes a `MotionDetector` that fits the frames' size.
        max_sequences: take at most this many events, evenly over time; None takes all.
        transform: torchvision transform of each crop, from a float tensor (3, 224, 224) in [0, 1]
            to a tensor of that shape; None varies crops by `augmentation` alone.
        options: as of `EventCrops`.

    Raises:
        EventsError: fewer than two events show motion.

    Example:
        >>> dataset = ContrastiveMotionDataset("events/gate")  # doctest: +SKIP
        >>> anchor, positive, negative = dataset[0]            # doctest: +SKIP
    """

    def __init__(
        self,
        data_dir: str | Path | MovingEvents,
        motion_detector: Detector | None = None,
        max_sequences: int | None = None,
        transform: Transform | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data_dir, motion_detector, max_sequences=max_sequences, **options)
        self.transform = transform
        if len(self.found.events) < 2:
            raise EventsError(
                "Contrastive learning needs at least 2 events with motion, "
                f"{len(self.found.events)} found."
            )

    def __len__(self) -> int:
        return len(self.found.events)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return anchor, positive and negative, float32 (3, 224, 224) each."""
        rng = self._rng(index)
        moving = self.found.events[index]
        if self.input_mode is InputMode.RGB:
            crops = self._rgb_triplet(index, moving, rng)
        else:
            region = int(rng.integers(moving.region_count))
            frames = moving.read_frames(region)
            crops = (
                self._temporal_view(moving, frames, region, rng),
                self._temporal_view(moving, frames, region, rng),
                self._other(index, rng),
            )
        anchor, positive, negative = (apply_transform(self.transform, crop) for crop in crops)
        return anchor, positive, negative

    def _rgb_triplet(
        self, index: int, moving: MovingEvent, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], ...]:
        frames = moving.read_all_frames()
        views = find_views(moving, range(moving.region_count), frames)
        view = views.movers[int(rng.integers(len(views.movers)))]
        match = views.match(view)
        anchor = self._rgb_view(moving, frames[view.frame], view.region, rng)
        positive = self._rgb_view(moving, frames[match.frame], match.region, rng)
        empty = [frame for region, frame in views.empty if region == view.region]
        if empty and rng.random() < _EMPTY_PLACE:
            frame = frames[empty[int(rng.integers(len(empty)))]]
            negative = self._rgb_view(moving, frame, view.region, rng)
        else:
            negative = self._other(index, rng)
        return anchor, positive, negative

    def _other(self, index: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Cut a crop from any other event."""
        count = len(self.found.events)
        moving = self.found.events[(index + 1 + int(rng.integers(count - 1))) % count]
        region = int(rng.integers(moving.region_count))
        if self.input_mode is InputMode.TEMPORAL:
            return self._temporal_view(moving, moving.read_frames(region), region, rng)
        frames = moving.read_all_frames()
        clearest = find_views(moving, [region], frames).clearest
        return self._rgb_view(moving, frames[clearest.frame], region, rng)

    def _temporal_view(
        self,
        moving: MovingEvent,
        frames: Sequence[Picture],
        region: int,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        square = self._square(moving, region, rng)
        order = vary_order(len(frames), self.augmentation, rng)
        return self._varied(self._cut([frames[i] for i in order], square), rng)

    def _rgb_view(
        self,
        moving: MovingEvent,
        frame: Picture,
        region: int,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        return self._varied(self._cut([frame], self._square(moving, region, rng)), rng)

    def _varied(self, crop: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if vary_flip(self.augmentation, rng):
            crop = np.ascontiguousarray(crop[:, :, ::-1])
        return vary_pixels(crop, self.augmentation, rng)


class RegionCrops(EventCrops):
    """One item per region, with its mask; the base of the two datasets below.

    Args:
        labels: what is known of the regions. None takes every region for the mover, as the
            motion mask says; else regions without a label are left out.
    """

    def __init__(
        self,
        data_dir: str | Path | MovingEvents,
        motion_detector: Detector | None = None,
        *,
        labels: RegionLabels | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data_dir, motion_detector, **options)
        self.labels = labels
        self.index = self._items()
        """Per item the number of its event and of its region, int32 (items, 2)."""

    def __len__(self) -> int:
        return len(self.index)

    def _items(self) -> NDArray[np.int32]:
        # 8 bytes an item, where a tuple of tuples would take a hundred.
        numbers = array("i")
        for number, moving in enumerate(self.found.events):
            name = moving.event.name
            for region in range(moving.region_count):
                if self.labels is None or (name, region) in self.labels:
                    numbers.extend((number, region))
        return np.array(numbers, np.int32).reshape(-1, 2)

    def _item(self, index: int) -> tuple[MovingEvent, int]:
        """Return the event and the region of an item."""
        number, region = self.index[index].tolist()
        return self.found.events[number], region

    def _label(self, index: int) -> RegionLabel:
        """Return what is known of an item; there must be labels."""
        moving, region = self._item(index)
        assert self.labels is not None
        return self.labels[moving.event.name, region]

    def _region(
        self, index: int, *, with_mask: bool = True
    ) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        """Cut one region: the crop (3, h, w) in [0, 1], and its mask int16 (h, w).

        The mask is 1 where what is relevant moved, 0 where not, `UNKNOWN` where nobody knows.
        """
        rng = self._rng(index)
        moving, region = self._item(index)
        square = self._square(moving, region, rng)
        frames = moving.read_all_frames()
        indices = moving.motion.region_frames[region]
        if self.input_mode is InputMode.RGB:
            indices = (find_views(moving, [region], frames).clearest.frame,)
        order = [indices[i] for i in vary_order(len(indices), self.augmentation, rng)]
        crop = self._cut([frames[index] for index in order], square)
        mask = self._mask(moving, order, square) if with_mask else np.zeros((1, 1), np.int16)
        if vary_flip(self.augmentation, rng):
            crop = np.ascontiguousarray(crop[:, :, ::-1])
            mask = np.ascontiguousarray(mask[:, ::-1])
        return vary_pixels(crop, self.augmentation, rng), mask

    def _mask(self, moving: MovingEvent, order: Sequence[int], square: Square) -> NDArray[np.int16]:
        if self.labels is None:
            return (cut_mask(moving.motion.motion_mask, square, self.size) > 0).astype(np.int16)
        if moving.event.masks:
            mover = np.bitwise_or.reduce(read_masks(moving.event, order))
            return (cut_mask(mover, square, self.size) > 0).astype(np.int16)
        # 0 is what did not move; region n has the value n + 1 in the map, and in the table.
        values = [0]
        for region in range(len(moving.motion.regions)):
            label = self.labels.get((moving.event.name, region))
            values.append(UNKNOWN if label is None else int(label.relevant))
        numbers = np.minimum(moving.region_map(), 255).astype(np.uint8)
        table = np.array((values + [UNKNOWN] * 256)[:256], np.int16)
        return np.asarray(table[cut_mask(numbers, square, self.size)], np.int16)


class SegmentationDataset(RegionCrops, Dataset[tuple[Tensor, Tensor]]):
    """Crops with masks of what moved in them, one item per region.

    Args:
        data_dir: one camera's folder of events, a parent of several, or events already found.
        motion_detector: None takes a `MotionDetector` that fits the frames' size.
        target_size: (height, width) of image and mask in pixels.
        transform: a `torchvision.transforms.v2` transform; it gets image and mask together, so
            that both move alike.
        options: `labels`, and as of `EventCrops`.

    Example:
        >>> image, mask = SegmentationDataset("events/gate")[0]  # doctest: +SKIP
    """

    def __init__(
        self,
        data_dir: str | Path | MovingEvents,
        motion_detector: Detector | None = None,
        target_size: tuple[int, int] = (224, 224),
        transform: Transform | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data_dir, motion_detector, size=target_size, **options)
        self.transform = transform

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the image (3, h, w) in [0, 1] and the mask (1, h, w), both float32.

        The mask is 1 where something moved, else 0. With labels it is 1 where something relevant
        moved, 0 where not, -1 where nobody knows.
        """
        crop, mask = self._region(index)
        image, target = torch.from_numpy(crop), torch.from_numpy(mask).float()[None]
        if self.transform is None:
            return image, target
        varied: tuple[Tensor, Tensor] = self.transform(
            (tv_tensors.Image(image), tv_tensors.Mask(target))
        )
        return varied[0].as_subclass(Tensor), varied[1].as_subclass(Tensor)


class MotionRegionDataset(RegionCrops, Dataset[tuple[Tensor, Tensor]]):
    """Crops of labelled regions, one item per region that has a label.

    Args:
        data_dir: one camera's folder of events, a parent of several, or events already found.
        labels_file: CSV of events or of regions, see `region_labels.read_labels`.
        motion_detector: None takes a `MotionDetector` that fits the frames' size.
        transform: torchvision transform of the crop, as of `ContrastiveMotionDataset`.
        options: `labels` in place of a file, and as of `EventCrops`.

    Raises:
        LabelsError: the labels file is wrong or fits no region.
        ValueError: neither a labels file nor labels were given, or both.

    Example:
        >>> dataset = MotionRegionDataset("events/gate", "events/gate/labels.csv")  # doctest: +SKIP
        >>> crop, label = dataset[0]                                                # doctest: +SKIP
    """

    def __init__(
        self,
        data_dir: str | Path | MovingEvents,
        labels_file: str | Path | None = None,
        motion_detector: Detector | None = None,
        transform: Transform | None = None,
        *,
        labels: RegionLabels | None = None,
        **options: Any,
    ) -> None:
        if (labels_file is None) == (labels is None):
            raise ValueError(
                "Give either labels_file or labels: regions need labels to learn from."
            )
        found = EventCrops(data_dir, motion_detector, **options).found
        if labels_file is not None:
            labels = read_labels(labels_file, found.events)
        for name in ("max_sequences", "cache_dir"):
            options.pop(name, None)
        super().__init__(found, labels=labels, **options)
        self.transform = transform

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the crop, float32 (3, 224, 224), and its label, int64 (): 1 relevant, 0 not."""
        crop, _ = self._region(index, with_mask=False)
        return apply_transform(self.transform, crop), torch.tensor(self.label(index))

    def label(self, index: int) -> int:
        """Return the label of an item without cutting it."""
        return int(self._label(index).relevant)

"""Stage 1's results, computed once per event and kept.

What is kept of an event are its regions and its mask, packed to a few kilobytes; the frames stay
on disk. With a folder the results outlive the process, as `.npz` files without pickle.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.description import TEMPORAL_FRAMES, frames_of_place
from veroallarme_core.files import atomic_file
from veroallarme_core.motion_detection import (
    BLOCK_SIZE,
    FrameDamage,
    MotionDetectionResult,
    MotionDetector,
    MotionRegion,
    common_size,
    min_area_for,
)
from veroallarme_core.pictures import DecodedFrame, FrameError, read_frame
from veroallarme_training.events import Event

_FORMAT = 1
"""Part of every key: raised whenever the meaning of what is kept changes."""

Picture = NDArray[np.uint8]


class BrokenEventError(ValueError):
    """An event that cannot be used; `str(error)` is one clear sentence."""


class Detector(Protocol):
    """Anything that finds motion as `MotionDetector` does."""

    def detect_motion(self, frames: list[DecodedFrame | None]) -> MotionDetectionResult:
        """Find what moved in a burst."""


@dataclass(frozen=True, eq=False)
class EventMotion:
    """What Stage 1 found in one event, in little memory."""

    frame_dimensions: tuple[int, int]
    regions: tuple[MotionRegion, ...]
    damaged_shares: tuple[float, ...]
    """Per region the share of its box that is damaged in at least one frame."""
    region_frames: tuple[tuple[int, ...], ...]
    """Per region the indices of the frames that show its place, as prediction chooses them."""
    packed_mask: bytes
    """The motion mask, one bit per pixel, deflated."""

    @property
    def motion_mask(self) -> NDArray[np.uint8]:
        """uint8 (H, W), 255 where something moved."""
        height, width = self.frame_dimensions
        bits = np.frombuffer(zlib.decompress(self.packed_mask), np.uint8)
        mask = np.unpackbits(bits, count=height * width).reshape(height, width)
        return np.asarray(mask * np.uint8(255), np.uint8)


def read_frames(event: Event, indices: Iterable[int]) -> list[Picture]:
    """Decode some frames of an event, by their indices: uint8 (H, W, 3) BGR each.

    Raises:
        BrokenEventError: a frame cannot be decoded.
    """
    try:
        return [read_frame(event.frames[index]).image for index in indices]
    except FrameError as error:
        raise BrokenEventError(str(error)) from error


class MotionCache:
    """Computes the motion of events once.

    Args:
        detector: None takes a `MotionDetector` whose smallest region fits the frames' size.
        folder: where results are kept between runs; None keeps them in memory only.
        max_in_memory: events whose results stay in memory, the latest used ones.
    """

    def __init__(
        self,
        detector: Detector | None = None,
        folder: str | Path | None = None,
        *,
        max_in_memory: int = 100_000,
    ) -> None:
        if max_in_memory < 1:
            raise ValueError(f"max_in_memory must be at least 1, not {max_in_memory}.")
        self.detector = detector
        self.folder = None if folder is None else Path(folder)
        self.max_in_memory = max_in_memory
        self.computed = 0
        """Events whose motion had to be computed, neither in memory nor on disk."""
        self._memory: OrderedDict[str, EventMotion] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """A process that gets this cache fills a memory of its own."""
        return {**vars(self), "_memory": OrderedDict()}

    def motion(self, event: Event, key: str | None = None) -> EventMotion:
        """Return the motion of an event.

        Args:
            event: where to look.
            key: of the event, where it is known already; None looks at its files.

        Raises:
            BrokenEventError: fewer than two of its frames can be decoded.
        """
        key = key or self.key(event)
        found = self._memory.get(key)
        if found is not None:
            self._memory.move_to_end(key)
            return found
        found = self._load(key)
        if found is None:
            found = self._compute(event)
            self._save(key, found)
        self._memory[key] = found
        while len(self._memory) > self.max_in_memory:
            self._memory.popitem(last=False)
        return found

    def _compute(self, event: Event) -> EventMotion:
        self.computed += 1
        frames: list[DecodedFrame | None] = []
        reasons = []
        for path in event.frames:
            try:
                frames.append(read_frame(path))
            except FrameError as error:
                frames.append(None)
                reasons.append(str(error))
        size = common_size([None if frame is None else frame.image for frame in frames])
        if sum(frame is not None and frame.image.shape[:2] == size for frame in frames) < 2:
            why = " ".join(reasons) or "Its frames differ in size, or there is only one."
            raise BrokenEventError(f"{event.name} has no two frames to compare. {why}")
        detector: Detector = self.detector or MotionDetector(min_area=min_area_for(size))
        result = detector.detect_motion(frames)
        return _packed(result)

    def key(self, event: Event) -> str:
        """Name what a result depends on: the files as they are now, and the detector.

        Returns:
            32 hexadecimal digits.
        """
        parts: list[object] = [_FORMAT, type(self.detector).__name__]
        parts.append(sorted(vars(self.detector).items()) if self.detector is not None else "auto")
        # Resolved once, for its frames lie in the same folder: that is most of the time it takes.
        folder = os.path.realpath(event.frames[0].parent) if event.frames else ""
        for path in event.frames:
            try:
                state, resolved = os.lstat(path), os.path.join(folder, path.name)
                if stat.S_ISLNK(state.st_mode):
                    state, resolved = os.stat(path), os.path.realpath(path)
            except OSError:
                parts.append((str(path), None))
            else:
                parts.append((resolved, state.st_size, state.st_mtime_ns))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def _load(self, key: str) -> EventMotion | None:
        if self.folder is None:
            return None
        path = self.folder / key[:2] / f"{key}.npz"
        try:
            # Opened here: of a damaged file NumPy would leave its own handle open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return _unpacked({name: stored[name] for name in stored.files})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            # A damaged file is no loss: the motion is found again and written anew.
            return None

    def _save(self, key: str, motion: EventMotion) -> None:
        if self.folder is None:
            return
        folder = self.folder / key[:2]
        folder.mkdir(parents=True, exist_ok=True)
        # Not synced: what a power cut damages is found again.
        with atomic_file(folder / f"{key}.npz", is_durable=False) as file:
            np.savez(file, **_stored(motion))  # type: ignore[arg-type]


def _packed(result: MotionDetectionResult) -> EventMotion:
    mask = np.packbits(result.motion_mask > 0)
    return EventMotion(
        frame_dimensions=result.frame_dimensions,
        regions=result.motion_regions,
        damaged_shares=tuple(
            _damaged_share(region, result.damage) for region in result.motion_regions
        ),
        region_frames=tuple(_frames_of(region, result) for region in result.motion_regions),
        packed_mask=zlib.compress(mask.tobytes(), 6),
    )


def _frames_of(region: MotionRegion, result: MotionDetectionResult) -> tuple[int, ...]:
    chosen = frames_of_place(
        result.frames, result.damage, region.to_bbox(), result.frame_dimensions
    )
    numbers = {id(frame): number for number, frame in enumerate(result.frames)}
    return tuple(numbers[id(frame)] for frame in chosen)


def _damaged_share(region: MotionRegion, damage: tuple[FrameDamage, ...]) -> float:
    x1, y1, x2, y2 = region.to_bbox()
    rows = slice(y1 // BLOCK_SIZE, -(-y2 // BLOCK_SIZE))
    columns = slice(x1 // BLOCK_SIZE, -(-x2 // BLOCK_SIZE))
    parts = [frame.blocks[rows, columns] for frame in damage if frame.is_usable]
    return float(np.logical_or.reduce(parts).mean()) if parts and parts[0].size else 0.0


def _stored(motion: EventMotion) -> dict[str, NDArray[np.generic]]:
    regions = [
        (r.x, r.y, r.width, r.height, r.area, r.centroid[0], r.centroid[1]) for r in motion.regions
    ]
    return {
        "frame_dimensions": np.array(motion.frame_dimensions, np.int64),
        "regions": np.array(regions, np.int64).reshape(len(regions), 7),
        "damaged_shares": np.array(motion.damaged_shares, np.float64),
        # -1 fills the rows of regions with fewer frames.
        "region_frames": np.array(
            [(*frames, -1, -1, -1)[:TEMPORAL_FRAMES] for frames in motion.region_frames], np.int64
        ).reshape(len(regions), TEMPORAL_FRAMES),
        "packed_mask": np.frombuffer(motion.packed_mask, np.uint8),
    }


def _unpacked(stored: dict[str, NDArray[np.generic]]) -> EventMotion:
    height, width = (int(value) for value in stored["frame_dimensions"])
    regions = tuple(
        MotionRegion(x, y, w, h, area, (cx, cy))
        for x, y, w, h, area, cx, cy in stored["regions"].tolist()
    )
    motion = EventMotion(
        frame_dimensions=(height, width),
        regions=regions,
        damaged_shares=tuple(stored["damaged_shares"].tolist()),
        region_frames=tuple(
            tuple(number for number in row if number >= 0)
            for row in stored["region_frames"].tolist()
        ),
        packed_mask=stored["packed_mask"].tobytes(),
    )
    counts = {len(regions), len(motion.damaged_shares), len(motion.region_frames)}
    if motion.motion_mask.shape != (height, width) or len(counts) != 1:
        raise ValueError("the stored motion contradicts itself")
    return motion

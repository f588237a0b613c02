"""Stage 2: a frame and what moved in its burst -> how relevant each region and each pixel is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.contract import RelevanceRegion
from veroallarme_core.description import Frame, RegionCrop, cut_mask, cut_regions, paste_map
from veroallarme_core.inference import ModelError, check_device
from veroallarme_core.motion_detection import MotionDetectionResult, MotionRegion
from veroallarme_core.pictures import RELEVANT_BGR, draw_verdict, read_frame, write_picture
from veroallarme_core.relevance_mask.backends import (
    InferenceBackend,
    open_backend,
    relevance_probability,
)
from veroallarme_core.relevance_mask.shipped_judge import ShippedJudge

DEFAULT_THRESHOLD = 0.5
INPUT_SIZE = (224, 224)
MAX_BATCH = 16
"""Most crops in one inference: rain moves in hundreds of places, and memory is bounded."""


@dataclass(frozen=True, eq=False)
class RelevanceMaskResult:
    """What Stage 2 found in one burst.

    `relevance_mask` is uint8 (H, W), 1 where the frame is relevant and 0 elsewhere;
    `relevance_scores` is float32 (H, W) in [0, 1], 0 where nothing moved nearby. `regions` are in
    Stage 1's order, the largest first. `visualization` is uint8 (H, W, 3) BGR where `predict` was
    asked for it. The rest follows from these.
    """

    frame_dimensions: tuple[int, int]
    relevance_mask: NDArray[np.uint8]
    relevance_scores: NDArray[np.float32]
    regions: Sequence[RelevanceRegion]
    processing_time_ms: float = 0.0
    visualization: NDArray[np.uint8] | None = None

    @property
    def relevant_regions(self) -> tuple[RelevanceRegion, ...]:
        """The regions that are relevant."""
        return tuple(region for region in self.regions if region.is_relevant)

    @property
    def irrelevant_regions(self) -> tuple[RelevanceRegion, ...]:
        """The regions that are not."""
        return tuple(region for region in self.regions if not region.is_relevant)

    @property
    def num_relevant(self) -> int:
        """How many regions are relevant."""
        return len(self.relevant_regions)

    @property
    def num_irrelevant(self) -> int:
        """How many regions are not."""
        return len(self.irrelevant_regions)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pixel arrays as JSON-serialisable values."""
        return {
            "frame_dimensions": list(self.frame_dimensions),
            "regions": [region.to_dict() for region in self.regions],
            "relevant_regions": [region.to_dict() for region in self.relevant_regions],
            "irrelevant_regions": [region.to_dict() for region in self.irrelevant_regions],
            "num_relevant": self.num_relevant,
            "num_irrelevant": self.num_irrelevant,
            "processing_time_ms": self.processing_time_ms,
        }


class RelevanceMaskPredictor:
    """Judges what moved; may be shared between threads.

    Without a model it judges as a fresh installation of VeroAllarme does, with the rules and the
    encoder that ship; with the state folder of a camera by what that camera has learned as well.
    A region then gets the score that the worker would give it, and one that nothing shows to be
    nuisance, or that could not be looked at, is relevant.

    With a model file the relevance network judges alone. A region's score is the classification
    head's; a network in which only the segmentation head is trained judges a region by the mean of
    its map over the pixels that moved.

    Args:
        model_path: None; the state folder of a camera, such as `veroallarme adapt` makes; or a
            checkpoint (`.pth`), an ONNX file or an OpenVINO IR (`.xml`), as `veroallarme-train`
            makes them.
        device: "cuda", "cpu", or None for CUDA where the runtime has it, else the CPU. What ships
            runs on the CPU in any case.
        relevance_threshold: score in [0, 1] from which a region or a pixel is relevant.
        input_size: (height, width) of the network's input; only a checkpoint takes others than
            the one it was exported with, and what ships has its own.
        backend: `openvino`, `onnxruntime` or `torch`; None chooses. What ships takes no torch.
        threads: most threads of one inference on the CPU; None leaves it to the runtime.

    Raises:
        ModelError: the model cannot be used; the sentence says why and what to do.
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        model_path: str | Path | None = None,
        device: str | None = None,
        relevance_threshold: float = DEFAULT_THRESHOLD,
        input_size: tuple[int, int] = INPUT_SIZE,
        *,
        backend: str | None = None,
        threads: int | None = None,
    ) -> None:
        if not 0.0 <= relevance_threshold <= 1.0:
            raise ValueError(
                f"relevance_threshold must be between 0 and 1, not {relevance_threshold}."
            )
        self.relevance_threshold = relevance_threshold
        self.input_size = _checked_size(input_size)
        self._backend: InferenceBackend | None = None
        self._shipped: ShippedJudge | None = None
        if model_path is None or Path(model_path).is_dir():
            check_device(device)
            state_dir = None if model_path is None else Path(model_path)
            self._shipped = ShippedJudge(state_dir, relevance_threshold, backend, threads)
            return
        self._backend = open_backend(model_path, device, backend, threads=threads)
        if self._backend.input_size not in (None, self.input_size):
            raise ModelError(
                f"input_size {self.input_size}: {model_path} was exported for "
                f"{self._backend.input_size}; use that size, or export the checkpoint for the one "
                "you want."
            )

    @property
    def backend(self) -> InferenceBackend:
        """The relevance network.

        Raises:
            ModelError: there is none, as what ships judges.
        """
        if self._backend is None:
            raise ModelError(
                "This predictor has no relevance network: give model_path the file of one."
            )
        return self._backend

    @property
    def network_name(self) -> str:
        """What the relevance network is called in verdicts and logs.

        Raises:
            ModelError: there is none, as what ships judges.
        """
        return self.backend.meta.name

    def region_scores(self, frame: Frame, motion: MotionDetectionResult) -> Sequence[float]:
        """Return the score of every region that moved, as `predict` gives it."""
        return [region.relevance_score for region in self.predict(frame, motion).regions]

    def predict(
        self,
        frame: str | Path | Frame,
        motion_result: MotionDetectionResult,
        visualize: bool = False,
    ) -> RelevanceMaskResult:
        """Judge every region that moved.

        Args:
            frame: a frame of the burst, a path or uint8 (H, W, 3) BGR. The other frames come from
                `motion_result`; where it has none, this one alone is looked at.
            motion_result: what `MotionDetector.detect_motion` found in the burst.
            visualize: also draw the result on `frame`.

        Raises:
            FrameError: the path is no readable picture.
            ValueError: the frame is no BGR picture, or of another size than the burst.
            InferenceError: the network failed.
        """
        started = time.perf_counter()
        picture = _load(frame)
        dimensions = (picture.shape[0], picture.shape[1])
        if motion_result.motion_regions and dimensions != motion_result.frame_dimensions:
            raise ValueError(
                f"The frame is {dimensions} (H, W), but the motion was found in frames of "
                f"{motion_result.frame_dimensions}; give a frame of the same burst."
            )
        judge = self._judge_shipped if self._backend is None else self._judge
        pixel_scores, region_scores = judge(picture, motion_result)
        regions = tuple(
            _judged(region, score, motion_result.confidence, self.relevance_threshold)
            for region, score in zip(motion_result.motion_regions, region_scores, strict=True)
        )
        # Where nothing moved the score is 0: not relevant even to a threshold of 0.
        mask = (pixel_scores >= self.relevance_threshold) & (pixel_scores > 0.0)
        result = RelevanceMaskResult(
            frame_dimensions=dimensions,
            relevance_mask=mask.astype(np.uint8),
            relevance_scores=pixel_scores,
            regions=regions,
            processing_time_ms=(time.perf_counter() - started) * 1e3,
        )
        if visualize:
            result = replace(result, visualization=self.visualize(picture, result))
        return result

    def visualize(
        self,
        frame: Frame,
        result: RelevanceMaskResult,
        output_path: str | Path | None = None,
        alpha: float = 0.4,
    ) -> Frame:
        """Draw a result: boxes green where relevant and red where not, a green mask, the scores.

        Args:
            frame: uint8 (H, W, 3) BGR; it is not changed.
            result: of a frame of the same size.
            output_path: where to write the picture, its suffix says how (.jpg, .png); None
                writes nothing.
            alpha: how opaque the mask is, in [0, 1].

        Returns:
            uint8 (H, W, 3) BGR.

        Raises:
            ValueError: an argument is wrong.
            OSError: the file cannot be written.
        """
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha must be between 0 and 1, not {alpha}.")
        if _load(frame).shape[:2] != result.frame_dimensions:
            raise ValueError(
                f"The frame is {frame.shape[:2]} (H, W), but the result is of frames of "
                f"{result.frame_dimensions}."
            )
        green = np.asarray(RELEVANT_BGR, np.float32)
        opacity = result.relevance_mask[..., None] * np.float32(alpha)  # (H, W, 1)
        overlaid = np.rint(frame * (1.0 - opacity) + green * opacity).astype(np.uint8)
        picture = draw_verdict(overlaid, result.regions)
        if output_path is not None:
            write_picture(Path(output_path), picture)
        return picture

    def _judge_shipped(
        self, frame: Frame, motion: MotionDetectionResult
    ) -> tuple[NDArray[np.float32], list[float]]:
        """Return the score of every pixel that moved, float32 (H, W), and of every region."""
        assert self._shipped is not None
        pixel_scores = np.zeros(frame.shape[:2], np.float32)
        region_scores = self._shipped.score(frame, motion)
        for region, score in zip(motion.motion_regions, region_scores, strict=True):
            moved = _moved(region, motion) > 0
            pixel_scores[moved] = np.maximum(pixel_scores[moved], np.float32(score))
        return pixel_scores, region_scores

    def _judge(
        self, frame: Frame, motion: MotionDetectionResult
    ) -> tuple[NDArray[np.float32], list[float]]:
        """Return the score of every pixel, float32 (H, W), and of every region."""
        pixel_scores = np.zeros(frame.shape[:2], np.float32)
        region_scores = [0.0] * len(motion.motion_regions)
        meta = self.backend.meta
        crops = cut_regions(
            motion,
            frame,
            geometry=meta.crop,
            size=self.input_size,
            input_mode=meta.input_mode,
        )
        while batch := list(islice(crops, MAX_BATCH)):
            output = self.backend.infer(np.stack([crop.pixels for crop in batch]))
            maps = relevance_probability(output.segmentation)  # (N, h, w)
            probabilities = relevance_probability(output.classification)  # (N,)
            for crop, map_, probability in zip(batch, maps, probabilities, strict=True):
                score = self._score(crop, motion, map_, float(probability))
                region_scores[crop.index] = max(region_scores[crop.index], score)
                self._paste(crop, motion, map_, score, pixel_scores)
        return pixel_scores, region_scores

    def _score(
        self,
        crop: RegionCrop,
        motion: MotionDetectionResult,
        map_: NDArray[np.float32],
        probability: float,
    ) -> float:
        if "classification" in self.backend.meta.trained_heads:
            return probability
        moved = (
            cut_mask(
                _moved(motion.motion_regions[crop.index], motion), crop.square, self.input_size
            )
            > 0
        )
        return float(map_[moved].mean()) if moved.any() else float(map_.max())

    def _paste(
        self,
        crop: RegionCrop,
        motion: MotionDetectionResult,
        map_: NDArray[np.float32],
        score: float,
        pixel_scores: NDArray[np.float32],
    ) -> None:
        if "segmentation" in self.backend.meta.trained_heads:
            # No pixel is more relevant than its region: mask and boxes never contradict.
            paste_map(np.minimum(map_, np.float32(score)), crop.square, pixel_scores)
            return
        moved = _moved(motion.motion_regions[crop.index], motion) > 0
        pixel_scores[moved] = np.maximum(pixel_scores[moved], np.float32(score))


def predict_relevance_mask(
    frame: str | Path | Frame,
    motion_result: MotionDetectionResult,
    model_path: str | Path | None = None,
    device: str | None = None,
    relevance_threshold: float = DEFAULT_THRESHOLD,
) -> RelevanceMaskResult:
    """Judge one burst; for several make one `RelevanceMaskPredictor`, which loads once."""
    predictor = RelevanceMaskPredictor(model_path, device, relevance_threshold)
    return predictor.predict(frame, motion_result)


def _load(frame: str | Path | Frame) -> Frame:
    if isinstance(frame, str | Path):
        return read_frame(frame).image
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ValueError(
            f"The frame must be a uint8 array of shape (H, W, 3), not {frame.dtype} {frame.shape}."
        )
    return frame


def _checked_size(size: Sequence[int]) -> tuple[int, int]:
    whole = [edge for edge in size if isinstance(edge, int | np.integer) and edge > 0]
    if len(size) != 2 or len(whole) != 2 or any(edge % 32 for edge in whole):
        raise ValueError(f"input_size must be (height, width) in multiples of 32, not {size!r}.")
    return (int(size[0]), int(size[1]))


def _moved(region: MotionRegion, motion: MotionDetectionResult) -> NDArray[np.uint8]:
    """Return uint8 (H, W), 255 where the region moved; its whole box where the mask is empty."""
    x1, y1, x2, y2 = region.to_bbox()
    moved = np.zeros_like(motion.motion_mask)
    box = motion.motion_mask[y1:y2, x1:x2]
    moved[y1:y2, x1:x2] = box if box.any() else 255
    return moved


def _judged(
    region: MotionRegion, score: float, confidence: float, threshold: float
) -> RelevanceRegion:
    return RelevanceRegion(
        **vars(region),
        confidence=confidence,
        relevance_score=score,
        is_relevant=score >= threshold,
    )

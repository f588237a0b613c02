"""The rows of a relevance network on its own, and of the original design's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from veroallarme_core.contract import State
from veroallarme_core.inference import ModelError
from veroallarme_core.motion_detection import MotionDetector, common_size, min_area_for
from veroallarme_core.pictures import DecodedFrame, FrameError, read_frame
from veroallarme_core.relevance_mask import RelevanceMaskPredictor
from veroallarme_training.evaluation.cameras import Camera, EvaluationError
from veroallarme_training.evaluation.scores import EventScore, ScoredRegion
from veroallarme_training.events import Event


class RelevanceNetwork:
    """A relevance network alone, without cues or memory; score = its best region.

    Args:
        name: of the row.
        path: as `RelevanceMaskPredictor` takes it.

    Raises:
        EvaluationError: the network cannot be used.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        try:
            self._predictor = RelevanceMaskPredictor(path)
        except ModelError as error:
            raise EvaluationError(f"The row {name} has no network: {error}") from None

    def score(self, camera: Camera) -> Iterator[EventScore]:
        """Judge each event by itself."""
        for event in camera.asked_events():
            regions = self._judge(event)
            if regions is None:
                yield EventScore(event.event_id, 1.0, State.UNKNOWN, "broken")
                continue
            score = max((region.score for region in regions), default=0.0)
            is_relevant = score >= self._predictor.relevance_threshold
            state = State.RELEVANT if is_relevant else State.IRRELEVANT
            yield EventScore(event.event_id, score, state, "network", regions)

    def _judge(self, event: Event) -> tuple[ScoredRegion, ...] | None:
        frames: list[DecodedFrame | None] = []
        for path in event.frames:
            try:
                frames.append(read_frame(path))
            except FrameError:
                frames.append(None)
        size = common_size([None if frame is None else frame.image for frame in frames])
        usable = [
            frame.image for frame in frames if frame is not None and frame.image.shape[:2] == size
        ]
        if len(usable) < 2:
            return None
        motion = MotionDetector(min_area=min_area_for(size)).detect_motion(frames)
        result = self._predictor.predict(usable[0], motion)
        return tuple(
            ScoredRegion(r.x, r.y, r.width, r.height, r.relevance_score) for r in result.regions
        )


def original_network(checkpoint: Path, seed: int) -> RelevanceNetwork:
    """Return the row of the original design: no phase trains the head that decides.

    Args:
        checkpoint: what `veroallarme-train --phase both` left, which are the original's phases.
        seed: of the classification head, which stays as it was made.

    Raises:
        EvaluationError: the checkpoint cannot be used.
    """
    # Only this row needs torch.
    import torch

    from veroallarme_core.relevance_mask import (
        ClassificationHead,
        model_from_checkpoint,
        save_checkpoint,
    )

    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        try:
            model, _ = model_from_checkpoint(checkpoint, mode="both")
        except ModelError as error:
            raise EvaluationError(f"--original {checkpoint}: {error}") from None
        model.classification_head = ClassificationHead()
        model.trained_heads.add("classification")  # the predictor listens to no other
        path = Path(folder) / "original.pth"
        save_checkpoint(path, model)
        return RelevanceNetwork("original", path)

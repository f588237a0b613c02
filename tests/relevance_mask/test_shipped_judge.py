"""The predictor without a model judges with what ships, as the original promises."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.drawn import Picture, burst_of, draw_person, draw_yard
from tests.watched import learned_memory, other_tree, person_over_the_tree
from veroallarme_core.camera_memory.camera_state import MEMORY_FILE, THUMBS_DOWN, CameraState
from veroallarme_core.contract import CameraSettings, Mode
from veroallarme_core.inference import ModelError
from veroallarme_core.motion_detection import (
    MotionDetectionResult,
    MotionDetector,
    MotionRegion,
    min_area_for,
)
from veroallarme_core.pictures.annotate import RELEVANT_BGR
from veroallarme_core.pipeline import EventPipeline, PipelineResult
from veroallarme_core.relevance_mask import RelevanceMaskPredictor, predict_relevance_mask
from veroallarme_core.relevance_mask.shipped_judge import UNPROVEN

# The example of the original text, "Full Pipeline Example", unchanged but for the two imports.
# `predictor`, which it draws with, is what its "Quick Start" has made before.
EXAMPLE = """
from veroallarme_core.motion_detection import MotionDetector
from veroallarme_core.relevance_mask.predictor import RelevanceMaskPredictor
import cv2

# Initialize
motion_detector = MotionDetector(threshold=25, min_area=500)
relevance_predictor = RelevanceMaskPredictor(model_path="best_model.pth")

# Process camera feed
def process_camera_event(image_paths):
    \"\"\"Process a camera motion event through full pipeline\"\"\"

    # Stage 1: Detect motion
    motion_result = motion_detector.detect_motion(image_paths)

    if not motion_result.motion_detected:
        return {"alert": False, "reason": "No motion detected"}

    # Stage 2: Classify relevance
    middle_frame = image_paths[len(image_paths) // 2]
    relevance_result = relevance_predictor.predict(middle_frame, motion_result)

    if relevance_result.num_relevant == 0:
        return {"alert": False, "reason": "Motion not relevant"}

    # Generate alert
    return {
        "alert": True,
        "relevant_regions": relevance_result.num_relevant,
        "irrelevant_regions": relevance_result.num_irrelevant,
        "confidence": max(r.relevance_score for r in relevance_result.relevant_regions),
        "visualization": predictor.visualize(cv2.imread(middle_frame), relevance_result)
    }

# Use it
result = process_camera_event(["frame0.jpg", "frame1.jpg", "frame2.jpg"])
print(result)
"""

YARD = draw_yard(576, 704)
VISITOR = burst_of(*(draw_person(YARD, x, 250, 30, 80) for x in (300, 340, 380)))
FOCUS = (slice(240, 340), slice(290, 420))
"""Rows and columns where the visitor walks."""


@pytest.fixture(scope="module")
def predictor() -> RelevanceMaskPredictor:
    return RelevanceMaskPredictor(threads=1)


def detect(frames: Sequence[Picture | None]) -> MotionDetectionResult:
    size = next(frame.shape[:2] for frame in frames if frame is not None)
    return MotionDetector(min_area=min_area_for((size[0], size[1]))).detect_motion(list(frames))


def judge(frames: Sequence[Picture], state: CameraState | None = None) -> PipelineResult:
    """Judge as the worker does in mode filter."""
    pictures = [cv2.imencode(".png", frame)[1].tobytes() for frame in frames]
    pipeline = EventPipeline.with_shipped_networks()
    return pipeline.judge(pictures, CameraSettings(mode=Mode.FILTER), state=state)


def scores(regions: Any) -> dict[tuple[int, int, int, int], float]:
    return {(one.x, one.y, one.width, one.height): round(one.relevance_score, 6) for one in regions}


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """The state folder of a camera whose user has rejected the like of `other_tree`."""
    state = CameraState(tmp_path / "garden", learned_memory())
    state.folder.mkdir()
    for day in range(1, 1 + THUMBS_DOWN):
        moment = other_tree().moment + timedelta(days=day)
        event = replace(other_tree(), event_id=f"again_{day}", moment=moment)
        state.observe(event.event_id, event.moment, event)
        state.apply_feedback(event.event_id, False)
    state.save()
    return state.folder


# --- what it says -----------------------------------------------------------------------------


def test_a_visitor_fills_mask_scores_and_regions(predictor: RelevanceMaskPredictor) -> None:
    motion = detect(VISITOR)
    result = predictor.predict(VISITOR[1], motion)
    assert [one.to_bbox() for one in result.regions] == [
        one.to_bbox() for one in motion.motion_regions
    ]
    assert result.num_relevant >= 1
    mask, pixel_scores = result.relevance_mask, result.relevance_scores
    assert (mask.shape, mask.dtype) == ((576, 704), np.uint8)
    assert (pixel_scores.shape, pixel_scores.dtype) == ((576, 704), np.float32)
    assert set(np.unique(mask)) == {0, 1}
    assert mask[FOCUS].any()
    mask[FOCUS] = 0
    assert not mask.any()
    best = max(one.relevance_score for one in result.regions)
    assert pixel_scores.max() == pytest.approx(best)
    assert result.processing_time_ms > 0


def test_it_scores_as_the_worker_does(predictor: RelevanceMaskPredictor) -> None:
    for event in (other_tree(), person_over_the_tree()):
        result = predictor.predict(event.frames[0], detect(event.frames))
        assert scores(result.regions) == scores(judge(event.frames).regions)


def test_a_state_folder_judges_by_what_the_camera_has_learned(
    predictor: RelevanceMaskPredictor, learned: Path
) -> None:
    before = {path.name: path.read_bytes() for path in learned.iterdir()}
    frames, motion = other_tree().frames, detect(other_tree().frames)
    result = RelevanceMaskPredictor(learned, threads=1).predict(frames[0], motion)
    judged = scores(judge(frames, CameraState.read(learned)).regions)
    # The worker also tells of what is faint beside the regions that it was given.
    assert scores(result.regions).items() <= judged.items()
    assert scores(result.regions) != scores(predictor.predict(frames[0], motion).regions)
    assert {path.name: path.read_bytes() for path in learned.iterdir()} == before


def test_without_motion_the_result_is_empty_and_valid(predictor: RelevanceMaskPredictor) -> None:
    frames = burst_of(YARD, YARD, YARD)
    result = predictor.predict(frames[1], detect(frames))
    assert result.regions == ()
    assert not result.relevance_mask.any()


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_the_threshold_decides(threshold: float) -> None:
    predictor = RelevanceMaskPredictor(relevance_threshold=threshold, threads=1)
    result = predictor.predict(VISITOR[1], detect(VISITOR))
    for region in result.regions:
        assert region.is_relevant is (region.relevance_score >= threshold)
    assert threshold > 0.0 or result.num_irrelevant == 0


# --- alert when in doubt ----------------------------------------------------------------------


def test_a_region_that_the_judge_does_not_see_is_relevant(
    predictor: RelevanceMaskPredictor,
) -> None:
    """Such as one of a finer detector."""
    motion = detect(VISITOR)
    unseen = MotionRegion(20, 20, 40, 40, 1600, (40, 40))
    half_seen = MotionRegion(0, 0, 704, 576, 704 * 576, (352, 288))
    more = replace(
        motion,
        motion_regions=(*motion.motion_regions, unseen, half_seen),
        motion_mask=np.full((576, 704), 255, np.uint8),
    )
    *_, far, whole = predictor.predict(VISITOR[1], more).regions
    assert (far.relevance_score, whole.relevance_score) == (UNPROVEN, UNPROVEN)


@pytest.mark.parametrize("left", [(None, None, None), (0, None, None)])
def test_a_burst_of_which_too_little_is_left_is_relevant(
    predictor: RelevanceMaskPredictor, left: tuple[int | None, ...]
) -> None:
    frames = tuple(None if one is None else VISITOR[one] for one in left)
    motion = replace(detect(VISITOR), frames=frames)
    result = predictor.predict(VISITOR[1], motion)
    assert result.num_relevant == len(motion.motion_regions)


# --- what it is given -------------------------------------------------------------------------


def test_a_folder_that_is_no_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds neither memory\.npz nor model\.npz"):
        RelevanceMaskPredictor(tmp_path)


def test_a_broken_state_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / MEMORY_FILE).write_bytes(b"no archive")
    with pytest.raises(ModelError, match="What the camera has learned cannot be used"):
        RelevanceMaskPredictor(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [MEMORY_FILE]


def test_a_model_that_is_missing_is_refused_as_before() -> None:
    with pytest.raises(ModelError, match=r"The model file best_model\.onnx does not exist"):
        RelevanceMaskPredictor("best_model.onnx")


def test_the_devices_of_the_original_are_taken() -> None:
    motion = detect(VISITOR)
    for device in ("cuda", "cpu"):
        result = RelevanceMaskPredictor(device=device, threads=1).predict(VISITOR[1], motion)
        assert result.num_relevant >= 1
    with pytest.raises(ModelError, match="device 'tpu'"):
        RelevanceMaskPredictor(device="tpu")


def test_it_has_no_network(predictor: RelevanceMaskPredictor) -> None:
    with pytest.raises(ModelError, match="has no relevance network"):
        _ = predictor.backend


def test_one_call_needs_no_model() -> None:
    result = predict_relevance_mask(VISITOR[1], detect(VISITOR))
    assert result.num_relevant >= 1


# --- the original's example -------------------------------------------------------------------


def write(frames: Sequence[Picture]) -> list[str]:
    paths = [f"frame{index}.jpg" for index in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        cv2.imwrite(path, frame, [cv2.IMWRITE_JPEG_QUALITY, 98])
    return paths


@pytest.fixture
def example(
    predictor: RelevanceMaskPredictor,
    learned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """Run the example where `best_model.pth` is what a camera has learned."""
    monkeypatch.chdir(tmp_path)
    learned.rename("best_model.pth")
    write(VISITOR)
    names: dict[str, Any] = {"predictor": predictor}
    exec(compile(EXAMPLE, "the original's example", "exec"), names)
    return names


@pytest.mark.parametrize("with_model", [True, False])
def test_the_example_of_the_original_alerts(
    example: dict[str, Any], predictor: RelevanceMaskPredictor, with_model: bool
) -> None:
    if not with_model:
        example["relevance_predictor"] = predictor
    result = example["process_camera_event"](write(VISITOR))
    assert result["alert"] is True
    assert result["relevant_regions"] >= 1
    assert result["irrelevant_regions"] >= 0
    assert 0.5 <= result["confidence"] <= 1.0
    assert result["visualization"].shape == (576, 704, 3)
    assert (result["visualization"] == RELEVANT_BGR).all(axis=2).any()
    assert example["result"]["alert"] is True


def test_the_example_of_the_original_is_silent_without_motion(example: dict[str, Any]) -> None:
    paths = write(burst_of(YARD, YARD, YARD))
    expected = {"alert": False, "reason": "No motion detected"}
    assert example["process_camera_event"](paths) == expected


def test_the_example_of_the_original_is_silent_where_nuisance_is_proven(
    example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which nuisance is proven is the pipeline's to say, and its tests'; here it says so."""
    proven = EventPipeline.judge

    def judge(*arguments: Any, **more: Any) -> PipelineResult:
        result = proven(*arguments, **more)
        regions = tuple(
            replace(one, relevance_score=0.1, is_relevant=False) for one in result.regions
        )
        return replace(result, state=type(result.state)("irrelevant"), regions=regions)

    monkeypatch.setattr(EventPipeline, "judge", judge)
    expected = {"alert": False, "reason": "Motion not relevant"}
    assert example["process_camera_event"](write(VISITOR)) == expected

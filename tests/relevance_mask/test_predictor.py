"""Stage 2's predictor over a network written by hand, whose answers are known."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.drawn import burst_of, draw_person, draw_yard
from tests.onnx_networks import write_network
from veroallarme_core.description.region_crops import CropGeometry, InputMode
from veroallarme_core.inference import ModelError
from veroallarme_core.motion_detection import MotionDetector, MotionRegion
from veroallarme_core.pictures.annotate import IRRELEVANT_BGR, RELEVANT_BGR
from veroallarme_core.pictures.frames import FrameError
from veroallarme_core.relevance_mask import (
    ModelMeta,
    RelevanceMaskPredictor,
    RelevanceMaskResult,
    RelevanceRegion,
    predict_relevance_mask,
)
from veroallarme_core.relevance_mask.predictor import MAX_BATCH

ROOT = Path(__file__).resolve().parents[2]
STILL = (10, 10, 40, 40)
"""A box of the yard in which nothing moves, x, y, width, height."""


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("model") / "spread.onnx")


@pytest.fixture
def predictor(model) -> RelevanceMaskPredictor:
    return RelevanceMaskPredictor(model, device="cpu", threads=1)


@pytest.fixture
def frames():
    yard = draw_yard()
    return burst_of(*(draw_person(yard, x, 150) for x in (200, 230, 260)))


@pytest.fixture
def motion(frames):
    return MotionDetector(min_area=60).detect_motion(frames)


def region(x, y, width, height):
    return MotionRegion(x, y, width, height, width * height, (x + width // 2, y + height // 2))


def with_still_region(motion):
    """Add a region where Stage 1 was wrong: nothing moved there."""
    return replace(motion, motion_regions=(*motion.motion_regions, region(*STILL)))


def contains(mask, box):
    x, y, width, height = box
    return bool(mask[y : y + height, x : x + width].any())


class TestRelevanceMaskPredictor:
    def test_predict_with_motion(self, predictor, frames, motion):
        result = predictor.predict(frames[1], with_still_region(motion))
        assert result.frame_dimensions == (288, 352)
        assert len(result.regions) == len(motion.motion_regions) + 1
        *moving, still = result.regions
        assert all(region.relevance_score > 0.9 for region in moving)
        assert still.relevance_score < 0.1
        assert result.irrelevant_regions == (still,)
        assert result.relevant_regions == tuple(moving)
        assert (result.num_relevant, result.num_irrelevant) == (len(moving), 1)
        assert result.processing_time_ms > 0

    def test_the_mask_is_full_size_and_shows_the_mover(self, predictor, frames, motion):
        result = predictor.predict(frames[1], with_still_region(motion))
        mask, scores = result.relevance_mask, result.relevance_scores
        assert (mask.shape, mask.dtype) == ((288, 352), np.uint8)
        assert (scores.shape, scores.dtype) == ((288, 352), np.float32)
        assert set(np.unique(mask)) == {0, 1}
        assert scores.min() == 0.0
        assert scores.max() <= 1.0
        person = next(region for region in result.relevant_regions)
        assert contains(mask, (person.x, person.y, person.width, person.height))
        assert not contains(mask, STILL)
        assert not mask[:, :100].any()

    def test_regions_keep_what_stage_1_says(self, predictor, frames, motion):
        result = predictor.predict(frames[0], motion)
        for judged, found in zip(result.regions, motion.motion_regions, strict=True):
            assert judged.to_bbox() == found.to_bbox()
            assert (judged.area, judged.centroid) == (found.area, found.centroid)
            assert judged.confidence == motion.confidence

    def test_a_frame_may_be_a_path(self, predictor, frames, motion, tmp_path):
        path = tmp_path / "1.png"
        cv2.imwrite(str(path), frames[1])
        by_path = predictor.predict(path, motion)
        by_text = predictor.predict(str(path), motion)
        by_array = predictor.predict(frames[1], motion)
        assert by_path.regions == by_text.regions == by_array.regions

    def test_without_regions_the_result_is_empty_and_valid(self, predictor):
        frames = burst_of(*[draw_yard()] * 3)
        motion = MotionDetector(min_area=60).detect_motion(frames)
        assert motion.motion_regions == ()
        result = predictor.predict(frames[0], motion)
        assert (result.regions, result.num_relevant, result.num_irrelevant) == ((), 0, 0)
        assert not result.relevance_mask.any()
        assert not result.relevance_scores.any()
        assert json.loads(json.dumps(result.to_dict()))["regions"] == []

    def test_works_on_the_one_frame_where_the_burst_is_gone(self, predictor, frames, motion):
        alone = replace(motion, frames=(), damage=())
        result = predictor.predict(frames[1], alone)
        # One frame in all three channels: nothing moves in it.
        assert len(result.regions) == len(motion.motion_regions)
        assert result.num_relevant == 0

    def test_finds_the_mover_of_a_single_frame(self, predictor):
        yard = draw_yard()
        frames = burst_of(yard, yard, draw_person(yard, 230, 150))
        motion = MotionDetector(min_area=60).detect_motion(frames)
        assert predictor.predict(frames[0], motion).num_relevant >= 1

    def test_hundreds_of_regions_are_judged_in_bounded_batches(
        self, predictor, frames, motion, monkeypatch
    ):
        regions = [region(8 * (i % 40), 8 * (i // 40), 8, 8) for i in range(2 * MAX_BATCH + 5)]
        sizes = []
        infer = predictor.backend.infer
        monkeypatch.setattr(
            predictor.backend, "infer", lambda image: (sizes.append(len(image)), infer(image))[1]
        )
        result = predictor.predict(frames[0], replace(motion, motion_regions=tuple(regions)))
        assert len(result.regions) == len(regions)
        assert sizes == [MAX_BATCH, MAX_BATCH, 5]

    def test_batching_changes_no_score(self, predictor, frames, motion):
        boxes = [region(190 + 2 * i, 140, 20, 30) for i in range(MAX_BATCH + 2)]
        together = predictor.predict(frames[0], replace(motion, motion_regions=tuple(boxes)))
        for judged, box in zip(together.regions, boxes, strict=True):
            alone = predictor.predict(frames[0], replace(motion, motion_regions=(box,)))
            assert alone.regions[0].relevance_score == pytest.approx(
                judged.relevance_score, abs=1e-5
            )

    @pytest.mark.parametrize(("threshold", "relevant"), [(0.0, True), (1.0, False)])
    def test_the_threshold_decides(self, model, frames, motion, threshold, relevant):
        predictor = RelevanceMaskPredictor(model, "cpu", threshold)
        still = replace(motion, motion_regions=(region(*STILL),))
        result = predictor.predict(frames[0], still)
        assert result.regions[0].is_relevant is relevant
        # Even a threshold of 0 makes nothing relevant where nobody looked.
        assert not result.relevance_mask[:, 200:].any()

    def test_mask_and_boxes_never_contradict(self, model, frames, motion):
        everything = with_still_region(motion)
        for threshold in (0.3, 0.9, 0.99):
            predictor = RelevanceMaskPredictor(model, "cpu", threshold)
            result = predictor.predict(frames[0], everything)
            if not result.num_relevant:
                assert not result.relevance_mask.any()
            assert not contains(result.relevance_mask, STILL)

    def test_may_be_asked_to_draw(self, predictor, frames, motion):
        drawn = predictor.predict(frames[1], motion, visualize=True)
        assert drawn.visualization is not None
        assert (drawn.visualization == predictor.visualize(frames[1], drawn)).all()
        assert predictor.predict(frames[1], motion).visualization is None


class TestHeads:
    """A head that was never trained is not listened to."""

    def judge(self, tmp_path, frames, motion, *heads):
        meta = ModelMeta(trained_heads=heads)
        model = write_network(tmp_path / "heads.onnx", meta=meta)
        return RelevanceMaskPredictor(model, "cpu").predict(frames[0], motion)

    def test_segmentation_alone_judges_by_the_map_where_something_moved(
        self, tmp_path, frames, motion
    ):
        alone = self.judge(tmp_path, frames, with_still_region(motion), "segmentation")
        both = self.judge(
            tmp_path, frames, with_still_region(motion), "segmentation", "classification"
        )
        # A mean is less sure than a maximum; still, it tells motion from none.
        *moving, still = (region.relevance_score for region in alone.regions)
        assert min(moving) > 0.5 > still
        assert max(moving) < max(region.relevance_score for region in both.regions)

    def test_segmentation_alone_judges_a_region_whose_pixels_are_lost_by_its_box(
        self, tmp_path, frames, motion
    ):
        blank = replace(motion, motion_mask=np.zeros_like(motion.motion_mask))
        assert self.judge(tmp_path, frames, blank, "segmentation").num_relevant >= 1

    def test_classification_alone_marks_the_pixels_that_moved(self, tmp_path, frames, motion):
        result = self.judge(tmp_path, frames, with_still_region(motion), "classification")
        moved = motion.motion_mask > 0
        assert (result.relevance_mask[moved] == 1).all()
        assert not result.relevance_mask[~moved].any()

    def test_no_trained_head_is_refused(self, tmp_path, frames, motion):
        with pytest.raises(ModelError, match=r"none of its heads is trained; run the phases"):
            self.judge(tmp_path, frames, motion)


class TestModels:
    def test_a_network_of_one_frame_sees_every_frame(self, tmp_path):
        meta = ModelMeta(input_mode=InputMode.RGB)
        model = write_network(tmp_path / "rgb.onnx", meta=meta)
        grey = cv2.cvtColor(cv2.cvtColor(draw_yard(), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        coloured = grey.copy()
        coloured[150:190, 230:250] = (0, 0, 255)
        for place in range(3):
            frames = [grey.copy() for _ in range(3)]
            frames[place] = coloured
            motion = MotionDetector(min_area=60).detect_motion(frames)
            # The mover is in one frame only, and not always in the one that is asked about.
            result = RelevanceMaskPredictor(model, "cpu").predict(frames[1], motion)
            assert result.num_relevant == 1

    def test_crops_are_cut_as_the_model_was_trained(self, tmp_path, frames, motion):
        geometry = CropGeometry(margin=2.0, min_side=200)
        wide = write_network(tmp_path / "wide.onnx", meta=ModelMeta(crop=geometry))
        predictor = RelevanceMaskPredictor(wide, "cpu")
        # A crop as wide as this sees the person from where nothing moves.
        still = replace(motion, motion_regions=(region(120, 140, 40, 40),))
        assert predictor.predict(frames[0], still).num_relevant == 1

    def test_refuses_another_input_size_than_the_exported_one(self, model):
        with pytest.raises(
            ModelError, match=r"input_size \(128, 128\): .* was exported for \(224, 224\)"
        ):
            RelevanceMaskPredictor(model, input_size=(128, 128))

    def test_takes_the_input_size_that_was_exported(self, tmp_path, frames, motion):
        model = write_network(tmp_path / "small.onnx", size=(96, 128))
        predictor = RelevanceMaskPredictor(model, "cpu", input_size=(96, 128))
        assert predictor.predict(frames[0], motion).num_relevant >= 1

    @pytest.mark.parametrize("size", [(224,), (100, 224), (0, 224), (224.0, 224), "ab"])
    def test_refuses_what_is_no_input_size(self, model, size):
        with pytest.raises(ValueError, match=r"input_size must be \(height, width\) in multiples"):
            RelevanceMaskPredictor(model, input_size=size)

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
    def test_refuses_a_threshold_out_of_range(self, model, threshold):
        with pytest.raises(ValueError, match="relevance_threshold must be between 0 and 1, not"):
            RelevanceMaskPredictor(model, relevance_threshold=threshold)

    def test_one_call_judges_like_the_predictor(self, model, predictor, frames, motion):
        once = predict_relevance_mask(frames[0], motion, model, "cpu", 0.5)
        assert once.regions == predictor.predict(frames[0], motion).regions


class TestWrongFrames:
    def test_refuses_a_frame_of_another_burst(self, predictor, motion):
        with pytest.raises(ValueError, match=r"\(100, 100\) \(H, W\), but the motion was found in"):
            predictor.predict(np.zeros((100, 100, 3), np.uint8), motion)

    @pytest.mark.parametrize(
        "frame",
        [
            np.zeros((288, 352), np.uint8),
            np.zeros((288, 352, 4), np.uint8),
            np.zeros((288, 352, 3), np.float32),
            np.zeros((0, 352, 3), np.uint8),
        ],
    )
    def test_refuses_what_is_no_bgr_picture(self, predictor, motion, frame):
        with pytest.raises(ValueError, match=r"must be a uint8 array of shape \(H, W, 3\), not"):
            predictor.predict(frame, motion)

    def test_names_a_file_that_is_missing_or_no_picture(self, predictor, motion, tmp_path):
        with pytest.raises(FrameError, match=r"nowhere.jpg cannot be read: No such file"):
            predictor.predict(tmp_path / "nowhere.jpg", motion)
        (tmp_path / "text.jpg").write_text("no picture")
        with pytest.raises(FrameError, match=r"text.jpg: The snapshot is no JPEG"):
            predictor.predict(tmp_path / "text.jpg", motion)


class TestVisualize:
    @pytest.fixture
    def result(self, predictor, frames, motion):
        return predictor.predict(frames[1], with_still_region(motion))

    def test_boxes_are_green_where_relevant_and_red_where_not(self, predictor, frames, result):
        picture = predictor.visualize(frames[1], result)
        assert (picture.shape, picture.dtype) == (frames[1].shape, np.uint8)
        person, still = result.relevant_regions[0], result.irrelevant_regions[0]
        assert tuple(picture[person.y + person.height - 1, person.x]) == RELEVANT_BGR
        assert tuple(picture[still.y + still.height - 1, still.x]) == IRRELEVANT_BGR

    def test_the_mask_is_overlaid_as_opaque_as_asked(self, predictor, frames, result):
        bare = replace(result, regions=())
        shown = result.relevance_mask.astype(bool)
        for alpha in (0.0, 0.4, 1.0):
            picture = predictor.visualize(frames[1], bare, alpha=alpha)
            expected = frames[1][shown] * (1 - alpha) + np.array(RELEVANT_BGR) * alpha
            assert np.abs(picture[shown] - expected).max() <= 0.51
            assert (picture[~shown] == frames[1][~shown]).all()

    def test_leaves_the_frame_as_it_was(self, predictor, frames, result):
        before = frames[1].copy()
        predictor.visualize(frames[1], result)
        assert (frames[1] == before).all()

    @pytest.mark.parametrize("name", ["out.png", "out.jpg"])
    def test_writes_a_file(self, predictor, frames, result, tmp_path, name):
        picture = predictor.visualize(frames[1], result, tmp_path / name)
        written = cv2.imread(str(tmp_path / name))
        assert np.abs(written.astype(int) - picture).mean() < 4

    @pytest.mark.parametrize("name", ["out.xyz", "out"])
    def test_names_a_suffix_that_is_no_picture(self, predictor, frames, result, tmp_path, name):
        with pytest.raises(ValueError, match=rf"{name}: no picture format has this suffix"):
            predictor.visualize(frames[1], result, tmp_path / name)

    def test_refuses_wrong_arguments(self, predictor, frames, result):
        with pytest.raises(ValueError, match=r"alpha must be between 0 and 1, not 2"):
            predictor.visualize(frames[1], result, alpha=2)
        with pytest.raises(ValueError, match=r"the result is of frames of \(288, 352\)"):
            predictor.visualize(frames[1][:100], result)


class TestDictionaries:
    def test_a_region(self):
        judged = RelevanceRegion(1, 2, 30, 40, 600, (16, 22), 0.75, 0.5, True)
        assert judged.to_bbox() == (1, 2, 31, 42)
        assert json.loads(json.dumps(judged.to_dict())) == {
            "x": 1,
            "y": 2,
            "width": 30,
            "height": 40,
            "area": 600,
            "centroid": [16, 22],
            "bbox": [1, 2, 31, 42],
            "confidence": 0.75,
            "relevance_score": 0.5,
            "is_relevant": True,
        }

    def test_a_result_of_four_values_derives_the_rest(self):
        relevant = RelevanceRegion(1, 2, 30, 40, 600, (16, 22), 0.75, 0.8, True)
        irrelevant = RelevanceRegion(1, 2, 30, 40, 600, (16, 22), 0.75, 0.2, False)
        mask, scores = np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.float32)
        result = RelevanceMaskResult((48, 64), mask, scores, [relevant, irrelevant])
        assert result.relevant_regions == (relevant,)
        assert result.irrelevant_regions == (irrelevant,)
        assert (result.num_relevant, result.num_irrelevant) == (1, 1)
        assert json.loads(json.dumps(result.to_dict()))["num_relevant"] == 1

    def test_a_result(self, predictor, frames, motion):
        result = predictor.predict(frames[1], with_still_region(motion))
        values = json.loads(json.dumps(result.to_dict()))
        assert values["frame_dimensions"] == [288, 352]
        assert values["num_relevant"] == len(values["relevant_regions"]) == result.num_relevant
        assert values["num_irrelevant"] == len(values["irrelevant_regions"]) == 1
        assert values["regions"] == [
            region.to_dict() | {"centroid": list(region.centroid)} for region in result.regions
        ]


class TestDocumentedExample:
    """The example of docs/relevance.md, run as it stands there."""

    @pytest.fixture
    def process(self, model, frames, tmp_path, monkeypatch):
        page = (ROOT / "docs" / "relevance.md").read_text(encoding="utf-8")
        example = page.partition("```python\n")[2].partition("```")[0]
        monkeypatch.chdir(tmp_path)
        Path("best_model.onnx").write_bytes(model.read_bytes())
        self.write(frames)
        names = {}
        exec(compile(example, "docs/relevance.md", "exec"), names)
        return names

    def write(self, frames):
        for index, frame in enumerate(frames):
            cv2.imwrite(f"frame{index}.jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 98])
        return [f"frame{index}.jpg" for index in range(len(frames))]

    def test_alerts_for_a_person(self, process, frames):
        result = process["result"]
        assert set(result) == {
            "alert",
            "relevant_regions",
            "irrelevant_regions",
            "confidence",
            "visualization",
        }
        assert result["alert"] is True
        assert result["relevant_regions"] >= 1
        assert result["irrelevant_regions"] == 0
        assert 0.5 <= result["confidence"] <= 1.0
        assert result["visualization"].shape == frames[1].shape
        assert (result["visualization"] == RELEVANT_BGR).all(axis=2).any()

    def test_is_silent_without_motion(self, process):
        paths = self.write([draw_yard()] * 3)
        expected = {"alert": False, "reason": "No motion detected"}
        assert process["process_camera_event"](paths) == expected

    def test_is_silent_where_motion_is_not_relevant(self, process, frames, tmp_path):
        unmoved = write_network(tmp_path / "unmoved.onnx", gain=1.0)
        process["relevance_predictor"] = RelevanceMaskPredictor(unmoved, "cpu")
        expected = {"alert": False, "reason": "Motion not relevant"}
        assert process["process_camera_event"](self.write(frames)) == expected


def test_importing_it_loads_no_runtime():
    program = (
        "import sys\n"
        "from veroallarme_core.relevance_mask import RelevanceMaskPredictor\n"
        "print(*sorted({'torch', 'torchvision', 'openvino', 'onnxruntime'} & sys.modules.keys()))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert finished.stdout.split() == []


def test_the_network_is_loaded_when_it_is_asked_for():
    pytest.importorskip("torch", reason="the network needs the extra [train]")
    program = (
        "import sys, veroallarme_core.relevance_mask as room\n"
        "print('torch' in sys.modules)\n"
        "from veroallarme_core.relevance_mask import RelevanceMaskModel\n"
        "print('torch' in sys.modules, RelevanceMaskModel.__name__)\n"
        "print(all(hasattr(room, name) for name in room.__all__), hasattr(room, 'Nobody'))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert finished.stdout.splitlines() == ["False", "True RelevanceMaskModel", "True False"]

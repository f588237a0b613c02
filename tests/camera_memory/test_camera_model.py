"""A camera's model: ranks, scores, and the file that it is kept in."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.watched import (
    PROMISE,
    Watched,
    garden_model,
    learned_memory,
    other_tree,
    person_over_the_tree,
)
from veroallarme_core.camera_memory.camera_model import (
    CUES,
    FOLDS,
    FORMAT_VERSION,
    QUANTILES,
    CameraModel,
    cue_values,
    fold_of,
    quantiles_of,
    ranks,
    score_by_other_line,
    teacher_ranks,
)
from veroallarme_core.camera_memory.state_file import StateFileError, read_state, write_state
from veroallarme_core.contract import Promise
from veroallarme_core.description import Light

FINITE = st.floats(-1e6, 1e6, width=32)
SAMPLES = hnp.arrays(np.float64, st.integers(1, 300), elements=FINITE)


# --- ranks ----------------------------------------------------------------------------------------


@given(SAMPLES, hnp.arrays(np.float64, 20, elements=FINITE))
def test_ranks_are_shares_that_grow_with_the_value(sample: np.ndarray, values: np.ndarray) -> None:
    found = ranks(np.sort(values), quantiles_of(sample))
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (np.diff(found) >= -1e-12).all()


@given(SAMPLES)
def test_what_lies_outside_ranks_first_or_last(sample: np.ndarray) -> None:
    outside = np.array([sample.min() - 1, sample.max() + 1])
    assert ranks(outside, quantiles_of(sample)).tolist() == [0.0, 1.0]


@given(FINITE, st.integers(1, 50))
def test_what_is_always_the_same_ranks_in_the_middle(value: float, count: int) -> None:
    assert ranks(np.array([value]), quantiles_of(np.full(count, value))) == pytest.approx(0.5)


def test_tied_values_take_the_middle_of_their_ranks() -> None:
    sample = np.array([0.0] * 60 + list(range(1, 41)))
    assert ranks(np.array([0.0]), quantiles_of(sample)) == pytest.approx(0.295, abs=0.02)
    assert ranks(np.array([20.0]), quantiles_of(sample)) == pytest.approx(0.8, abs=0.02)


def test_ranks_are_those_of_a_slow_count() -> None:
    sample = np.random.default_rng(1).gamma(2.0, size=5000)
    values = np.linspace(0.1, 6, 30)
    expected = [(sample < value).mean() for value in values]
    assert ranks(values, quantiles_of(sample)) == pytest.approx(expected, abs=0.005)


def test_teacher_weighs_every_cue() -> None:
    quantiles = np.stack([np.linspace(0, 1, QUANTILES)] * len(CUES))
    lowest, each = np.zeros((1, len(CUES))), np.eye(len(CUES))
    assert teacher_ranks(lowest, quantiles) == pytest.approx(0.0)
    assert (teacher_ranks(each, quantiles) > 0.1).all()
    assert teacher_ranks(each, quantiles).sum() == pytest.approx(1.0)


def test_events_are_spread_over_the_folds() -> None:
    folds = [fold_of(f"20261123_{second:06}_abcdef") for second in range(1000)]
    assert np.bincount(folds, minlength=FOLDS).min() > 150


# --- judging --------------------------------------------------------------------------------------


def test_person_ranks_above_all_that_the_tree_does() -> None:
    memory = learned_memory()
    model = garden_model(memory)

    def rank(event: Watched) -> np.ndarray:
        evidence = event.evidence
        regions = memory.assess(evidence.regions, evidence.light, event.at)
        assert len(cue_values(regions)) == len(evidence.regions)
        return model.rank(regions, event.event_id)

    event = person_over_the_tree()
    person = rank(event)[event.evidence.regions.index(event.on_mover)]
    assert person > rank(other_tree()).max()
    assert model.rank([], "any").shape == (0,)


def test_who_is_recognised_ranks_higher_and_in_the_dark_silence_ranks_nobody_low() -> None:
    memory = learned_memory()
    event = other_tree()
    regions = memory.assess(event.evidence.regions, event.evidence.light, event.at)

    def best(score: float, light: Light = Light.DAY, detector: str = "any") -> float:
        model = replace(garden_model(memory), detector=detector)
        seen = [replace(region, object_score=score, light=light) for region in regions]
        return float(model.rank(seen, event.event_id).max())

    assert best(0.0) < best(0.2) < best(0.9) <= 1.0
    for light in (Light.DUSK, Light.INFRARED):
        assert best(0.0, light) == best(0.3, light) > best(0.3)
        assert best(0.9, light) == best(0.9)
    # A model that was learned without a detector ranks as it did then.
    assert best(math.nan, detector="") == best(0.9, detector="")


def test_score_is_half_at_the_threshold() -> None:
    model = replace(garden_model(learned_memory()), threshold=0.7)
    scores = model.score(np.array([0.0, 0.6999, 0.7, 0.7001, 1.0]))
    assert scores[2] == 0.5
    assert (np.diff(scores) > 0).all()
    assert 0 < scores[0] < scores[-1] < 1


@given(st.floats(0, 1))
def test_model_without_a_promise_scores_nothing_below_half(rank: float) -> None:
    assert replace(MODEL, threshold=0.0, promise=None).score(np.array(rank)) >= 0.5


MODEL = CameraModel(
    encoder="lite0-1",
    events=812,
    cue_quantiles=np.random.default_rng(1).normal(size=(4, QUANTILES)),
    teacher_quantiles=np.linspace(0, 1, QUANTILES),
    heads=np.random.default_rng(2).normal(size=(FOLDS, 193)),
    head_quantiles=np.zeros((FOLDS, QUANTILES)),
    threshold=0.625,
    promise=PROMISE,
    detector="nanodet-1",
    view=2,
    lines={0.95: 0.7, 0.99: 0.625},
)


def test_a_score_by_another_line_is_what_a_model_with_that_line_gives() -> None:
    other = replace(MODEL, threshold=0.4)
    for rank in (0.0, 0.3, 0.4, 0.625, 1.0):
        score = float(MODEL.score(np.array(rank)))
        moved = score_by_other_line(score, MODEL.threshold, other.threshold)
        assert moved == pytest.approx(float(other.score(np.array(rank))), abs=1e-12)
    assert score_by_other_line(1.0, 0.5, 0.9) == 1.0
    assert score_by_other_line(0.0, 0.5, 0.1) == 0.0


# --- its file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("promise", [PROMISE, None])
def test_what_is_read_is_what_was_written(tmp_path: Path, promise: Promise | None) -> None:
    path = tmp_path / "model.npz"
    replace(MODEL, promise=promise).save(path)
    read = CameraModel.load(path, "lite0-1")
    assert (read.events, read.threshold, read.view, read.promise) == (812, 0.625, 2, promise)
    assert read.detector == "nanodet-1"
    assert read.lines == MODEL.lines
    for name in ("cue_quantiles", "teacher_quantiles", "heads", "head_quantiles"):
        assert np.array_equal(getattr(read, name), getattr(MODEL, name)), name


def write_changed(path: Path, facts: dict[str, object], arrays: dict[str, np.ndarray]) -> None:
    MODEL.save(path)
    good, good_arrays = read_state(path, "camera model", FORMAT_VERSION)
    write_state(path, "camera model", FORMAT_VERSION, good | facts, good_arrays | arrays)


@pytest.mark.parametrize(
    ("facts", "arrays"),
    [
        ({"encoder": "lite0-2"}, {}),
        ({"threshold": float("nan")}, {}),
        ({"threshold": "high"}, {}),
        ({"threshold": None}, {}),
        ({"events": 1e999}, {}),
        ({"view": []}, {}),
        ({"promise": {"recall": 0.99}}, {}),
        ({"promise": [1]}, {}),
        ({}, {"heads": np.zeros((FOLDS, 7))}),
        ({}, {"heads": np.array(["text"])}),
        ({}, {"teacher_quantiles": np.full(QUANTILES, np.nan)}),
        ({}, {"cue_quantiles": np.full((4, QUANTILES), np.inf)}),
    ],
)
def test_foreign_content_is_refused(
    tmp_path: Path, facts: dict[str, object], arrays: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "model.npz"
    write_changed(path, facts, arrays)
    with pytest.raises(StateFileError) as caught:
        CameraModel.load(path, "lite0-1")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["heads", "cue_quantiles"])
def test_file_without_an_array_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.npz"
    MODEL.save(path)
    facts, arrays = read_state(path, "camera model", FORMAT_VERSION)
    del arrays[name]
    write_state(path, "camera model", FORMAT_VERSION, facts, arrays)
    with pytest.raises(StateFileError, match=name):
        CameraModel.load(path, "lite0-1")


def test_model_without_a_detector_in_mind_is_refused(tmp_path: Path) -> None:
    """Its line was drawn for other ranks: below it real people might lie now."""
    MODEL.save(tmp_path / "model.npz")
    facts, arrays = read_state(tmp_path / "model.npz", "camera model", FORMAT_VERSION)
    write_state(tmp_path / "model.npz", "camera model", FORMAT_VERSION - 1, facts, arrays)
    with pytest.raises(StateFileError, match="of version 1, not"):
        CameraModel.load(tmp_path / "model.npz", "lite0-1")


def test_memory_is_no_model(tmp_path: Path) -> None:
    learned_memory().save(tmp_path / "model.npz")
    with pytest.raises(StateFileError, match="'scene memory'"):
        CameraModel.load(tmp_path / "model.npz", "lite0-1")

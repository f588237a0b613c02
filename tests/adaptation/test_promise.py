"""The promise: how many misses it allows, and whom it covers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from veroallarme_core.adaptation import promise as promise_module
from veroallarme_core.adaptation.intruder_trial import Attempt
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.promise import (
    CONFIRMED_WEIGHT,
    RECALLS,
    allowed_misses,
    calibrated,
    lines_by_floor,
    lines_by_recall,
    missing_for_promise,
)
from veroallarme_core.camera_memory import CUES, FOLDS, QUANTILES, CameraModel, SceneMemory
from veroallarme_core.description import SKETCH_DIM


@pytest.mark.parametrize(
    ("count", "misses"),
    [(0, 0), (1, 0), (298, 0), (299, 1), (472, 1), (473, 2), (627, 2), (628, 3)],
)
def test_allowed_misses_of_known_sizes(count: int, misses: int) -> None:
    """Sample sizes of 99 % / 95 % tolerance limits, as tables give them."""
    assert allowed_misses(count, 0.99, 0.95) == misses


@given(st.integers(0, 3000), st.floats(0.5, 0.999), st.floats(0.5, 0.999))
def test_allowed_misses_are_those_of_the_binomial_distribution(
    count: int, recall: float, confidence: float
) -> None:
    k = allowed_misses(count, recall, confidence)

    def chance(misses: int) -> float:
        return float(binom.sf(misses - 1, count, 1 - recall))

    assert chance(k) >= confidence - 1e-9
    assert k == count or chance(k + 1) < confidence + 1e-9


def test_promise_is_kept_in_as_many_samples_as_it_says() -> None:
    draw = np.random.default_rng(1)
    k = allowed_misses(500, 0.95, 0.9)
    scores = np.sort(draw.uniform(size=(2000, 500)), axis=1)
    missed = scores[:, k - 1]  # of a uniform score, the share below the threshold
    assert 0.9 <= np.mean(missed <= 0.05) <= 0.95


OPTIONS = AdaptationOptions()
NOBODY = np.zeros(0)


def model():
    return CameraModel(
        encoder="none",
        events=100,
        cue_quantiles=np.zeros((len(CUES), QUANTILES)),
        teacher_quantiles=np.zeros(QUANTILES),
        heads=np.zeros((FOLDS, SKETCH_DIM + 1)),
        head_quantiles=np.zeros((FOLDS, QUANTILES)),
        threshold=0.0,
        promise=None,
    )


def attempts(count, height_px, low, high, seed=0):
    ranks = np.random.default_rng([seed, height_px]).uniform(low, high, count)
    return [Attempt(float(rank), True, height_px) for rank in ranks]


def calibrate(tried, confirmed=NOBODY, history=(0.1, 0.3, 0.5)):
    confirmed = np.asarray(confirmed)
    lines = lines_by_floor(tried, confirmed, OPTIONS)
    done = calibrated(model(), tried, confirmed, lines, np.asarray(history), OPTIONS)
    return done.threshold, done.promise


def missing(tried, confirmed):
    lines = lines_by_floor(tried, confirmed, OPTIONS)
    return missing_for_promise([], SceneMemory("encoder"), tried, confirmed, lines, OPTIONS)


def test_everybody_is_covered_where_the_small_ones_rank_like_the_others():
    threshold, promise = calibrate(attempts(1200, 60, 0.6, 1.0) + attempts(200, 12, 0.6, 1.0))
    assert promise.smallest_px == 0
    assert promise.synthetic == 1400
    assert 0.6 <= threshold < 0.62
    assert promise.synthetic_recall >= 0.99


def test_who_is_too_small_is_left_out_where_that_pays_and_the_promise_says_so():
    tall, small = attempts(1200, 60, 0.6, 1.0), attempts(200, 12, 0.0, 1.0)
    threshold, promise = calibrate(tall + small)
    assert promise.smallest_px == 14
    assert threshold >= 0.6
    told = {height.from_px: height for height in promise.by_height}
    assert told[0].synthetic == 200
    assert told[0].recall < 0.6
    assert told[56].recall >= 0.99


def test_nobody_is_left_out_where_it_lets_the_camera_suppress_no_more():
    tall, small = attempts(1200, 60, 0.6, 1.0), attempts(200, 12, 0.0, 1.0)
    _, promise = calibrate(tall + small, history=(0.9, 0.95))
    assert promise.smallest_px == 0


def test_nobody_of_28_pixels_is_ever_left_out():
    threshold, promise = calibrate(attempts(1200, 60, 0.6, 1.0) + attempts(200, 28, 0.0, 1.0))
    assert promise.smallest_px <= 28
    assert threshold < 0.2


def test_real_intruders_weigh_more_than_synthetic_ones():
    tried = attempts(1200, 60, 0.6, 1.0)
    allowed = allowed_misses(1200, OPTIONS.recall, OPTIONS.confidence)
    few = [0.3] * (allowed // CONFIRMED_WEIGHT + 2)
    threshold, promise = calibrate(tried, confirmed=few)
    assert threshold == pytest.approx(0.3)
    assert promise.confirmed_recall == 1.0


@pytest.mark.parametrize(
    ("intruders", "confirmed", "told"),
    [
        (20, 0, "20 of 1220 intruders drawn into them pass for nothing that moved"),
        (0, 4, "0 of 1200 intruders drawn into them and 4 of 4 events called relevant pass for"),
    ],
)
def test_no_line_keeps_a_promise_that_proofs_break(monkeypatch, intruders, confirmed, told):
    """Who is hidden by a proof is missed wherever the line lies, and the user is told."""
    monkeypatch.setattr(promise_module, "FEWEST_EVENTS", 0)
    monkeypatch.setattr(promise_module, "FEWEST_SESSIONS", 0)
    tall = attempts(1200, 60, 0.6, 1.0)
    assert missing(tall, np.zeros(0)) == ""
    hidden = [Attempt(-math.inf, True, 60)] * intruders
    assert told in missing(tall + hidden, np.full(confirmed, -math.inf))


def test_small_ones_that_proofs_hide_are_left_out():
    hidden = [Attempt(-math.inf, False, 12)] * 40
    threshold, promise = calibrate(attempts(1200, 60, 0.6, 1.0) + hidden)
    assert promise.smallest_px == 14
    assert threshold >= 0.6


def test_every_recall_is_told_the_line_that_calibrating_for_it_draws() -> None:
    draw = np.random.default_rng(3)
    tried = [
        Attempt(float(rank), True, int(height))
        for rank, height in zip(
            draw.uniform(0.2, 0.9, 800), draw.integers(8, 120, 800), strict=True
        )
    ]
    confirmed, history = draw.uniform(0.4, 0.9, 6), draw.uniform(0, 1, 300)
    found = lines_by_recall(tried, confirmed, history, OPTIONS)
    assert set(found) < {*RECALLS, OPTIONS.recall}, "800 intruders promise no 99.9 %"
    assert min(found) == OPTIONS.recall
    for recall, line in found.items():
        asked = replace(OPTIONS, recall=recall)
        lines = lines_by_floor(tried, confirmed, asked)
        assert calibrated(model(), tried, confirmed, lines, history, asked).threshold == line
    drawn = [found[recall] for recall in sorted(found)]
    assert drawn == sorted(drawn, reverse=True), "who promises less may suppress more"
    assert lines_by_recall([], NOBODY, history, OPTIONS) == {}

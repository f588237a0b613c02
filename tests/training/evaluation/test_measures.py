"""Measures against slow, obvious implementations, scikit-learn's, and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra [train]")

from sklearn.metrics import average_precision_score

from veroallarme_training.evaluation.measures import (
    RECALLS,
    Figure,
    curve,
    mean_figure,
    mean_of_draws,
    overlap,
    ranking_figures,
    ranking_measures,
    share_figure,
    threshold_at,
)

RNG = np.random.default_rng
both_labels = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=25).filter(
    lambda pairs: len({relevant for _, relevant in pairs}) == 2
)


def slow_auc(pairs):
    wins = [
        (high > low) + 0.5 * (high == low)
        for high, relevant in pairs
        if relevant
        for low, other in pairs
        if not other
    ]
    return sum(wins) / len(wins)


def slow_suppressed(pairs, recall):
    positives = [score for score, relevant in pairs if relevant]
    negatives = [score for score, relevant in pairs if not relevant]
    kept = [
        threshold
        for threshold in {score for score, _ in pairs}
        if sum(p >= threshold for p in positives) >= recall * len(positives) - 1e-9
    ]
    return sum(n < max(kept) for n in negatives) / len(negatives)


@given(both_labels)
def test_a_ranking_measures_as_slow_implementations_do(pairs):
    scores, relevant = zip(*pairs, strict=True)
    measured = {name: values[0] for name, values in ranking_measures(scores, relevant).items()}
    assert measured["auc"] == pytest.approx(slow_auc(pairs))
    expected = average_precision_score(relevant, scores)
    assert measured["average_precision"] == pytest.approx(expected)
    for recall in RECALLS:
        name = f"suppressed_{100 * recall:.0f}"
        assert measured[name] == pytest.approx(slow_suppressed(pairs, recall))


@given(both_labels, st.integers(0, 99))
def test_weights_count_events_as_often_as_they_say(pairs, seed):
    weights = RNG(seed).integers(1, 4, len(pairs))
    scores, relevant = zip(*pairs, strict=True)
    weighted = ranking_measures(scores, relevant, weights[None])
    repeated = ranking_measures(np.repeat(scores, weights), np.repeat(relevant, weights))
    for name, values in repeated.items():
        assert weighted[name][0] == pytest.approx(values[0]), name


@given(both_labels)
def test_the_threshold_is_the_one_behind_the_suppressed_share(pairs):
    scores, relevant = (np.array(column) for column in zip(*pairs, strict=True))
    for recall in RECALLS:
        below = scores[~relevant] < threshold_at(scores, relevant, recall)
        assert below.mean() == pytest.approx(slow_suppressed(pairs, recall))


def test_the_curve_ends_where_every_event_is_an_alarm():
    recall, precision, suppressed = curve([3, 2, 2, 1], [True, True, False, False])
    assert recall.tolist() == [0.5, 1.0, 1.0]
    assert precision.tolist() == [1.0, pytest.approx(2 / 3), 0.5]
    assert suppressed.tolist() == [1.0, 0.5, 0.0]


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    rng = RNG(0)
    # Scores of two normal distributions one deviation apart: the true AUC is Phi(1 / sqrt 2).
    truth, held = 0.7602, 0
    for _ in range(100):
        scores = np.r_[rng.normal(1, 1, 40), rng.normal(0, 1, 40)]
        figure = ranking_figures(scores, np.arange(80) < 40, rng, 200)["auc"]
        low, high = figure.interval
        held += low <= truth <= high
    assert 88 <= held <= 100


def test_the_same_seed_gives_the_same_interval():
    scores, relevant = [0.9, 0.2, 0.4, 0.1, 0.6], [True, True, False, False, False]
    intervals = [ranking_figures(scores, relevant, RNG(7), 50)["auc"].interval for _ in range(2)]
    assert intervals[0] == intervals[1]


def test_regions_of_one_event_are_drawn_together():
    # One of two events holds every right region: drawn alone, neither ranks anything.
    scores, relevant = [3, 2, 1, 3, 2, 1], [True, True, False, False, False, True]
    figure = ranking_figures(scores, relevant, RNG(0), 400, units=[0, 0, 0, 1, 1, 1])["auc"]
    assert set(np.round(figure.samples, 3)) == {0.0, 1.0, round(figure.value, 3)}


def test_one_label_alone_ranks_nothing():
    assert ranking_figures([0.1, 0.9], [True, True], RNG(0), 10) == {}


def test_no_miss_in_few_events_still_leaves_a_doubt():
    figure = share_figure(np.zeros(50, bool), RNG(0), 4000)
    assert figure is not None
    low, high = figure.interval
    assert (figure.value, low) == (0.0, 0.0)
    # 0 of 50: Jeffreys' interval ends at 4.9 %.
    assert high == pytest.approx(0.049, abs=0.006)
    assert share_figure([], RNG(0), 10) is None


def test_a_mean_over_cameras_doubts_the_choice_of_cameras():
    sure = [Figure(value, np.full(500, value), 10) for value in (0.2, 0.8)]
    mean = mean_figure(sure, RNG(0))
    assert (mean.value, mean.count) == (0.5, 20)
    assert mean.interval == (pytest.approx(0.2), pytest.approx(0.8))


def test_a_mean_of_draws_holds_the_samples_of_all():
    draws = [{"auc": Figure(value, np.full(10, value), 5)} for value in (0.4, 0.6)]
    draws.append({})
    mean = mean_of_draws(draws)["auc"]
    assert mean.value == pytest.approx(0.5)
    assert sorted(mean.samples) == [0.4] * 5 + [0.6] * 5


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 10, 10), 1.0), ((5, 0, 10, 10), 0.5), ((2, 2, 4, 4), 1.0), ((10, 0, 5, 5), 0.0)],
)
def test_boxes_overlap_by_the_smaller_one(other, expected):
    assert overlap((0, 0, 10, 10), other) == overlap(other, (0, 0, 10, 10)) == expected

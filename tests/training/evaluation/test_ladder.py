"""The ladder: what rows get to see, thumbs, and the figures of one camera and of several."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_core.contract import State
from veroallarme_training.evaluation.cameras import (
    Camera,
    EvaluationError,
    EventLabel,
    LabelledCamera,
)
from veroallarme_training.evaluation.ladder import (
    LeaveOneCameraOut,
    WithThumbs,
    count_causes,
    draw_thumbs,
    evaluate_row,
    measure,
)
from veroallarme_training.evaluation.scores import EventScore, ScoredRegion, read_scores
from veroallarme_training.events import Event

RNG = np.random.default_rng


def make_camera(name, labels, boxes=None, damaged=()):
    """Make a camera with one event per label, in order of time, and one that nobody labelled."""
    ids = [f"e{number:03d}" for number in range(len(labels))]
    known = {
        event_id: EventLabel(relevant, "" if relevant else "corrupt")
        for event_id, relevant in zip(ids, labels, strict=True)
    }
    events = tuple(Event(name.rpartition("/")[2], event_id, ()) for event_id in [*ids, "history"])
    camera = Camera(name, Path(name), events, frozenset(ids))
    labelled = LabelledCamera(camera, known, boxes or {})
    labelled.__dict__["damaged_movers"] = frozenset(damaged)
    return labelled


class Known:
    """A row that gives the scores it was made with."""

    name = "known"

    def __init__(self, scores):
        self.scores = scores

    def score(self, camera):
        return [EventScore(event.event_id, 0.0) for event in camera.events] + self.scores


def scored(*values, states=None):
    states = states or [None] * len(values)
    return [
        EventScore(f"e{number:03d}", value, state)
        for number, (value, state) in enumerate(zip(values, states, strict=True))
    ]


RELEVANT, IRRELEVANT, UNKNOWN = State.RELEVANT, State.IRRELEVANT, State.UNKNOWN


def test_decisions_are_measured_by_state_and_unknown_alerts():
    labelled = make_camera("site/gate", [True, True, False, False], damaged=["e001"])
    scores = scored(0.9, 0.1, 0.2, 1.0, states=[RELEVANT, IRRELEVANT, IRRELEVANT, UNKNOWN])
    figures = measure(labelled, scores, RNG(0), 20)
    assert figures["state_suppressed"].value == 0.5
    assert figures["state_missed"].value == 0.5
    assert figures["corrupt_suppressed"].value == 0.5
    assert figures["corrupt_kept"].value == 0.0
    assert figures["auc"].value == 0.25


def test_a_row_that_decides_nothing_is_measured_at_99_percent_recall():
    labelled = make_camera("site/gate", [True, True, False, False], damaged=["e000"])
    figures = measure(labelled, scored(0.9, 0.5, 0.4, 0.7), RNG(0), 20)
    assert "state_missed" not in figures
    assert (figures["corrupt_suppressed"].value, figures["corrupt_kept"].value) == (0.5, 1.0)
    assert figures["suppressed_99"].value == 0.5


def test_the_later_half_stands_beside_all():
    labelled = make_camera("site/gate", [True, False, True, False])
    figures = measure(labelled, scored(0.1, 0.9, 0.9, 0.1), RNG(0), 20)
    assert (figures["auc"].value, figures["later_auc"].value) == (0.5, 1.0)
    # It stays the later half of all labels when thumbs take events away.
    kept = [score for score in scored(0.1, 0.9, 0.9, 0.1) if score.event_id != "e000"]
    assert measure(labelled, kept, RNG(0), 20)["later_auc"].value == 1.0


def test_boxes_take_the_best_region_at_their_place():
    boxes = {
        "e000": [((0, 0, 10, 10), True), ((100, 0, 10, 10), False)],
        "e001": [((50, 50, 10, 10), False), ((0, 90, 9, 9), True)],
    }
    labelled = make_camera("site/gate", [True, False], boxes)
    regions = (ScoredRegion(2, 2, 20, 20, 0.8), ScoredRegion(98, 0, 10, 10, 0.3))
    scores = [
        EventScore("e000", 0.8, None, "", regions),
        EventScore("e001", 0.5, None, "", (ScoredRegion(48, 48, 20, 20, 0.5),)),
    ]
    figures = measure(labelled, scores, RNG(0), 20)
    # The right box that no region covers ranks below both wrong ones.
    assert figures["region_auc"].value == 0.5


def test_causes_are_counted_in_both_ways():
    labelled = make_camera("site/gate", [True, True, False, False])
    states = [RELEVANT, RELEVANT, IRRELEVANT, RELEVANT]
    counts = count_causes(labelled, scored(0.9, 0.3, 0.1, 0.2, states=states))
    count = counts[False, "corrupt"]
    assert (count.events, count.ranking, count.state) == (2, 2, 1)
    assert count_causes(labelled, scored(1, 1, 0, 0))[False, "corrupt"].state is None


def test_a_score_that_is_missing_is_named():
    labelled = make_camera("site/gate", [True, False])

    class Silent:
        name = "silent"

        def score(self, camera):
            return scored(0.5)

    with pytest.raises(EvaluationError, match=r"no score for 1 of the 2 .* such as e001"):
        evaluate_row(Silent(), [labelled], resamples=10, seed=0)


def test_history_is_scored_but_not_measured(tmp_path):
    labelled = make_camera("site/gate", [True, False])
    result = evaluate_row(
        Known(scored(0.9, 0.1)), [labelled], resamples=10, seed=0, scores_dir=tmp_path
    )
    assert [score.event_id for score in result.cameras["site/gate"].scores] == ["e000", "e001"]
    assert result.cameras["site/gate"].figures["auc"].value == 1.0
    assert len(read_scores(tmp_path / "known" / "site_gate.csv")) == 2


def test_groups_have_means_and_totals():
    cameras = [make_camera("a/x", [True, False]), make_camera("a/y", [True, False, False, False])]
    cameras.append(make_camera("b/z", [True, False]))

    class ByCamera:
        name = "by camera"

        def score(self, camera):
            # On x everything is suppressed, elsewhere nothing is.
            state = IRRELEVANT if camera.name == "a/x" else RELEVANT
            return [
                EventScore(e.event_id, float(e.event_id == "e000"), state) for e in camera.events
            ]

    result = evaluate_row(ByCamera(), cameras, resamples=10, seed=0)
    assert result.means["a"]["state_suppressed"].value == 0.5
    assert result.totals["a"]["state_suppressed"].value == 0.25
    assert result.means["a"]["auc"].value == 1.0
    assert "auc" not in result.totals["a"]
    assert "b" not in result.means


# --- thumbs --------------------------------------------------------------------------------------


class Learner:
    """Notes the thumbs, and scores 1 what it was told to be relevant."""

    name = "learner"

    def __init__(self):
        self.given = []

    def taught(self, thumbs):
        self.given.append(dict(thumbs))
        return Known([])


def test_thumbs_come_from_the_earlier_half_and_tell_the_truth():
    labelled = make_camera("site/gate", [True, False] * 40)
    thumbs = draw_thumbs(labelled, 30, RNG(3))
    assert len(thumbs) == 30
    assert max(thumbs) < "e040"
    assert all(thumbs[event_id] == labelled.labels[event_id].relevant for event_id in thumbs)
    # More thumbs than that half has: the first events are taken, and enough of them are left.
    assert max(draw_thumbs(labelled, 60, RNG(3))) == "e059"
    assert draw_thumbs(labelled, 61, RNG(3)) is None


def test_a_row_with_thumbs_is_measured_on_the_other_events():
    labelled = make_camera("site/gate", [True, False] * 20)
    learner = Learner()
    result = evaluate_row(WithThumbs(learner, 10, draws=3), [labelled], resamples=20, seed=1)
    assert result.name == "learner + 10 thumbs"
    assert len({tuple(thumbs) for thumbs in learner.given}) == 3
    measured = result.cameras["site/gate"]
    assert {score.event_id for score in measured.scores} == labelled.camera.asked - set(
        learner.given[0]
    )
    assert measured.figures["auc"].count == 30


def test_a_camera_with_too_few_labels_has_no_row_with_thumbs():
    labelled = make_camera("site/gate", [True, False] * 10)
    assert evaluate_row(WithThumbs(Learner(), 10), [labelled], resamples=10, seed=0).cameras == {}


def test_the_same_seed_draws_the_same_thumbs():
    labelled = make_camera("site/gate", [True, False] * 20)
    learners = [Learner(), Learner()]
    for learner in learners:
        evaluate_row(WithThumbs(learner, 5), [labelled], resamples=10, seed=4)
    assert learners[0].given == learners[1].given


# --- other cameras -------------------------------------------------------------------------------


def test_a_row_is_fitted_on_all_cameras_but_its_own():
    cameras = [make_camera(f"site/{name}", [True, False]) for name in ("gate", "yard", "door")]
    fitted = []

    def fit(others):
        fitted.append([one.camera.name for one in others])
        return Known([])

    evaluate_row(LeaveOneCameraOut("general", fit, cameras), cameras, resamples=10, seed=0)
    assert fitted == [
        ["site/yard", "site/door"],
        ["site/gate", "site/door"],
        ["site/gate", "site/yard"],
    ]
    with pytest.raises(EvaluationError, match="fitted on other cameras: give at least two"):
        LeaveOneCameraOut("general", fit, cameras[:1]).score(cameras[0].camera)

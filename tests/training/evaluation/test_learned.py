"""What is measured of a camera that was learned: the steps before the product, and intruders."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_event
from veroallarme_core.adaptation import AdaptationOptions, adapt_camera, list_events
from veroallarme_core.camera_memory.camera_model import CameraModel, fold_of
from veroallarme_core.camera_memory.camera_state import MEMORY_FILE, MODEL_FILE
from veroallarme_core.contract import Promise, State
from veroallarme_core.description.scene_encoder import ENCODER_NAME
from veroallarme_core.pipeline import EventPipeline
from veroallarme_training.evaluation.cameras import Camera
from veroallarme_training.evaluation.intruders import try_intruders
from veroallarme_training.evaluation.product import Product
from veroallarme_training.evaluation.scores import EventScore
from veroallarme_training.evaluation.steps import (
    LearnedCameras,
    Step,
    by_cue,
    by_student,
    by_teacher,
)
from veroallarme_training.events import find_events

STRANGER = "20260102_120000"
PROMISE = Promise(
    recall=0.99,
    confidence=0.95,
    synthetic=400,
    synthetic_recall=0.99,
    confirmed=0,
    confirmed_recall=None,
    since="2026-01-02T12:00:00+00:00",
)
COPY = "import shutil, sys; shutil.copytree({!r}, sys.argv[5], dirs_exist_ok=True)"


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """Somebody walks by the same way every hour, and once at another place."""
    folder = tmp_path_factory.mktemp("site") / "gate"
    for number in range(14):
        write_event(
            folder / f"20260101_{number:02d}0000", [(20, 70), (48, 70), (76, 70)], seed=number
        )
    write_event(folder / STRANGER, [(130, 15), (112, 15), (96, 15)], seed=50)
    events = find_events(folder)
    return Camera("site/gate", folder, events, frozenset({"20260101_090000", STRANGER}))


@pytest.fixture(scope="module")
def learned(camera, tmp_path_factory):
    """A folder of state, as after an adaptation that can promise its recall."""
    folder = tmp_path_factory.mktemp("learned")
    memory, model, _ = adapt_camera(
        list_events(camera.folder),
        EventPipeline.with_shipped_networks(None),
        {},
        AdaptationOptions(intruders=2),
    )
    memory.save(folder / MEMORY_FILE)
    replace(model, promise=PROMISE, threshold=0.5).save(folder / MODEL_FILE)
    return folder


def with_model(learned: Path, folder: Path, **changes: object) -> Path:
    """Copy a state with another model."""
    shutil.copytree(learned, folder)
    model = CameraModel.load(folder / MODEL_FILE, ENCODER_NAME)
    replace(model, **changes).save(folder / MODEL_FILE)
    return folder


def product_with(state: Path, states: Path) -> Product:
    """Return a product that adapts by copying a state."""
    return Product("adapted", states, command=[sys.executable, "-c", COPY.format(str(state))])


RANKINGS = [by_cue("quiet"), by_cue("deviation"), by_cue("novelty"), by_teacher]


@pytest.mark.parametrize("ranking", RANKINGS, ids=["quiet", "deviation", "novelty", "teacher"])
def test_a_step_ranks_what_was_never_there_first(camera, learned, tmp_path, ranking):
    step = Step("step", ranking, LearnedCameras(product_with(learned, tmp_path)))
    scores = {score.event_id: score for score in step.score(camera)}
    assert scores.keys() == camera.asked
    assert scores[STRANGER].score > scores["20260101_090000"].score
    assert scores[STRANGER].state is None
    assert max(region.score for region in scores[STRANGER].regions) == scores[STRANGER].score


def test_the_student_is_the_head_that_was_not_fitted_to_the_event(camera, learned, tmp_path):
    model = CameraModel.load(learned / MODEL_FILE, ENCODER_NAME)
    # Every head ranks all regions alike, each at its own height.
    heads = np.zeros_like(model.heads)
    heads[:, -1] = np.arange(len(heads)) / 10
    quantiles = np.broadcast_to(np.linspace(0, 1, model.head_quantiles.shape[1]), (len(heads), 101))
    state = with_model(learned, tmp_path / "state", heads=heads, head_quantiles=quantiles)
    step = Step("student", by_student, LearnedCameras(product_with(state, tmp_path / "states")))
    for score in step.score(camera):
        rank = np.array(fold_of(score.event_id) / 10)
        assert score.score == pytest.approx(float(replace(model, threshold=0.0).score(rank)))


def test_steps_share_one_adaptation(camera, learned, tmp_path):
    product = product_with(learned, tmp_path)
    cameras = LearnedCameras(product)
    for ranking in RANKINGS:
        list(Step("step", ranking, cameras).score(camera))
    assert len(product.costs["site/gate"]) == 1


def test_without_a_promise_a_step_judges_as_on_the_first_day(camera, learned, tmp_path):
    state = with_model(learned, tmp_path / "state", promise=None)
    cameras = LearnedCameras(product_with(state, tmp_path / "states"))
    first, second = (list(Step("s", ranking, cameras).score(camera)) for ranking in RANKINGS[:2])
    assert first == second
    assert first[0].regions


# --- intruders -----------------------------------------------------------------------------------


def quiet_scores(camera: Camera) -> list[EventScore]:
    return [EventScore(one.event_id, 0.1, State.IRRELEVANT) for one in camera.events]


def test_intruders_are_judged_by_what_was_learned(camera, learned, tmp_path):
    deaf = with_model(learned, tmp_path / "deaf", threshold=2.0)
    alert = with_model(learned, tmp_path / "alert", threshold=0.0)
    missed = try_intruders(camera, deaf, quiet_scores(camera), 10, seed=1)
    found = try_intruders(camera, alert, quiet_scores(camera), 10, seed=1)
    assert len(missed) == len(found) >= 8
    assert not any(one.alerts for one in missed)
    assert all(one.alerts for one in found if one.is_seen)
    assert sum(one.is_caught for one in found) > len(found) / 2
    # The same seed draws the same intruders, another one others.
    heights = [[one.height_px for one in trials] for trials in (missed, found)]
    assert heights[0] == heights[1]
    others = try_intruders(camera, alert, quiet_scores(camera), 10, seed=2)
    assert [one.height_px for one in others] != heights[0]


def test_intruders_stand_in_the_quietest_bursts(camera, learned, tmp_path):
    # Only the loud burst is undamaged: the quiet quarter leaves nothing to paste over.
    folder = tmp_path / "gate"
    shutil.copytree(camera.folder, folder)
    scores = []
    for event in sorted(folder.iterdir()):
        is_loud = event.name == STRANGER
        scores.append(EventScore(event.name, 0.9 if is_loud else 0.1, State.RELEVANT))
        if not is_loud:
            (event / "1.png").write_bytes(b"no picture")
    site = replace(camera, folder=folder)
    assert try_intruders(site, learned, scores, 3, seed=1) == []
    suppressed = [replace(score, state=State.IRRELEVANT) for score in scores]
    assert len(try_intruders(site, learned, suppressed, 3, seed=1)) > 0

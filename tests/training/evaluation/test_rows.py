"""The rows: what they score, from pictures, a detector's output, or the program itself."""

import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.drawn import add_noise, draw_yard
from tests.onnx_networks import write_network
from tests.training.bursts import write_broken_event, write_event, write_still_event
from veroallarme_core.contract import State
from veroallarme_core.relevance_mask import RelevanceMaskModel, save_checkpoint
from veroallarme_training.evaluation.baselines import (
    AlertAll,
    BackgroundSubtraction,
    FirstJudgement,
    MotionArea,
)
from veroallarme_training.evaluation.cameras import Camera, EvaluationError, find_cameras
from veroallarme_training.evaluation.network import RelevanceNetwork, original_network
from veroallarme_training.evaluation.peer_detector import CocoDetector, decode_boxes
from veroallarme_training.evaluation.product import Product, ZoneChoice
from veroallarme_training.evaluation.rows import DEFAULT_ROWS, ROWS, RowSettings, make_rows
from veroallarme_training.events import find_events

WALK = [(20, 40), (48, 42), (76, 44)]


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """A walk, a still burst, a small walk, a broken burst and an event that nobody asks for."""
    folder = tmp_path_factory.mktemp("site") / "gate"
    write_still_event(folder / "e0")
    write_event(folder / "e1", WALK)
    write_still_event(folder / "e2")
    write_event(folder / "e3", WALK, height=18)
    write_broken_event(folder / "e4")
    asked = frozenset({"e1", "e2", "e3", "e4"})
    return Camera("site/gate", folder, find_events(folder), asked)


def scores_of(row, camera):
    return {score.event_id: score for score in row.score(camera)}


def test_alert_all_alerts(camera):
    scores = scores_of(AlertAll(), camera)
    assert {score.score for score in scores.values()} == {1.0}
    assert scores.keys() == camera.asked


def test_the_area_grows_with_the_mover(camera):
    scores = scores_of(MotionArea(), camera)
    assert scores["e1"].score > scores["e3"].score > scores["e2"].score == 0.0
    assert scores["e1"].regions
    # What cannot be judged is an alarm.
    assert scores["e4"].score == 1.0


@pytest.mark.parametrize("method", ["MOG2", "KNN"])
def test_background_subtraction_learns_the_yard(tmp_path, method):
    yard = draw_yard(120, 160, seed=1)
    for number in range(12):
        write_still_event(tmp_path / "gate" / f"e{number:02d}")
    write_event(tmp_path / "gate" / "e50", WALK)
    (tmp_path / "gate" / "e51").mkdir()
    # Another size begins a new background instead of failing.
    cv2.imwrite(str(tmp_path / "gate" / "e51" / "0.png"), add_noise(yard[:60], 3))
    events = find_events(tmp_path / "gate")
    camera = Camera("site/gate", tmp_path / "gate", events, frozenset({"e11", "e50", "e51"}))
    scores = scores_of(BackgroundSubtraction(method), camera)
    assert scores.keys() == camera.asked
    assert scores["e50"].score > 5 * scores["e11"].score
    assert scores["e50"].score > 0.005


def test_the_first_judgement_is_the_pipelines(camera):
    scores = scores_of(FirstJudgement(), camera)
    assert scores["e1"].state is State.RELEVANT
    assert scores["e1"].regions[0].score == scores["e1"].score
    assert (scores["e2"].state, scores["e2"].score) == (State.UNKNOWN, 1.0)


def test_boxes_are_decoded_from_the_cells_of_each_stride():
    # 64x32 has 8x4 cells of stride 8, 4x2 of 16 and 2x1 of 32.
    output = np.full((42, 85), 0.0, np.float32)
    output[9, :6] = [0.5, 0.5, np.log(2), np.log(4), 0.9, 0.8]  # cell (1, 1) of stride 8, a person
    output[41, [0, 1, 4, 7]] = [0.5, 0.5, 1.0, 0.7]  # cell (1, 0) of stride 32, a car
    output[3, [4, 6 + 56]] = [1.0, 1.0]  # a chair is not interesting
    person, car = decode_boxes(output, (32, 64), scale=0.5)
    assert (person.x, person.y, person.width, person.height) == (8, -8, 32, 64)
    assert person.score == pytest.approx(0.72)
    assert (car.x, car.y, car.width, car.height) == (64, 0, 64, 64)
    assert car.score == pytest.approx(0.7)


def test_the_detector_finds_the_movers_of_real_footage(footage):
    network = footage / "peers" / "yolox_nano.onnx"
    (cars,) = find_cameras([footage / "scenes" / "intel_cars"])
    scores = scores_of(CocoDetector(network), cars.camera)
    relevant = [scores[name].score for name, label in cars.labels.items() if label.relevant]
    others = [scores[name].score for name, label in cars.labels.items() if not label.relevant]
    # From straight above most of the cars are nothing to it; an empty lot never is.
    assert max(relevant) > 0.5 > 0.1 > max(others)


def test_a_wrong_detector_is_one_sentence(tmp_path):
    with pytest.raises(EvaluationError, match=r"There is no detector .*nowhere.onnx"):
        CocoDetector(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(EvaluationError, match="cannot be loaded as an ONNX network"):
        CocoDetector(tmp_path / "text.onnx")


def test_a_network_judges_on_its_own(camera, tmp_path):
    network = write_network(tmp_path / "network.onnx")
    (row,) = make_rows(["network"], RowSettings(cameras=(), states=Path(), network=network))
    scores = scores_of(row, camera)
    assert scores["e1"].score == max(region.score for region in scores["e1"].regions) > 0.5
    assert (scores["e2"].score, scores["e2"].state) == (0.0, State.IRRELEVANT)
    assert (scores["e4"].score, scores["e4"].state) == (1.0, State.UNKNOWN)


def test_a_network_that_is_missing_is_one_sentence(tmp_path):
    with pytest.raises(EvaluationError, match="give --network FILE"):
        make_rows(["network"], RowSettings(cameras=(), states=Path()))
    with pytest.raises(EvaluationError, match=r"The row network has no network: .*nowhere.onnx"):
        RelevanceNetwork("network", tmp_path / "nowhere.onnx")


def test_the_originals_deciding_head_is_as_random_as_its_seed(camera, tmp_path):
    import torch

    torch.manual_seed(1)
    save_checkpoint(tmp_path / "both.pth", RelevanceMaskModel("both"))
    before = torch.random.get_rng_state()
    scores = [
        scores_of(original_network(tmp_path / "both.pth", seed), camera)["e1"].score
        for seed in (0, 0, 1)
    ]
    assert scores[0] == scores[1] != scores[2]
    assert torch.equal(torch.random.get_rng_state(), before)
    with pytest.raises(EvaluationError, match=r"--original .*nowhere.pth"):
        original_network(tmp_path / "nowhere.pth", 0)


# --- the program itself --------------------------------------------------------------------------

PROGRAM = f"""#!{sys.executable}
import pathlib, sys
command, given = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
if command == "adapt":
    state = pathlib.Path(given["--state-dir"])
    labels = given.get("--labels")
    zones = given.get("--zones")
    (state / "zones").write_text(pathlib.Path(zones).read_text() if zones else "nowhere")
    (state / "head").write_text(pathlib.Path(labels).read_text() if labels else "unlabelled")
elif command == "suggest":
    with open(given["--output"], "a") as out:
        out.write("suggested;")
else:
    head = "fresh"
    if "--state-dir" in given:
        head = (pathlib.Path(given["--state-dir"]) / "head").read_text()
    with open(given["--output"], "w") as out:
        out.write("event_id,state,score,reason,regions\\n")
        for event in sorted(pathlib.Path(given["--data-dir"]).iterdir()):
            score = "0.9" if event.name + ",relevant" in head else "0.1"
            reason = head.split()[0].replace(",", "+")
            out.write(f"{{event.name}},irrelevant,{{score}},{{reason}},[]\\n")
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "veroallarme"
    path.write_text(PROGRAM)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


def test_the_product_adapts_before_it_scores(camera, program, tmp_path):
    product = Product("adapted", tmp_path, command=program)
    assert scores_of(product, camera)["e1"].reason == "unlabelled"
    (cost,) = product.costs["site/gate"]
    assert cost.events == 5
    assert cost.seconds > 0
    # Its own memory, not that of this process.
    assert 1 < cost.peak_mb < 100


def test_a_camera_is_learned_once_and_anew_by_every_teaching(camera, program, tmp_path):
    product = Product("adapted", tmp_path, command=program)
    state = product.state(camera)
    product.score(camera)
    assert product.state(camera) == state
    assert len(product.costs["site/gate"]) == 1
    taught = product.taught({"e1": True})
    assert "e1,relevant" in (taught.state(camera) / "head").read_text()
    assert (state / "head").read_text() == "unlabelled"


def test_a_fresh_installation_adapts_to_nothing(camera, program, tmp_path):
    product = Product("fresh installation", tmp_path, adapts=False, command=program)
    assert scores_of(product, camera)["e1"].reason == "fresh"
    assert product.costs == {}


def test_thumbs_reach_the_product_and_nothing_else(camera, program, tmp_path):
    product = Product("adapted", tmp_path, command=program)
    scores = scores_of(product.taught({"e1": True, "e2": False}), camera)
    assert (scores["e1"].score, scores["e2"].score, scores["e3"].score) == (0.9, 0.1, 0.1)
    assert scores_of(product, camera)["e1"].score == 0.1
    assert len(product.costs["site/gate"]) == 2


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (ZoneChoice.NOWHERE_SAID, "nowhere"),
        (ZoneChoice.DRAWN, "drawn"),
        (ZoneChoice.SUGGESTED, "suggested;"),
    ],
)
def test_zones_are_in_force_while_a_camera_is_learned(camera, program, tmp_path, choice, told):
    camera.zones.write_text("drawn")
    product = Product("adapted", tmp_path / "states", command=program, zones=choice)
    product.score(camera)
    product.score(camera)
    assert (product.state(camera) / "zones").read_text() == told
    camera.zones.unlink()
    product = Product("adapted", tmp_path / "others", command=program, zones=choice)
    told = "nowhere" if choice is ZoneChoice.DRAWN else told
    assert (product.state(camera) / "zones").read_text() == told


def test_a_product_that_fails_says_its_last_words(camera, tmp_path):
    failing = [sys.executable, "-c", "raise SystemExit('no memory')"]
    product = Product("adapted", tmp_path, command=failing)
    with pytest.raises(EvaluationError, match=r"`veroallarme adapt .* ended with 1: no memory"):
        product.score(camera)


# --- the registry --------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_the_ladder():
    settings = RowSettings(cameras=(), states=Path(), thumbs=(10, 30))
    rows = make_rows(["knn", "thumbs", "plate", "area", "adapted"], settings)
    thumbs = ["adapted + 10 thumbs", "adapted + 30 thumbs"]
    assert [row.name for row in rows] == ["area", "plate", "adapted", *thumbs, "KNN"]
    assert set(DEFAULT_ROWS) <= set(ROWS)


def test_the_steps_share_what_the_product_learns():
    rows = {row.name: row for row in make_rows(None, RowSettings(cameras=(), states=Path()))}
    product = rows["adapted"]
    steps = [rows[n] for n in ("recurrence", "plate", "novelty", "teacher", "student")]
    assert all(step.cameras is steps[0].cameras for step in steps)
    assert steps[0].cameras.product is product


def test_the_detector_joins_where_its_file_is_given(footage):
    network = footage / "peers" / "yolox_nano.onnx"
    rows = make_rows(None, RowSettings(cameras=(), states=Path(), peer_detector=network))
    assert "COCO detector" in [row.name for row in rows]
    with pytest.raises(EvaluationError, match="give --peer-detector FILE"):
        make_rows(["coco"], RowSettings(cameras=(), states=Path()))

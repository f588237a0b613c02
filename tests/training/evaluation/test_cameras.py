"""Cameras, labels and scores on disk, right and wrong."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_camera, write_event
from veroallarme_core.contract import State
from veroallarme_training.evaluation.cameras import EvaluationError, find_cameras
from veroallarme_training.evaluation.scores import (
    EventScore,
    ScoredRegion,
    ScoresFile,
    read_scores,
    write_scores,
)


@pytest.fixture
def site(tmp_path):
    """Two cameras of three events each, the first and the last labelled."""
    for name in ("gate", "yard"):
        camera = tmp_path / "site" / name
        for hour in range(3):
            (camera / f"20260101_0{hour}0000").mkdir(parents=True)
            (camera / f"20260101_0{hour}0000" / "0.jpg").touch()
        (camera / "labels.csv").write_text(
            "event_id,label,cause\n20260101_000000,relevant,person\n20260101_020000,irrelevant,\n"
        )
    return tmp_path / "site"


def test_a_parent_holds_cameras_of_one_group(site):
    gate, yard = find_cameras([site])
    assert [one.camera.name for one in (gate, yard)] == ["site/gate", "site/yard"]
    assert gate.camera.group == "site"
    assert len(gate.camera.events) == 3
    assert [event.event_id[-6:] for event in gate.camera.asked_events()] == ["000000", "020000"]
    assert gate.labels["20260101_000000"].cause == "person"


def test_uncertain_events_are_left_out_and_counted(site):
    (site / "gate" / "labels.csv").write_text(
        "event_id,label,uncertain\n20260101_000000,relevant,0\n20260101_010000,irrelevant,1\n"
    )
    (gate,) = find_cameras([site / "gate"])
    assert (set(gate.labels), gate.uncertain) == ({"20260101_000000"}, 1)
    assert gate.camera.asked == {"20260101_000000"}


def test_boxes_are_those_of_the_labelled_events(site):
    header = "event_id,x,y,width,height,is_relevant\n"
    rows = "20260101_000000,1,2,3,4,1\n20260101_010000,1,2,3,4,0\n"
    (site / "gate" / "regions.csv").write_text(header + rows)
    assert find_cameras([site / "gate"])[0].boxes == {"20260101_000000": [((1, 2, 3, 4), True)]}


def test_labels_may_lie_elsewhere(site, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("event_id,label\n20260101_010000,relevant\n")
    (gate,) = find_cameras([site / "gate"], [other])
    assert set(gate.labels) == {"20260101_010000"}
    with pytest.raises(EvaluationError, match="1 labels files for 2 cameras"):
        find_cameras([site], [other])


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("labels.csv", None, r"labels.csv cannot be read: No such file"),
        ("labels.csv", "event_id\n", "has no column label; expected event_id,label"),
        ("labels.csv", "event_id,label\ne1,maybe\n", "line 2: 'maybe' is no label"),
        ("labels.csv", "event_id,label\ne1\n", "line 2: the row is shorter"),
        ("labels.csv", "event_id,label\ne1,relevant\n", "labels none of the 3 events"),
        ("labels.csv", "\xff", "labels"),
        ("regions.csv", "event_id,x,y,width,height,is_relevant\ne1,1,2,3,4,2\n", "whole pixels"),
        ("regions.csv", "event_id,x,y,width,height,is_relevant\ne1,1.5,2,3,4,1\n", "whole pixels"),
    ],
)
def test_a_wrong_file_is_one_sentence(site, file, text, sentence):
    path = site / "gate" / file
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(EvaluationError, match=sentence):
        find_cameras([site / "gate"])


def test_a_mover_in_damaged_frames_is_known(tmp_path):
    camera = write_camera(tmp_path / "gate", 2)
    cut = camera / "20260101_010000" / "1.png"
    cut.write_bytes(b"no picture")
    write_event(camera / "20260101_090000", [(20, 40), (40, 40), (60, 40)])
    (camera / "labels.csv").write_text(
        "event_id,label\n20260101_000000,relevant\n20260101_010000,relevant\n"
        "20260101_090000,irrelevant\n"
    )
    assert find_cameras([camera])[0].damaged_movers == {"20260101_010000"}


SCORES = [
    EventScore("e1", 0.25, State.IRRELEVANT, "sway", (ScoredRegion(1, 2, 3, 4, 0.25),)),
    EventScore("e2", 1.0, None),
]


def test_scores_come_back_as_they_were_written(tmp_path):
    write_scores(tmp_path / "new" / "scores.csv", SCORES)
    assert read_scores(tmp_path / "new" / "scores.csv") == SCORES


def test_scores_of_each_camera_lie_where_the_pattern_says(site, tmp_path):
    write_scores(tmp_path / "out" / "site-yard.csv", SCORES)
    yard = find_cameras([site])[1].camera
    row = ScoresFile("mine", str(tmp_path / "out" / "{group}-{camera}.csv"))
    assert (row.name, row.score(yard)) == ("mine", SCORES)


@pytest.mark.parametrize(
    ("state", "score", "regions", "sentence"),
    [
        ("maybe", "0.5", "[]", "line 2: the state 'maybe' is none of relevant"),
        ("relevant", "much", "[]", "score must be a number"),
        ("relevant", "nan", "[]", "a score is not finite"),
        ("relevant", "0.5", "[{]", "score must be a number and regions a JSON list"),
        ("relevant", "0.5", '[{"x": 1}]', "score must be a number and regions a JSON list"),
        ("relevant", "0.5", "7", "score must be a number and regions a JSON list"),
    ],
)
def test_wrong_scores_are_one_sentence(tmp_path, state, score, regions, sentence):
    path = tmp_path / "scores.csv"
    quoted = '"' + regions.replace('"', '""') + '"'
    path.write_text(f"event_id,state,score,reason,regions\ne1,{state},{score},,{quoted}\n")
    with pytest.raises(EvaluationError, match=sentence):
        read_scores(path)


values = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.recursive(values, lambda v: st.lists(v) | st.dictionaries(st.text(max_size=3), v)))
def test_hostile_regions_never_crash(tmp_path, regions):
    path = tmp_path / "scores.csv"
    text = json.dumps(regions).replace('"', '""')
    path.write_text(f'event_id,state,score,reason,regions\ne1,,0.5,,"{text}"\n', encoding="utf-8")
    try:
        (score,) = read_scores(path)
    except EvaluationError:
        return
    assert score.regions == ()

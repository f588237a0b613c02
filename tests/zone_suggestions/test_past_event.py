"""Stored verdicts are read with care: some are of former versions, some saw nothing."""

import pytest

from tests.zone_suggestions.past import PERSON_IN_THE_DRIVE, STREET, region, seen, verdict
from veroallarme_core.zone_suggestions import PastEvent


def test_boxes_become_shares_of_the_picture() -> None:
    read = PastEvent.from_verdict(
        verdict(1, (120, 90, 240, 180), objects=(seen(PERSON_IN_THE_DRIVE),)), thumb=True
    )
    assert read is not None
    box = read.regions[0].box
    assert (box.x, box.y, box.width, box.height) == (0.25, 0.25, 0.5, 0.5)
    assert read.regions[0].moving_share == pytest.approx(0.25)
    assert (read.is_alarm, read.is_complete, read.thumb) == (True, True, True)
    assert read.objects[0].is_certain


def test_burnt_in_text_moves_nothing_and_what_is_not_listed_is_not_forgotten() -> None:
    content = verdict(1, STREET)
    content["regions"].append(region(STREET, is_relevant=False, reason="burnt_in_text"))
    read = PastEvent.from_verdict(content, None)
    assert read is not None
    assert len(read.regions) == 1
    read = PastEvent.from_verdict(content | {"num_relevant": 20}, None)
    assert read is not None
    assert not read.is_complete


@pytest.mark.parametrize(("share", "is_whole"), [(1.0, True), (0.95, True), (0.9, False)])
def test_a_corrupt_burst_is_known_as_such(share: float, is_whole: bool) -> None:
    content = verdict(1, STREET) | {"cues": {"comparable_share": share}}
    read = PastEvent.from_verdict(content, None)
    assert read is not None
    assert read.is_whole is is_whole


def test_a_verdict_of_before_the_detector_names_no_objects() -> None:
    content = verdict(1, STREET)
    del content["objects"]
    read = PastEvent.from_verdict(content, None)
    assert read is not None
    assert read.objects == ()


@pytest.mark.parametrize(
    "change",
    [
        {"frame_dimensions": None},
        {"frame_dimensions": [0, 0]},
        {"score": None},
        {"regions": [{}]},
        {"objects": [{"kind": "ghost", "score": 1}]},
        {"motion_at": "yesterday"},
    ],
)
def test_what_cannot_be_used_is_left_out(change: dict) -> None:
    assert PastEvent.from_verdict(verdict(1, STREET) | change, None) is None

"""What looks like nothing ranks below what looks like somebody, and is never proven away."""

import math
from dataclasses import replace

import numpy as np
import pytest

from veroallarme_core.contract import State
from veroallarme_core.description.burst_evidence import (
    BurstEvidence,
    Light,
    RegionEvidence,
    gather_evidence,
)
from veroallarme_core.description.scene_encoder import SceneEncoder
from veroallarme_core.drawing import draw_event
from veroallarme_core.judgement import BurstJudgement, RegionJudgement, candidates, judge_motion
from veroallarme_core.judgement.appearance import rank_by_appearance
from veroallarme_core.motion_detection import MotionDetector, MotionRegion, min_area_for

LITTLE, MUCH = 0.6, 2.4


@pytest.fixture(scope="module")
def encoder():
    return SceneEncoder(threads=1)


def moving(x):
    return MotionRegion(x, 20, 10, 20, 150, (x + 5, 30))


def region(x, *, score=0.9):
    return RegionJudgement(moving(x), score, score >= 0.5, max(score, 1 - score), "moved", {})


def seen(x, change, score, light):
    return RegionEvidence(
        region=moving(x),
        place=np.zeros(2, np.float32),
        cells=np.zeros(1, np.intp),
        features=np.zeros((3, 1, 40), np.float16),
        intact=np.ones((3, 1), np.bool_),
        sketch=np.zeros(192, np.float32),
        change=change,
        unexplained=5.0,
        object_score=score,
        light=light,
    )


def burst(changes, *, scores=None, light=Light.DAY):
    grid = np.zeros((4, 4), np.bool_)
    scores = scores or [0.0] * len(changes)
    regions = tuple(
        seen(20 * index, change, score, light)
        for index, (change, score) in enumerate(zip(changes, scores, strict=True))
    )
    return BurstEvidence(light, np.zeros((3, 4, 4, 40), np.float32), ~grid[None], grid, regions)


def moved(count=1):
    regions = tuple(region(20 * index, score=0.9 - 0.1 * index) for index in range(count))
    return BurstJudgement(
        State.RELEVANT, 0.9, "moved", "Something moved.", {}, regions, is_open=True
    )


def score(change, *, seen=0.0, light=Light.DAY):
    return rank_by_appearance(moved(), burst([change], scores=[seen], light=light), 0.5).score


def test_what_stays_the_same_ranks_lower_and_stays_relevant():
    ranked = rank_by_appearance(moved(), burst([LITTLE]), 0.5)
    assert (ranked.state, ranked.reason) == (State.RELEVANT, "moved")
    assert 0.5 <= ranked.score < score(MUCH)
    assert ranked.regions[0].cues["change"] == pytest.approx(LITTLE)


def test_who_is_recognised_ranks_higher():
    scores = [score(LITTLE, seen=seen) for seen in (0.0, 0.1, 0.4, 0.9)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 0.2


@pytest.mark.parametrize("change", [0.0, LITTLE, MUCH, math.nan])
@pytest.mark.parametrize("seen", [0.0, 1.0, math.nan])
@pytest.mark.parametrize("light", list(Light))
def test_nothing_is_proven_by_appearance(change, seen, light):
    looks = burst([change, change], scores=[seen, seen], light=light)
    ranked = rank_by_appearance(moved(2), looks, 0.5)
    assert ranked.state is State.RELEVANT
    assert all(0.5 <= region.relevance_score <= 1.0 for region in ranked.regions)


def test_state_and_count_follow_a_threshold_of_the_user():
    """A number of the user's own may lie above what looks like nothing."""
    ranked = rank_by_appearance(moved(2), burst([LITTLE, LITTLE]), 0.8)
    assert ranked.state is State.IRRELEVANT
    assert ranked.cues["regions_relevant"] == 0


def test_one_mover_among_leaves_comes_first():
    ranked = rank_by_appearance(moved(2), burst([LITTLE, MUCH]), 0.5)
    assert [region.region.x for region in ranked.regions] == [20, 0]
    assert "near (25, 30)" in ranked.explanation, "the sentence names the one that comes first"


@pytest.mark.parametrize("light", [Light.DUSK, Light.INFRARED])
def test_the_silence_of_the_detector_tells_nothing_in_the_dark(light):
    assert score(LITTLE, light=light) > score(LITTLE)
    assert score(LITTLE, light=light) == score(LITTLE, seen=0.3, light=light)


@pytest.mark.parametrize(("change", "seen"), [(math.nan, 0.0), (LITTLE, math.nan)])
def test_what_nobody_could_look_at_keeps_its_rank(change, seen):
    looks = burst([change], scores=[seen])
    assert rank_by_appearance(moved(), looks, 0.5).score == pytest.approx(0.9)
    ranked = rank_by_appearance(moved(2), burst([LITTLE]), 0.5)
    assert ranked.regions[0].relevance_score == pytest.approx(0.8)


@pytest.mark.parametrize("state", [State.IRRELEVANT, State.UNKNOWN])
def test_what_was_decided_stays(state):
    before = replace(moved(), state=state, reason="light", is_open=False)
    assert rank_by_appearance(before, burst([LITTLE]), 0.5) is before


def test_change_is_that_of_the_clearest_pair_of_frames(encoder):
    frames = draw_event("person_in_the_drive").frames
    detector = MotionDetector(min_area=min_area_for(frames[0].shape[:2]))
    motion = detector.detect_motion(list(frames))
    evidence = gather_evidence(encoder, motion, candidates(judge_motion(motion)))
    assert evidence is not None
    assert evidence.light is Light.DAY
    assert max(region.change for region in evidence.regions) > 1.2

"""Texture that moves ranks below what comes and goes, and is never proven away."""

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
from veroallarme_core.judgement.texture import TEXTURE_CHANGE, rank_by_texture
from veroallarme_core.motion_detection.detector import MotionDetector, MotionRegion, min_area_for

LITTLE, MUCH = 0.5 * TEXTURE_CHANGE, 2.0 * TEXTURE_CHANGE


@pytest.fixture(scope="module")
def encoder():
    return SceneEncoder(threads=1)


def moving(x):
    return MotionRegion(x, 20, 10, 20, 150, (x + 5, 30))


def region(x, *, score=0.9):
    return RegionJudgement(moving(x), score, score >= 0.5, max(score, 1 - score), "moved", {})


def seen(x, change):
    return RegionEvidence(
        region=moving(x),
        place=np.zeros(2, np.float32),
        cells=np.zeros(1, np.intp),
        features=np.zeros((3, 1, 40), np.float16),
        intact=np.ones((3, 1), np.bool_),
        sketch=np.zeros(192, np.float32),
        change=change,
        unexplained=5.0,
    )


def burst(changes, *, light=Light.DAY):
    grid = np.zeros((4, 4), np.bool_)
    regions = tuple(seen(20 * index, change) for index, change in enumerate(changes))
    return BurstEvidence(light, np.zeros((3, 4, 4, 40), np.float32), ~grid[None], grid, regions)


def moved(count=1):
    regions = tuple(region(20 * index, score=0.9 - 0.1 * index) for index in range(count))
    return BurstJudgement(
        State.RELEVANT, 0.9, "moved", "Something moved.", {}, regions, is_open=True
    )


def test_what_stays_the_same_ranks_lower_and_stays_relevant():
    ranked = rank_by_texture(moved(), burst([LITTLE]), 0.5)
    assert (ranked.state, ranked.reason) == (State.RELEVANT, "moved")
    assert ranked.score == ranked.regions[0].relevance_score == pytest.approx(0.625)
    assert ranked.regions[0].cues["change"] == pytest.approx(LITTLE)


@pytest.mark.parametrize("change", [0.0, LITTLE, MUCH, math.nan])
def test_nothing_is_proven_by_texture(change):
    ranked = rank_by_texture(moved(2), burst([change, change]), 0.5)
    assert ranked.state is State.RELEVANT
    assert all(one.is_relevant for one in ranked.regions)


def test_state_and_count_follow_a_threshold_of_the_user():
    """A number of the user's own may lie above what texture leaves."""
    ranked = rank_by_texture(moved(2), burst([LITTLE, LITTLE]), 0.7)
    assert (ranked.state, ranked.score) == (State.IRRELEVANT, pytest.approx(0.625))
    assert ranked.cues["regions_relevant"] == 0


def test_one_mover_among_leaves_comes_first():
    ranked = rank_by_texture(moved(2), burst([LITTLE, MUCH]), 0.5)
    assert [one.region.x for one in ranked.regions] == [20, 0]
    assert ranked.score == pytest.approx(0.8)


@pytest.mark.parametrize("light", [Light.DUSK, Light.INFRARED])
def test_nothing_is_told_in_the_dark(light):
    assert rank_by_texture(moved(), burst([LITTLE], light=light), 0.5) == moved()


def test_what_nobody_looked_at_keeps_its_rank():
    ranked = rank_by_texture(moved(2), burst([LITTLE]), 0.5)
    assert [one.region.x for one in ranked.regions] == [20, 0]


@pytest.mark.parametrize("state", [State.IRRELEVANT, State.UNKNOWN])
def test_what_was_decided_stays(state):
    before = replace(moved(), state=state, reason="light", is_open=False)
    assert rank_by_texture(before, burst([LITTLE]), 0.5) is before


def test_change_is_that_of_the_clearest_pair_of_frames(encoder):
    frames = draw_event("person_in_the_drive").frames
    detector = MotionDetector(min_area=min_area_for(frames[0].shape[:2]))
    motion = detector.detect_motion(list(frames))
    evidence = gather_evidence(encoder, motion, candidates(judge_motion(motion)))
    assert evidence is not None
    assert evidence.light is Light.DAY
    assert max(one.change for one in evidence.regions) > TEXTURE_CHANGE

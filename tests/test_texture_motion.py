"""Texture that moves is told from what comes and goes, and only where that is proven."""

import math
from dataclasses import replace

import numpy as np
import pytest

from veroallarme_core.burst_evidence import BurstEvidence, Light, RegionEvidence, gather_evidence
from veroallarme_core.demo.events import encode
from veroallarme_core.demo.scenes import draw_event
from veroallarme_core.judgement import BurstJudgement, RegionJudgement, judge_motion
from veroallarme_core.motion_detection import MotionDetector, MotionRegion, min_area_for
from veroallarme_core.pipeline import EventPipeline
from veroallarme_core.scene_encoder import SceneEncoder
from veroallarme_core.settings import CameraSettings, Mode
from veroallarme_core.texture_motion import TEXTURE_CHANGE, judge_texture
from veroallarme_core.verdict import State

LITTLE, MUCH = 0.5 * TEXTURE_CHANGE, 2.0 * TEXTURE_CHANGE


@pytest.fixture(scope="module")
def encoder():
    return SceneEncoder(threads=1)


def region(x, *, score=0.9):
    area = MotionRegion(x, 20, 10, 20, 150, (x + 5, 30))
    return RegionJudgement(area, score, score >= 0.5, max(score, 1 - score), "moved", {})


def seen(x, change):
    return RegionEvidence(
        bbox=(x, 20, x + 10, 40),
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
    return BurstJudgement(State.RELEVANT, 0.9, "moved", "Something moved.", {}, regions)


def unchanged(bbox):
    return 0.0


def judged_texture(changes, look_closer=unchanged):
    return judge_texture(moved(len(changes)), burst(changes), 0.5, look_closer)


def test_what_stays_the_same_is_texture():
    judged = judged_texture([LITTLE])
    assert (judged.state, judged.reason) == (State.IRRELEVANT, "texture")
    assert judged.score == judged.regions[0].relevance_score == pytest.approx(0.25)
    assert judged.cues["largest_change"] == pytest.approx(LITTLE)
    assert judged.regions[0].reason == "texture"


def test_what_comes_and_goes_is_relevant():
    judged = judge_texture(moved(), burst([MUCH]), 0.5, unchanged)
    assert (judged.state, judged.reason, judged.score) == (State.RELEVANT, "moved", 0.9)


def test_one_mover_among_leaves_is_enough():
    judged = judge_texture(moved(2), burst([LITTLE, MUCH]), 0.5, unchanged)
    assert judged.state is State.RELEVANT
    assert [one.reason for one in judged.regions] == ["moved", "texture"]
    assert judged.cues["regions_relevant"] == 1


def test_a_part_that_changed_is_enough():
    judged = judged_texture([LITTLE], lambda bbox: MUCH)
    assert judged.state is State.RELEVANT
    assert judged.cues["largest_change"] == pytest.approx(MUCH)


def test_what_changed_as_a_whole_needs_no_closer_look():
    looked = []
    judged_texture([MUCH, LITTLE], lambda bbox: looked.append(bbox) or 0.0)
    assert looked == [(20, 20, 30, 40)]


@pytest.mark.parametrize("light", [Light.DUSK, Light.INFRARED])
def test_nothing_is_proven_in_the_dark(light):
    assert judge_texture(moved(), burst([LITTLE], light=light), 0.5, unchanged) == moved()


def test_one_frame_proves_nothing():
    assert judge_texture(moved(), burst([math.nan]), 0.5, unchanged).state is State.RELEVANT


def test_regions_that_were_not_looked_at_follow_the_most_changed():
    calm, busy = burst([LITTLE]), burst([MUCH])
    assert judge_texture(moved(3), calm, 0.5, unchanged).state is State.IRRELEVANT
    assert all(one.is_relevant for one in judge_texture(moved(3), busy, 0.5, unchanged).regions)
    unsure = burst([LITTLE, math.nan])
    assert judge_texture(moved(3), unsure, 0.5, unchanged).state is State.RELEVANT


def test_the_threshold_of_the_user_decides():
    assert judge_texture(moved(), burst([LITTLE]), 0.2, unchanged).state is State.RELEVANT


@pytest.mark.parametrize("state", [State.IRRELEVANT, State.UNKNOWN])
def test_what_was_judged_otherwise_stays(state):
    before = replace(moved(), state=state, reason="light")
    assert judge_texture(before, burst([LITTLE]), 0.5, unchanged) == before


class TestOnDrawnScenes:
    @pytest.mark.parametrize("name", ["person_in_the_drive", "car_turns_into_the_drive"])
    def test_a_mover_stays_relevant(self, name, encoder):
        frames = [encode(frame) for frame in draw_event(name).frames]
        result = EventPipeline(encoder=encoder).judge(frames, CameraSettings(mode=Mode.FILTER))
        assert result.state is State.RELEVANT
        assert result.cues["largest_change"] > TEXTURE_CHANGE

    def test_change_is_that_of_the_clearest_pair_of_frames(self, encoder):
        frames = draw_event("person_in_the_drive").frames
        detector = MotionDetector(min_area=min_area_for(frames[0].shape[:2]))
        motion = detector.detect_motion(list(frames))
        evidence = gather_evidence(encoder, motion, judge_motion(motion))
        assert evidence is not None
        assert evidence.light is Light.DAY
        assert max(one.change for one in evidence.regions) > TEXTURE_CHANGE

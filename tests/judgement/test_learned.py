"""The judgement of a camera that has learned, and how it explains itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.watched import (
    Watched,
    described,
    garden_model,
    learned_memory,
    other_tree,
    person_over_the_tree,
    watch,
)
from veroallarme_core.camera_memory.assessed_region import Thumb
from veroallarme_core.camera_memory.camera_model import QUANTILES, CameraModel
from veroallarme_core.camera_memory.camera_state import Recollection
from veroallarme_core.contract import State
from veroallarme_core.drawing.script import CALM
from veroallarme_core.judgement import BurstJudgement
from veroallarme_core.judgement.learned import judge_learned

USUAL = {"deviation": 1.3, "novelty": 0.04, "sessions": 14, "recurrence": 0.6}
NEW = {"sessions": 0, "novelty": 0.9, "deviation": 9.0, "recurrence": 0.1}


def judge(
    event: Watched,
    *,
    thumbs: Sequence[Thumb] = (),
    cues: Mapping[str, Any] | None = None,
    model: CameraModel | None = None,
    threshold: float = 0.5,
) -> BurstJudgement:
    memory, evidence = learned_memory(), event.evidence
    assessed = memory.assess(evidence.regions, evidence.light, event.at)
    thumbs = thumbs or [Thumb.NONE] * len(assessed)
    regions = tuple(
        replace(region, thumb=thumb, **(cues or {}))
        for region, thumb in zip(assessed, thumbs, strict=True)
    )
    return judge_learned(
        event.judgement,
        Recollection(regions, model or garden_model(memory)),
        event_id=event.event_id,
        threshold=threshold,
    )


def test_tree_is_suppressed_and_says_why() -> None:
    judgement = judge(other_tree())
    assert other_tree().judgement.state is State.RELEVANT, "the cues alone cannot tell"
    assert judgement.state is State.IRRELEVANT
    assert judgement.score is not None
    assert judgement.score < 0.5
    assert judgement.cues["regions_relevant"] == 0
    assert judgement.cues["sessions_alike"] >= 3
    assert judgement.explanation.startswith("Something moved about ")
    assert judgement.explanation.endswith(".")
    assert len(judgement.regions) == len(other_tree().judgement.regions)


def test_person_over_the_tree_raises_the_alarm() -> None:
    event = person_over_the_tree()
    judgement = judge(event)
    assert judgement.state is State.RELEVANT
    assert judgement.reason == "moved"
    assert judgement.regions[0].region.to_bbox() == event.on_mover.bbox
    assert [one.is_relevant for one in judgement.regions].count(True) == 1
    assert judgement.explanation.endswith(
        "that is not usual there: nothing like it moved here before."
    )
    scores = [one.relevance_score for one in judgement.regions]
    assert scores == sorted(scores, reverse=True)
    assert judgement.score == scores[0]


@pytest.mark.parametrize(
    ("changed", "unexplained", "reason", "words"),
    [
        ({}, 20.0, "seen_before", "something like it moved here at 14 other times"),
        ({"sessions": 1}, 20.0, "resembles_nuisance", "at 1 other time)"),
        ({"sessions": 0, "novelty": 0.9, "deviation": 0.1}, 20.0, "usual_view", "usually does"),
        ({**NEW, "recurrence": 1.0}, 20.0, "busy_place", "in 100% of the events"),
        (NEW, 0.0, "mostly_explained", "light or swaying explains most of it"),
    ],
)
def test_explanation_names_the_cue_that_decided(
    changed: dict[str, Any], unexplained: float, reason: str, words: str
) -> None:
    event = other_tree()
    regions = tuple(replace(one, unexplained=unexplained) for one in event.evidence.regions)
    quantiles = np.linspace(0, 1, QUANTILES) * np.array([[40.0], [10.0], [1.0], [1.0]])
    model = replace(garden_model(learned_memory()), cue_quantiles=quantiles, threshold=2.0)
    unproven = event.judgement.undecided
    event = replace(
        event,
        evidence=replace(event.evidence, regions=regions),
        judgement=replace(event.judgement, regions=unproven),
    )
    judgement = judge(event, cues=USUAL | changed, model=model)
    assert judgement.reason == reason
    assert words in judgement.explanation


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_thumbs_outweigh_the_model(threshold: float) -> None:
    tree, person = other_tree(), person_over_the_tree()
    thumbs = [Thumb.RELEVANT, *[Thumb.NONE] * (len(tree.evidence.regions) - 1)]
    confirmed = judge(tree, thumbs=thumbs, threshold=threshold)
    assert (confirmed.state, confirmed.reason) == (State.RELEVANT, "like_confirmed")
    assert confirmed.score is not None
    assert confirmed.score >= threshold
    assert "like what you called relevant before" in confirmed.explanation
    rejected = judge(person, thumbs=[Thumb.NUISANCE] * len(person.evidence.regions))
    assert (rejected.state, rejected.reason) == (State.IRRELEVANT, "like_rejected")
    assert rejected.score is not None
    assert rejected.score <= 0.02
    assert "called a false alarm at this place" in rejected.explanation


def test_rejected_region_does_not_hide_another_one() -> None:
    event = person_over_the_tree()
    thumbs = [
        Thumb.NONE if one is event.on_mover else Thumb.NUISANCE for one in event.evidence.regions
    ]
    assert judge(event, thumbs=thumbs).state is State.RELEVANT


def test_threshold_of_the_user_is_in_force() -> None:
    event = person_over_the_tree()
    score = judge(event).score
    assert score is not None
    assert judge(event, threshold=score).state is State.RELEVANT
    assert judge(event, threshold=score + 1e-6).state is State.IRRELEVANT
    assert judge(other_tree(), threshold=0.0).state is State.RELEVANT


def test_proven_nuisance_stays_nuisance() -> None:
    event = person_over_the_tree()
    boxes = {one.bbox for one in event.evidence.regions}
    regions = tuple(
        replace(one, is_relevant=False, relevance_score=0.02, reason="text", is_proven=True)
        if one.region.to_bbox() in boxes - {event.on_mover.bbox}
        else one
        for one in event.judgement.regions
    )
    judgement = judge(replace(event, judgement=replace(event.judgement, regions=regions)))
    kept = [one for one in judgement.regions if one.reason == "text"]
    assert len(kept) == len(boxes) - 1
    assert all(one.relevance_score == 0.02 and not one.is_relevant for one in kept)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.UNKNOWN, "no_reference"),
        (State.IRRELEVANT, "light"),
        (State.RELEVANT, "differs_from_reference"),
    ],
)
def test_only_what_is_open_is_judged_again(state: State, reason: str) -> None:
    event = other_tree()
    stays = replace(event.judgement, state=state, reason=reason, is_open=False)
    assert judge(replace(event, judgement=stays)) is stays


def test_faint_change_is_judged_by_what_was_learned() -> None:
    """On the first day it alerts; a camera that knows its trees need not."""
    calm = watch(60, wind=CALM)
    assert (calm.judgement.state, calm.judgement.reason) == (State.UNKNOWN, "faint_change")
    judgement = judge(calm)
    assert judgement.score is not None
    assert judgement.regions[0].cues["rank"] < 0.72
    assert judgement.state is State.IRRELEVANT


def test_what_nobody_looked_at_is_relevant() -> None:
    """There is a bound on time; what lies beyond it may be anybody."""
    event = other_tree()
    unseen = event.evidence.regions[-1]
    evidence = replace(event.evidence, regions=event.evidence.regions[:-1])
    judgement = judge(replace(event, evidence=evidence))
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "not_looked_at")
    assert judgement.regions[0].region.to_bbox() == unseen.bbox
    assert "no time to look" in judgement.explanation


def test_of_a_busy_burst_all_regions_are_looked_at() -> None:
    rng = np.random.default_rng(1)
    frames = [frame.copy() for frame in watch(61, wind=CALM).frames]
    for number in range(12):
        x, y = 8 + 46 * (number % 4), 30 + 36 * (number // 4)
        frames[number % 3][y : y + 12, x : x + 12] = rng.integers(0, 255, (12, 12, 3))
    event = described("busy", watch(61).moment, tuple(frames))
    described_boxes = {one.bbox for one in event.evidence.regions}
    assert len(event.judgement.undecided) > 8
    assert {one.region.to_bbox() for one in event.judgement.undecided} <= described_boxes
    assert "not_looked_at" not in {one.reason for one in judge(event).regions}

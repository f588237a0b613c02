"""Which region decided an event, and its sentence in the page's language."""

from typing import Any

import numpy as np
import pytest

from tests.worker.history.test_past_events import stored_verdict
from veroallarme_core.contract import ObjectKind, RelevanceRegion, State
from veroallarme_core.contract.verdict import VerdictObject
from veroallarme_core.worker.history import EventEvidence, JudgedRegion, Recurrence
from veroallarme_core.worker.page.pages.deciding import sentences, told_regions
from veroallarme_core.worker.page.shell.words import LANGUAGES, words
from veroallarme_core.worker.storage import ListedEvent

ENGLISH = words("en")


def region(x: int, score: float, reason: str = "moved", **cues: float) -> RelevanceRegion:
    return RelevanceRegion(
        x=x, y=10, width=20, height=40, area=500, centroid=(x + 10, 30), confidence=0.9,
        relevance_score=score, is_relevant=score >= 0.5, reason=reason, cues=cues,
    )  # fmt: skip


def person(x: int, score: float = 0.8) -> VerdictObject:
    return VerdictObject(
        kind=ObjectKind.PERSON, class_name="person", score=score, x=x, y=8, width=20, height=44
    )


def evidence(*regions: RelevanceRegion, **changes: Any) -> EventEvidence:
    """What the page is told of an event with these regions."""
    state = changes.pop("state", State.RELEVANT)
    verdict = stored_verdict(0, state, **{"regions": regions, "objects": [], **changes})
    return EventEvidence(
        verdict=verdict.to_dict(),
        listed=ListedEvent(
            event_id=verdict.event_id, camera="front", motion_at=verdict.motion_at, state=state,
            relevant=verdict.relevant, reason=verdict.reason,
            kinds=tuple(found.kind.value for found in verdict.objects), feedback=None,
        ),
        regions=[JudgedRegion(region=one, alike=None, recurrence=None) for one in regions],
        objects=verdict.objects,
        zones=(),
        recurrence=None,
    )  # fmt: skip


def told(found: EventEvidence, reason: str, language: str = "en") -> str:
    said = words(language)
    return sentences(found, f"reasons.{reason}", told_regions(found, said), said)


def test_the_region_with_the_person_comes_before_one_that_scores_higher() -> None:
    found = evidence(region(10, 0.9), region(80, 0.7), objects=[person(80)])
    first, second = told_regions(found, ENGLISH)
    assert (first.number, first.reason) == (1, "reasons.person")
    assert (second.number, second.reason) == (0, "reasons.moved"), "no person moved there"


def test_the_region_of_the_reason_comes_first() -> None:
    found = evidence(region(10, 0.9), region(80, 0.6, "always_zone"), reason="always_zone")
    assert [one.number for one in told_regions(found, ENGLISH)] == [1, 0]
    found = evidence(region(10, 0.9), region(80, 0.6))
    assert [one.number for one in told_regions(found, ENGLISH)] == [0, 1]
    assert told_regions(evidence(), ENGLISH) == []


def test_a_region_below_the_threshold_says_so() -> None:
    found = evidence(region(10, 0.9), region(80, 0.4))
    assert [one.reason for one in told_regions(found, ENGLISH)][1] == "reasons.below_threshold"


@pytest.mark.parametrize(
    ("cues", "says"),
    [
        ({"unexplained": 0.8, "explained_by_light": 0.1, "explained_by_sway": 0.1}, "Neither"),
        ({"unexplained": 0.2, "explained_by_light": 0.6, "explained_by_sway": 0.1}, "be light"),
        ({"unexplained": 0.2, "explained_by_light": 0.1, "explained_by_sway": 0.6}, "only sway"),
        ({"unexplained": 0.2, "explained_by_light": 0.1, "explained_by_sway": 0.1}, "specks"),
        ({"sessions_alike": 0.0}, "Nothing like it moved here before."),
        ({"sessions_alike": 3.0}, "at 3 other times"),
    ],
)
def test_the_sentence_tells_what_the_numbers_say(cues: dict[str, float], says: str) -> None:
    sentence = told(evidence(region(10, 0.9, **cues)), "moved")
    assert sentence.startswith("Something moved. Region 1 decided it, 20 × 40 pixels large.")
    assert says in sentence


def test_a_threshold_of_ones_own_is_named_where_it_decided() -> None:
    found = evidence(region(10, 0.7), state=State.IRRELEVANT, threshold=0.9)
    assert "A threshold of your own, 0.90" in told(found, "below_threshold")
    assert "of your own" not in told(evidence(region(10, 0.7)), "moved")


def test_nuisance_by_a_rule_names_no_region() -> None:
    found = evidence(region(10, 0.0, "light"), state=State.IRRELEVANT, reason="light")
    assert told(found, "light") == "Only light changed."
    late = evidence(state=State.UNKNOWN, reason="late_pictures", cues={"late_s": 7.2})
    assert told(late, "late_pictures").endswith("The pictures begin 7 s after the motion.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sentence_is_in_the_language_of_the_page(language: str) -> None:
    said = words(language)
    found = evidence(
        region(10, 0.3, "busy_place", sessions_alike=4.0, recurrence=0.62),
        state=State.IRRELEVANT, reason="busy_place", threshold=0.4,
    )  # fmt: skip
    sentence = told(found, "busy_place", language)
    assert sentence.startswith(f"{said('reasons.busy_place')}. ")
    assert said("why.recurs", share="62") in sentence
    assert "0.40" in sentence


def test_how_often_a_place_moves_is_told_once_enough_was_seen() -> None:
    shares = np.full((3, 4), 0.5, np.float32)
    assert not Recurrence(events=1, shares=shares).tells
    assert Recurrence(events=20, shares=shares).tells
